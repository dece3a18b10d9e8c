//! A request, written.

use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{
    Body, Call, Format, Function, Media, Message, Param, Reasoning, Request, Role, Source, Tool, ToolChoice,
};
use crate::dialects::{Ask, Encoded};
use crate::domain::{ApiError, ErrorKind};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Settings of the runner that clients give at the root of a request.
const OPTIONS: [&str; 20] = [
    "num_ctx",
    "num_keep",
    "num_batch",
    "num_gpu",
    "num_thread",
    "num_predict",
    "main_gpu",
    "use_mmap",
    "numa",
    "top_k",
    "min_p",
    "typical_p",
    "tfs_z",
    "repeat_last_n",
    "repeat_penalty",
    "penalize_newline",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "draft_num_predict",
];

/// Only models of this family know levels of thought.
const LEVELLED: &str = "gpt-oss";

pub(super) fn encode(request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
    let mut body = Map::new();
    body.insert("model".to_owned(), ask.model.into());
    let messages = messages(request)?;
    body.insert("messages".to_owned(), messages.into());
    body.insert("stream".to_owned(), request.stream.into());
    let tools = tools(request, ask)?;
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    match std::mem::take(&mut request.format) {
        Format::Text => {}
        Format::Json => drop(body.insert("format".to_owned(), "json".into())),
        Format::Schema(wanted) => drop(body.insert("format".to_owned(), wanted.schema)),
    }
    if let Some(reasoning) = request.reasoning {
        body.insert("think".to_owned(), thinking(reasoning, ask.model));
    }
    let options = options(request);
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    Ok(Encoded { path: Cow::Borrowed("/api/chat"), headers: Vec::new(), body })
}

fn messages(request: &mut Request) -> Result<Vec<Value>, ApiError> {
    let mut written = Vec::with_capacity(request.messages.len());
    // Results bear ids, and Ollama wants to know of which function they are.
    let named: Vec<Option<String>> = request
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match &part.body {
            Body::Result(result) => {
                Some(result.name.clone().or_else(|| request.called(&result.id).map(str::to_owned)))
            }
            _ => None,
        })
        .collect();
    let mut named = named.into_iter();
    for message in std::mem::take(&mut request.messages) {
        write_message(message, &mut named, &mut written)?;
    }
    Ok(written)
}

#[derive(Default)]
struct Pieces {
    text: String,
    thought: String,
    images: Vec<Value>,
    calls: Vec<Value>,
}

fn write_message(
    message: Message,
    names: &mut impl Iterator<Item = Option<String>>,
    written: &mut Vec<Value>,
) -> Result<(), ApiError> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    };
    let mut pieces = Pieces::default();
    for part in message.parts {
        match part.body {
            Body::Text(text) | Body::Refusal(text) => pieces.text.push_str(&text),
            Body::Reasoning { text, .. } => pieces.thought.push_str(&text),
            Body::Redacted(_) => {}
            Body::Image(picture) => pieces.images.push(image(picture)?),
            Body::File { media: Media { source: Source::Text(text), .. }, .. } => pieces.text.push_str(&text),
            Body::Call(call) => pieces.calls.push(write_call(&call)),
            Body::Result(result) => {
                let mut answer = json!({ "role": "tool", "content": result.text() });
                if let Some(name) = names.next().flatten() {
                    answer["tool_name"] = name.into();
                }
                if !result.id.is_empty() {
                    answer["tool_call_id"] = result.id.into();
                }
                written.push(answer);
            }
            Body::Audio(_) | Body::Video(_) | Body::File { .. } => {
                return Err(invalid("messages", "Ollama takes text and pictures only"));
            }
        }
    }
    let nothing = pieces.text.is_empty() && pieces.images.is_empty() && pieces.calls.is_empty();
    if nothing && matches!(message.role, Role::Tool) {
        return Ok(());
    }
    written.push(pieces.written(role));
    Ok(())
}

impl Pieces {
    fn written(self, role: &str) -> Value {
        let mut message = json!({ "role": role, "content": self.text });
        if !self.thought.is_empty() {
            message["thinking"] = self.thought.into();
        }
        if !self.images.is_empty() {
            message["images"] = self.images.into();
        }
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.into();
        }
        message
    }
}

fn write_call(call: &Call) -> Value {
    let mut written = json!({ "function": { "name": call.name, "arguments": call.object() } });
    if !call.id.is_empty() {
        written["id"] = call.id.as_str().into();
    }
    written
}

/// Ollama fetches nothing.
fn image(picture: Media) -> Result<Value, ApiError> {
    match picture.source {
        Source::Data(data) => Ok(data.into()),
        _ => Err(invalid("messages", "Ollama takes pictures in base64 only (a data: URL)")),
    }
}

fn tools(request: &mut Request, ask: &Ask<'_>) -> Result<Vec<Value>, ApiError> {
    let refused = |what: &str, param: &str| {
        Err(ApiError::new(ErrorKind::UnsupportedParams, format!("{} {what}.", ask.model)).with_param(param))
    };
    let lenient = ask.shape.drop_params;
    match &request.tool_choice {
        Some(ToolChoice::None) => request.tools.clear(),
        Some(ToolChoice::Required | ToolChoice::Named(_)) if !lenient => {
            return refused("cannot be made to call a function", Param::ToolChoice.name());
        }
        _ => {}
    }
    if request.parallel_calls == Some(false) && request.tools.len() > 1 && !lenient {
        let what = "cannot be kept from calling several functions at once";
        return refused(what, Param::ParallelToolCalls.name());
    }
    Ok(std::mem::take(&mut request.tools).into_iter().map(tool).collect())
}

fn tool(tool: Tool) -> Value {
    match tool {
        Tool::Native(native) => native,
        Tool::Function(Function { name, description, schema, .. }) => {
            let mut function = json!({ "name": name });
            if let Some(description) = description {
                function["description"] = description.into();
            }
            function["parameters"] = schema;
            json!({ "type": "function", "function": function })
        }
    }
}

fn thinking(reasoning: Reasoning, model: &str) -> Value {
    match reasoning.effort() {
        None => false.into(),
        Some(effort) if model.contains(LEVELLED) => {
            use crate::dialects::hub::Effort;
            match effort {
                Effort::Minimal | Effort::Low => "low",
                Effort::Medium => "medium",
                Effort::High | Effort::ExtraHigh | Effort::Max => "high",
            }
            .into()
        }
        Some(_) => true.into(),
    }
}

/// `options`, with what the client wrote of it by that name.
fn options(request: &mut Request) -> Map<String, Value> {
    let mut options = match request.other.remove("options") {
        Some(Value::Object(own)) => own,
        _ => Map::new(),
    };
    for name in OPTIONS {
        if let Some(value) = request.other.remove(name) {
            options.insert(name.to_owned(), value);
        }
    }
    if let Some(most) = request.max_tokens {
        options.insert("num_predict".to_owned(), most.into());
    }
    if !request.stop.is_empty() {
        options.insert("stop".to_owned(), std::mem::take(&mut request.stop).into());
    }
    for (param, value) in std::mem::take(&mut request.params) {
        options.insert(param.name().to_owned(), value);
    }
    options
}
