//! Anthropic's messages: the shape of its answers, streams and errors, and what it would not take.

use super::answer::{Answer, Response};
use super::http::Request;
use serde_json::{Value, json};

/// What Anthropic would refuse in a request; `None` if it would answer it.
pub(super) fn fault(request: &Request) -> Option<String> {
    if request.header("anthropic-version").is_empty() {
        return Some("anthropic-version: header is required".to_owned());
    }
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    if !request.route().ends_with("/count_tokens") && body["max_tokens"].as_u64().is_none_or(|most| most == 0)
    {
        return Some("max_tokens: Field required".to_owned());
    }
    for (i, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        if tool["name"].as_str().is_none()
            || (tool["type"].is_null() && tool["input_schema"]["type"] != "object")
        {
            return Some(format!("tools.{i}: Field required"));
        }
    }
    of_turns(body["messages"].as_array()?)
}

/// Every call is answered by a result in the turn that follows.
fn of_turns(messages: &[Value]) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !matches!(role, "user" | "assistant") || (i == 0 && role != "user") {
            return Some(format!("messages.{i}: role '{role}' cannot stand here"));
        }
        let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        if blocks.iter().any(|block| block["type"] == "text" && block["text"] == "") {
            return Some(format!("messages.{i}: text content blocks must be non-empty"));
        }
        let ids = |kind: &str, name: &str| -> Vec<&str> {
            let own = blocks.iter().filter(|block| block["type"] == kind);
            own.filter_map(|block| block[name].as_str()).collect()
        };
        if ids("tool_result", "tool_use_id") != open {
            return Some(format!("messages.{i}: tool_use ids without tool_result blocks: {open:?}"));
        }
        open = ids("tool_use", "id");
    }
    None
}

/// An answer with how many tokens the prompt has.
pub(super) fn count(tokens: u64) -> Response {
    Response::json(200, json!({ "input_tokens": tokens }).to_string())
}

/// A refusal in Anthropic's words.
pub(super) fn refusal(status: u16, message: &str) -> Response {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let error = json!({ "type": kind, "message": message });
    let body = json!({ "type": "error", "error": error, "request_id": "req_sim" });
    Response::json(status, body.to_string())
}

/// The same refusal, if it is one of OpenAI's, in Anthropic's words.
pub(super) fn reworded(response: Response) -> Response {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match body["error"]["message"].as_str() {
        Some(message) => Response { headers: response.headers, ..refusal(response.status, message) },
        None => response,
    }
}

/// An error in the middle of a stream.
pub(super) const STREAM_ERROR: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
/// The last event of a stream.
pub(super) const STOP: &str = r#"{"type":"message_stop"}"#;
const SIGNATURE: &str = "c2lnbmF0dXJl";

// === impl Answer ===

impl Answer {
    /// The body of an answer that is not streamed.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut content = Vec::new();
        if !self.reasoning.is_empty() {
            let thought = self.reasoning.concat();
            content.push(json!({ "type": "thinking", "thinking": thought, "signature": SIGNATURE }));
        }
        content.push(match &self.tool {
            Some(tool) => {
                let input: Value = serde_json::from_str(&self.text).unwrap_or_default();
                json!({ "type": "tool_use", "id": "toolu_sim_1", "name": tool, "input": input })
            }
            None => json!({ "type": "text", "text": self.text }),
        });
        let mut message = self.envelope();
        message["content"] = content.into();
        message["stop_reason"] = self.stop_reason().into();
        message["usage"]["output_tokens"] = self.usage.unwrap_or_default().1.into();
        message.to_string().into_bytes()
    }

    fn envelope(&self) -> Value {
        json!({
            "id": format!("msg_sim_{}", self.id), "type": "message", "role": "assistant", "model": self.model,
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {
                "input_tokens": self.usage.unwrap_or_default().0, "output_tokens": 1,
                "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            },
        })
    }

    const fn stop_reason(&self) -> &'static str {
        if self.tool.is_some() { "tool_use" } else { "end_turn" }
    }

    /// The `index`-th event; `None` past the last but one, which is [`STOP`].
    pub(super) fn message_event(&self, index: usize) -> Option<Value> {
        let Some(mut at) = index.checked_sub(1) else {
            return Some(json!({ "type": "message_start", "message": self.envelope() }));
        };
        let thoughts = self.reasoning.len();
        let mut block = 0;
        if thoughts > 0 {
            if at < thoughts + 3 {
                return Some(self.thought_event(at));
            }
            at -= thoughts + 3;
            block = 1;
        }
        let pieces = self.pieces.len();
        Some(match at {
            0 => {
                json!({ "type": "content_block_start", "index": block, "content_block": self.empty_block() })
            }
            at if at <= pieces => {
                let piece = self.pieces.get(at - 1).and_then(|piece| self.text.get(piece.clone()));
                json!({ "type": "content_block_delta", "index": block, "delta": self.delta(piece) })
            }
            at if at == pieces + 1 => json!({ "type": "content_block_stop", "index": block }),
            at if at == pieces + 2 => json!({
                "type": "message_delta",
                "delta": { "stop_reason": self.stop_reason(), "stop_sequence": null },
                "usage": { "output_tokens": self.usage.unwrap_or_default().1 },
            }),
            _ => return None,
        })
    }

    fn thought_event(&self, at: usize) -> Value {
        let delta = |delta: Value| json!({ "type": "content_block_delta", "index": 0, "delta": delta });
        match (at, at.checked_sub(1).and_then(|at| self.reasoning.get(at))) {
            (0, _) => json!({
                "type": "content_block_start", "index": 0,
                "content_block": { "type": "thinking", "thinking": "", "signature": "" },
            }),
            (_, Some(thought)) => delta(json!({ "type": "thinking_delta", "thinking": thought })),
            (at, None) if at == self.reasoning.len() + 1 => {
                delta(json!({ "type": "signature_delta", "signature": SIGNATURE }))
            }
            _ => json!({ "type": "content_block_stop", "index": 0 }),
        }
    }

    fn empty_block(&self) -> Value {
        match &self.tool {
            Some(tool) => json!({ "type": "tool_use", "id": "toolu_sim_1", "name": tool, "input": {} }),
            None => json!({ "type": "text", "text": "" }),
        }
    }

    fn delta(&self, piece: Option<&str>) -> Value {
        match &self.tool {
            Some(_) => json!({ "type": "input_json_delta", "partial_json": piece }),
            None => json!({ "type": "text_delta", "text": piece }),
        }
    }
}
