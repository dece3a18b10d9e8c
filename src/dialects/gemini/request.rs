//! A request, written.

use super::{media, schema};
use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{
    Body, CallResult, Effort, Format, Function, Message, Param, Part, Reasoning, Request, Role, Tool,
    ToolChoice,
};
use crate::dialects::{Ask, Encoded};
use crate::domain::{ApiError, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

/// Models of this family want the proof of a thought with each call, and take this word where nobody kept it.
const PROVED: &str = "gemini-3";
const UNPROVED: &str = "skip_thought_signature_validator";

pub(super) fn encode(request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
    let mut body = Map::new();
    let called = called(&request.messages);
    let (mut system, mut contents) = (Vec::new(), Vec::new());
    for message in std::mem::take(&mut request.messages) {
        write_message(message, ask, &called, &mut system, &mut contents)?;
    }
    if contents.is_empty() {
        contents.push(json!({ "role": "user", "parts": [{ "text": " " }] }));
    }
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({ "parts": system }));
    }
    body.insert("contents".to_owned(), contents.into());
    tools(request, ask, &mut body)?;
    let settings = settings(request, ask);
    if !settings.is_empty() {
        body.insert("generationConfig".to_owned(), settings.into());
    }
    let how = if request.stream { STREAMED } else { WHOLE };
    Ok(Encoded { path: Cow::Owned(path(ask.model, how)), headers: Vec::new(), body })
}

pub(super) const WHOLE: &str = "generateContent";
pub(super) const STREAMED: &str = "streamGenerateContent?alt=sse";
pub(super) const COUNTED: &str = "countTokens";

/// Where this is done with a model, after the base path.
pub(super) fn path(model: &str, how: &str) -> String {
    let model = in_path(model.strip_prefix("models/").unwrap_or(model));
    if model.contains('/') { format!("/{model}:{how}") } else { format!("/models/{model}:{how}") }
}

/// A model's name as it stands in a path: nothing in it ends the path, or names another verb.
pub(in crate::dialects) fn in_path(model: &str) -> Cow<'_, str> {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    // Within a path these stand for themselves.
    const PLAIN: &AsciiSet = &UNRESERVED.remove(b'/').remove(b'@').remove(b'=').remove(b'+');
    utf8_percent_encode(model, PLAIN).into()
}

/// The functions that were called, by the ids of the calls: results must name them.
fn called(messages: &[Message]) -> HashMap<String, String> {
    let bodies = messages.iter().flat_map(|message| &message.parts).map(|part| &part.body);
    let calls = bodies.filter_map(|body| match body {
        Body::Call(call) => Some((call.id.clone(), call.name.clone())),
        _ => None,
    });
    calls.collect()
}

fn write_message(
    message: Message,
    ask: &Ask<'_>,
    called: &HashMap<String, String>,
    system: &mut Vec<Value>,
    contents: &mut Vec<Value>,
) -> Result<(), ApiError> {
    let role = match message.role {
        Role::System | Role::Developer => {
            let text = message.text();
            if !text.is_empty() {
                system.push(json!({ "text": text }));
            }
            return Ok(());
        }
        Role::User | Role::Tool => "user",
        Role::Assistant => "model",
    };
    let mut parts = Vec::with_capacity(message.parts.len());
    for part in message.parts {
        write_part(part, ask, called, &mut parts)?;
    }
    if parts.is_empty() {
        return Ok(());
    }
    // Turns alternate, and all results of a turn stand together.
    if let Some(last) = contents.last_mut()
        && last["role"] == role
        && let Some(Value::Array(before)) = last.get_mut("parts")
    {
        before.append(&mut parts);
        return Ok(());
    }
    contents.push(json!({ "role": role, "parts": parts }));
    Ok(())
}

fn write_part(
    part: Part,
    ask: &Ask<'_>,
    called: &HashMap<String, String>,
    parts: &mut Vec<Value>,
) -> Result<(), ApiError> {
    parts.push(match part.body {
        Body::Text(text) | Body::Refusal(text) if text.is_empty() => return Ok(()),
        Body::Text(text) | Body::Refusal(text) => json!({ "text": text }),
        Body::Image(picture) => media::part(picture, "image/png"),
        Body::Audio(recording) => media::part(recording, "audio/wav"),
        Body::Video(film) => media::part(film, "video/mp4"),
        Body::File { media: document, .. } => media::part(document, "application/pdf"),
        // A thought without its proof, or with another provider's, is of no use here.
        Body::Reasoning { .. } | Body::Redacted(_) => return Ok(()),
        Body::Call(call) => {
            let mut part = json!({ "functionCall": { "name": call.name, "args": call.object() } });
            let unproved = || ask.model.contains(PROVED).then(|| UNPROVED.to_owned());
            if let Some(proof) = call.signature.or_else(unproved) {
                part["thoughtSignature"] = proof.into();
            }
            part
        }
        Body::Result(result) => {
            let name = result.name.clone().or_else(|| called.get(&result.id).cloned());
            let name = name.ok_or_else(|| {
                invalid("messages", &format!("no call has the id '{}' that a result bears", result.id))
            })?;
            return write_result(name, result, parts);
        }
    });
    Ok(())
}

/// What a function returned must be an object; pictures follow it.
fn write_result(name: String, result: CallResult, parts: &mut Vec<Value>) -> Result<(), ApiError> {
    let text = result.text();
    let response = match serde_json::from_str::<Value>(&text) {
        Ok(object @ Value::Object(_)) if !result.failed => object,
        _ if result.failed => json!({ "error": text }),
        _ => json!({ "result": text }),
    };
    parts.push(json!({ "functionResponse": { "name": name, "response": response } }));
    for part in result.parts.into_iter().filter(|part| part.body.text().is_none()) {
        if let Body::Image(shown) | Body::File { media: shown, .. } = part.body {
            parts.push(media::part(shown, "image/png"));
        }
    }
    Ok(())
}

fn tools(request: &mut Request, ask: &Ask<'_>, body: &mut Map<String, Value>) -> Result<(), ApiError> {
    if request.tools.is_empty() {
        return Ok(());
    }
    if request.parallel_calls == Some(false) && request.tools.len() > 1 && !ask.shape.drop_params {
        let words = format!("{} cannot be kept from calling several functions at once.", ask.model);
        return Err(ApiError::new(ErrorKind::UnsupportedParams, words).with_param("parallel_tool_calls"));
    }
    let (mut functions, mut tools) = (Vec::new(), Vec::new());
    for tool in std::mem::take(&mut request.tools) {
        match tool {
            Tool::Function(function) => functions.push(declaration(function)),
            Tool::Native(Value::Object(mut native)) => {
                native.shift_remove("type");
                tools.push(Value::Object(native));
            }
            Tool::Native(_) => {}
        }
    }
    if !functions.is_empty() {
        tools.push(json!({ "functionDeclarations": functions }));
    }
    body.insert("tools".to_owned(), tools.into());
    if let Some(choice) = &request.tool_choice {
        let mode = match choice {
            ToolChoice::Auto => json!({ "mode": "AUTO" }),
            ToolChoice::None => json!({ "mode": "NONE" }),
            ToolChoice::Required => json!({ "mode": "ANY" }),
            ToolChoice::Named(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
        };
        body.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": mode }));
    }
    Ok(())
}

fn declaration(function: Function) -> Value {
    let mut written = json!({ "name": function.name });
    if let Some(description) = function.description {
        written["description"] = description.into();
    }
    // A function without arguments must not name an object without properties.
    let bare = function.schema.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty);
    if !bare {
        written["parametersJsonSchema"] = schema::cleaned(function.schema);
    }
    written
}

/// `generationConfig`, with what the client wrote of it by that name.
fn settings(request: &mut Request, ask: &Ask<'_>) -> Map<String, Value> {
    let mut settings = match request.other.remove("generationConfig") {
        Some(Value::Object(own)) => own,
        _ => Map::new(),
    };
    let mut put = |name: &str, value: Value| settings.insert(name.to_owned(), value);
    if let Some(most) = request.max_tokens {
        put("maxOutputTokens", most.into());
    }
    if !request.stop.is_empty() {
        put("stopSequences", std::mem::take(&mut request.stop).into());
    }
    match std::mem::take(&mut request.format) {
        Format::Text => {}
        Format::Json => {
            put("responseMimeType", "application/json".into());
        }
        Format::Schema(wanted) => {
            put("responseMimeType", "application/json".into());
            put("responseJsonSchema", schema::cleaned(wanted.schema));
        }
    }
    if let Some(reasoning) = request.reasoning {
        put("thinkingConfig", thinking(reasoning, ask.model));
    }
    for (param, value) in std::mem::take(&mut request.params) {
        match param {
            Param::Temperature => put("temperature", value),
            Param::TopP => put("topP", value),
            Param::Seed => put("seed", value),
            Param::FrequencyPenalty => put("frequencyPenalty", value),
            Param::PresencePenalty => put("presencePenalty", value),
            Param::Modalities => put("responseModalities", in_capitals(&value)),
            _ => None,
        };
    }
    if let Some(top_k) = request.other.remove("top_k") {
        put("topK", top_k);
    }
    settings
}

fn in_capitals(words: &Value) -> Value {
    let words = words.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.map(str::to_ascii_uppercase).collect::<Vec<_>>().into()
}

/// Newer models know levels, older ones a number of tokens.
fn thinking(reasoning: Reasoning, model: &str) -> Value {
    let levels = model.contains(PROVED);
    match reasoning {
        Reasoning::Off if levels => json!({ "thinkingLevel": "low", "includeThoughts": false }),
        Reasoning::Off => json!({ "thinkingBudget": 0, "includeThoughts": false }),
        Reasoning::Adaptive if levels => json!({ "includeThoughts": true }),
        Reasoning::Adaptive => json!({ "thinkingBudget": -1, "includeThoughts": true }),
        Reasoning::Budget(tokens) if !levels => json!({ "thinkingBudget": tokens, "includeThoughts": true }),
        Reasoning::Effort(effort) if !levels => {
            json!({ "thinkingBudget": effort.budget(), "includeThoughts": true })
        }
        Reasoning::Effort(_) | Reasoning::Budget(_) => {
            let low = reasoning.effort().is_none_or(|effort| effort <= Effort::Low);
            json!({ "thinkingLevel": if low { "low" } else { "high" }, "includeThoughts": true })
        }
    }
}
