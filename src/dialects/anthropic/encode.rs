//! A request, written.

use super::message::{conversation, system};
use super::model::{Abilities, abilities};
use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{
    Body as Said, Format, Function, JSON_TOOL, Message, Param, Reasoning, Request, Role, Tool, ToolChoice,
};
use crate::dialects::{Ask, Encoded};
use crate::domain::ApiError;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Anthropic wants a bound to every answer; LiteLLM's, for clients that give none.
const MAX_TOKENS: u64 = 4096;
/// The least that a model may think.
const LEAST_BUDGET: u64 = 1024;

type Body = Map<String, Value>;

pub(super) fn encode(request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
    let able = abilities(ask.model);
    let mut body = Body::new();
    body.insert("model".to_owned(), ask.model.into());
    put_thinking(&mut body, request, able);
    if let Some(system) = system(&mut request.messages) {
        body.insert("system".to_owned(), system);
    }
    let messages = conversation(std::mem::take(&mut request.messages))?;
    body.insert("messages".to_owned(), messages.into());
    put_tools(&mut body, request)?;
    put_format(&mut body, request, able);
    put_sampling(&mut body, request, able, ask);
    if !request.stop.is_empty() {
        body.insert("stop_sequences".to_owned(), std::mem::take(&mut request.stop).into());
    }
    if let Some(user) = request.user.take() {
        body.insert("metadata".to_owned(), json!({ "user_id": user }));
    }
    if request.stream {
        body.insert("stream".to_owned(), true.into());
    }
    Ok(Encoded { path: Cow::Borrowed("/messages"), headers: Vec::new(), body })
}

/// How long the answer may be, and how much of it thought.
fn put_thinking(body: &mut Body, request: &Request, able: Abilities) {
    let most = request.max_tokens;
    let put = |body: &mut Body, tokens: u64| body.insert("max_tokens".to_owned(), tokens.into());
    let budget = match request.reasoning {
        None => return drop(put(body, most.unwrap_or(MAX_TOKENS))),
        Some(_) if !able.adaptive && forgot_its_thoughts(&request.messages) => {
            return drop(put(body, most.unwrap_or(MAX_TOKENS)));
        }
        Some(Reasoning::Off) => {
            put(body, most.unwrap_or(MAX_TOKENS));
            if !able.adaptive {
                body.insert("thinking".to_owned(), json!({ "type": "disabled" }));
            }
            return;
        }
        Some(reasoning) if able.adaptive => {
            put(body, most.unwrap_or(MAX_TOKENS * 4));
            body.insert("thinking".to_owned(), json!({ "type": "adaptive" }));
            if !matches!(reasoning, Reasoning::Adaptive)
                && let Some(effort) = reasoning.effort()
            {
                let word = if effort.word() == "minimal" { "low" } else { effort.word() };
                body.insert("output_config".to_owned(), json!({ "effort": word }));
            }
            return;
        }
        // The client's own number is not changed; a level is made to fit.
        Some(Reasoning::Budget(tokens)) => tokens,
        Some(reasoning) => {
            let wanted = reasoning.budget().unwrap_or(MAX_TOKENS).max(LEAST_BUDGET);
            wanted.min(most.map_or(u64::MAX, |most| most.saturating_sub(1)))
        }
    };
    put(body, most.unwrap_or_else(|| budget.saturating_add(MAX_TOKENS)));
    if budget >= LEAST_BUDGET || matches!(request.reasoning, Some(Reasoning::Budget(_))) {
        body.insert("thinking".to_owned(), json!({ "type": "enabled", "budget_tokens": budget }));
    }
}

/// Whether the conversation goes on after calls whose thoughts the client did not keep. A model that is to think
/// takes no such turn, and would refuse the whole conversation from there on.
fn forgot_its_thoughts(messages: &[Message]) -> bool {
    let said = messages.iter().rev().find(|message| message.role == Role::Assistant);
    said.is_some_and(|message| {
        let has = |fits: fn(&Said) -> bool| message.parts.iter().any(|part| fits(&part.body));
        has(|body| matches!(body, Said::Call(_)))
            && !has(|body| matches!(body, Said::Reasoning { signature: Some(_), .. } | Said::Redacted(_)))
    })
}

fn put_sampling(body: &mut Body, request: &mut Request, able: Abilities, ask: &Ask<'_>) {
    let dropped = !able.sampling && ask.shape.drop_params;
    for param in [Param::Temperature, Param::TopP] {
        if let Some(value) = request.take_param(param)
            && !dropped
        {
            body.insert(param.name().to_owned(), value);
        }
    }
    if dropped {
        request.other.remove("top_k");
    }
}

fn put_tools(body: &mut Body, request: &mut Request) -> Result<(), ApiError> {
    let mut tools = Vec::with_capacity(request.tools.len());
    for tool in std::mem::take(&mut request.tools) {
        tools.push(match tool {
            Tool::Function(function) => write_function(function),
            Tool::Native(native) => native,
        });
    }
    if let Some(options) = request.take_param(Param::WebSearchOptions) {
        tools.push(web_search(&options));
    }
    let choice = request.tool_choice.take();
    if tools.is_empty() {
        return match choice {
            Some(ToolChoice::Named(_) | ToolChoice::Required) => {
                Err(invalid("tool_choice", "there are no tools to choose from"))
            }
            _ => Ok(()),
        };
    }
    body.insert("tools".to_owned(), tools.into());
    let mut written = match (&choice, request.parallel_calls) {
        (None, None | Some(true)) => return Ok(()),
        (None | Some(ToolChoice::Auto), _) => json!({ "type": "auto" }),
        (Some(ToolChoice::None), _) => json!({ "type": "none" }),
        (Some(ToolChoice::Required), _) => json!({ "type": "any" }),
        (Some(ToolChoice::Named(name)), _) => json!({ "type": "tool", "name": name }),
    };
    if let (Some(parallel), false) = (request.parallel_calls, choice == Some(ToolChoice::None)) {
        written["disable_parallel_tool_use"] = (!parallel).into();
    }
    body.insert("tool_choice".to_owned(), written);
    Ok(())
}

fn write_function(function: Function) -> Value {
    let Function { name, description, mut schema, cache, .. } = function;
    if let Value::Object(schema) = &mut schema {
        schema.entry("type").or_insert_with(|| "object".into());
    }
    let mut written = json!({ "name": name, "input_schema": schema });
    if let Some(description) = description {
        written["description"] = description.into();
    }
    if let Some(cache) = cache {
        written["cache_control"] = cache;
    }
    written
}

/// OpenAI's settings of a search, as far as Anthropic's has them.
fn web_search(options: &Value) -> Value {
    let mut tool = json!({ "type": "web_search_20250305", "name": "web_search" });
    let uses = match options.get("search_context_size").and_then(Value::as_str) {
        Some("low") => Some(1),
        Some("medium") => Some(5),
        Some("high") => Some(10),
        _ => None,
    };
    if let Some(uses) = uses {
        tool["max_uses"] = uses.into();
    }
    if let Some(Value::Object(place)) = options.pointer("/user_location/approximate") {
        let mut place = place.clone();
        place.insert("type".to_owned(), "approximate".into());
        tool["user_location"] = place.into();
    }
    tool
}

/// A form for the answer: of the model's own making where it can, else as the arguments of a function that it
/// must call.
fn put_format(body: &mut Body, request: &mut Request, able: Abilities) {
    let schema = match std::mem::take(&mut request.format) {
        Format::Text => return,
        Format::Json => json!({ "type": "object", "additionalProperties": true, "properties": {} }),
        Format::Schema(schema) if able.schemas => {
            let format = json!({ "type": "json_schema", "schema": schema.schema });
            let config = body.entry("output_config").or_insert_with(|| json!({}));
            config["format"] = format;
            return;
        }
        Format::Schema(schema) => schema.schema,
    };
    let function = Function {
        name: JSON_TOOL.to_owned(),
        description: Some(
            "Gives the answer in the form that is wanted. Call it once, with all of it.".to_owned(),
        ),
        schema,
        strict: None,
        cache: None,
    };
    let tools = body.entry("tools").or_insert_with(|| json!([]));
    let only = tools.as_array().is_some_and(Vec::is_empty);
    if let Value::Array(tools) = tools {
        tools.push(write_function(function));
    }
    // A model that thinks, or has functions to call first, cannot be forced.
    if only && !body.contains_key("thinking") {
        body.insert("tool_choice".to_owned(), json!({ "type": "tool", "name": JSON_TOOL }));
    }
}
