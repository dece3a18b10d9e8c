//! Google's `generateContent`: the shape of its answers, streams and errors, and what it would not take.

use super::answer::{Answer, Response};
use super::http::Request;
use serde_json::{Value, json};

/// The model that a path names, and what is to be done with it.
pub(super) fn called(route: &str) -> Option<(&str, &str)> {
    let (model, method) = route.rsplit_once("/models/")?.1.rsplit_once(':')?;
    matches!(method, "generateContent" | "streamGenerateContent" | "countTokens").then_some((model, method))
}

const KNOWN: [&str; 9] = [
    "contents",
    "tools",
    "toolConfig",
    "safetySettings",
    "systemInstruction",
    "generationConfig",
    "cachedContent",
    "generateContentRequest",
    "labels",
];
const PARTS: [&str; 6] =
    ["text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode"];

/// What Google would refuse in a request; `None` if it would answer it.
pub(super) fn fault(request: &Request) -> Option<String> {
    if request.header("x-goog-api-key").is_empty() || request.path.contains("key=") {
        return Some("API key not valid. Please pass a valid API key.".to_owned());
    }
    let streams = request.route().ends_with("streamGenerateContent");
    if streams != request.path.ends_with("?alt=sse") {
        return Some("the simulator streams events alone".to_owned());
    }
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    if let Some(name) = body.as_object()?.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Some(format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."));
    }
    of_turns(body["contents"].as_array()?)
}

/// There are as many responses as calls, in the turn that follows.
fn of_turns(contents: &[Value]) -> Option<String> {
    let mut open = 0;
    for (i, content) in contents.iter().enumerate() {
        if !matches!(content["role"].as_str(), None | Some("user" | "model" | "function")) {
            return Some("Please use a valid role: user, model.".to_owned());
        }
        let parts = content["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let known = |part: &Value| PARTS.iter().any(|name| !part[*name].is_null());
        if parts.is_empty() || !parts.iter().all(known) {
            return Some(format!(
                "contents[{i}].parts: required oneof field 'data' must have one initialized field"
            ));
        }
        let count = |name: &str| parts.iter().filter(|part| !part[name].is_null()).count();
        if count("functionResponse") != open {
            let words =
                "the number of function response parts is not equal to the number of function call parts";
            return Some(format!("contents[{i}]: {words} of the function call turn."));
        }
        open = count("functionCall");
    }
    None
}

/// An answer with how many tokens the prompt has.
pub(super) fn count(tokens: u64) -> Response {
    Response::json(200, json!({ "totalTokens": tokens }).to_string())
}

/// A refusal in Google's words.
pub(super) fn refusal(status: u16, message: &str) -> Response {
    let word = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let error = json!({ "code": status, "message": message, "status": word });
    Response::json(status, json!({ "error": error }).to_string())
}

/// The same refusal, if it is one of OpenAI's, in Google's words.
pub(super) fn reworded(response: Response) -> Response {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match body["error"]["message"].as_str() {
        Some(message) => Response { headers: response.headers, ..refusal(response.status, message) },
        None => response,
    }
}

/// An error in the middle of a stream.
pub(super) const STREAM_ERROR: &str =
    r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;

// === impl Answer ===

impl Answer {
    /// The body of an answer that is not streamed.
    pub(super) fn content(&self) -> Value {
        let mut parts = Vec::new();
        if !self.reasoning.is_empty() {
            parts.push(json!({ "text": self.reasoning.concat(), "thought": true }));
        }
        parts.push(if self.tool.is_some() { self.call_part() } else { json!({ "text": self.text }) });
        let mut chunk = self.chunk(&parts, Some("STOP"));
        chunk["usageMetadata"] = self.counts().unwrap_or_default();
        chunk
    }

    fn call_part(&self) -> Value {
        let args: Value = serde_json::from_str(&self.text).unwrap_or_default();
        json!({ "functionCall": { "name": self.tool, "args": args } })
    }

    fn counts(&self) -> Option<Value> {
        let (prompt, spoken) = self.usage?;
        let thoughts = self.reasoning.len() as u64;
        Some(json!({
            "promptTokenCount": prompt, "candidatesTokenCount": spoken - thoughts,
            "thoughtsTokenCount": thoughts, "totalTokenCount": prompt + spoken,
        }))
    }

    fn chunk(&self, parts: &[Value], reason: Option<&str>) -> Value {
        let mut candidate = json!({ "content": { "parts": parts, "role": "model" }, "index": 0 });
        if let Some(reason) = reason {
            candidate["finishReason"] = reason.into();
        }
        json!({
            "candidates": [candidate], "modelVersion": self.model, "responseId": format!("sim-{}", self.id),
        })
    }

    /// The events of its stream.
    pub(super) fn content_events(&self) -> Vec<Value> {
        let thoughts = self.reasoning.iter().map(|thought| json!({ "text": thought, "thought": true }));
        let mut parts: Vec<Value> = thoughts.collect();
        match self.tool {
            Some(_) => parts.push(self.call_part()),
            None => {
                let pieces = self.pieces.iter().filter_map(|piece| self.text.get(piece.clone()));
                parts.extend(pieces.map(|piece| json!({ "text": piece })));
            }
        }
        let mut events: Vec<Value> = parts.into_iter().map(|part| self.chunk(&[part], None)).collect();
        let mut last = self.chunk(&[json!({ "text": "" })], Some("STOP"));
        if let Some(counts) = self.counts() {
            last["usageMetadata"] = counts;
        }
        events.push(last);
        events
    }
}
