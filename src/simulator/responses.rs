//! OpenAI's responses: the shape of its answers and streams, and what it would not take.

use super::answer::{Answer, CREATED, TOOL_CALL_ID};
use serde_json::{Value, json};

/// The members that a request may have.
const KNOWN: [&str; 29] = [
    "background",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "context_management",
];

/// What OpenAI would refuse in a request; `None` if it would answer it.
pub(super) fn fault(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let members = body.as_object()?;
    if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Some(format!("Unknown parameter: '{name}'."));
    }
    if !(body["input"].is_string() || body["input"].is_array()) {
        return Some("Missing required parameter: 'input'.".to_owned());
    }
    for (i, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        if !tool["type"].is_string() || (tool["type"] == "function" && !tool["name"].is_string()) {
            return Some(format!("Missing required parameter: 'tools[{i}].name'."));
        }
    }
    let mut open: Vec<&str> = Vec::new();
    for item in body["input"].as_array().into_iter().flatten() {
        let id = item["call_id"].as_str().unwrap_or_default();
        match item["type"].as_str() {
            Some("function_call") => open.push(id),
            Some("function_call_output") if open.contains(&id) => open.retain(|own| *own != id),
            Some("function_call_output") => return Some(format!("No tool call found for call_id {id}.")),
            _ => {}
        }
    }
    open.first().map(|id| format!("No tool output found for function call {id}."))
}

/// An error in the middle of a stream.
pub(super) const STREAM_ERROR: &str = r#"{"type":"error","code":"server_error","message":"The server had an error while processing your request.","param":null,"sequence_number":99}"#;

// === impl Answer ===

impl Answer {
    /// The body of an answer that is not streamed.
    pub(super) fn response(&self) -> Value {
        let mut output = Vec::new();
        if !self.reasoning.is_empty() {
            output.push(self.thought());
        }
        output.push(if self.tool.is_some() { self.called(&self.text) } else { self.said(&self.text) });
        let mut response = self.under_way("completed");
        response["output"] = output.into();
        if let Some((input, spoken)) = self.usage {
            response["usage"] = json!({
                "input_tokens": input, "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
                "output_tokens": spoken,
                "output_tokens_details": { "reasoning_tokens": self.reasoning.len() },
                "total_tokens": input + spoken,
            });
        }
        response
    }

    fn under_way(&self, status: &str) -> Value {
        json!({
            "id": format!("resp_sim_{}", self.id), "object": "response", "created_at": CREATED, "status": status,
            "error": null, "incomplete_details": null, "instructions": null, "max_output_tokens": null,
            "model": self.model, "output": [], "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": { "effort": null, "summary": null }, "store": true, "temperature": 1.0,
            "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [], "top_p": 1.0,
            "truncation": "disabled", "usage": null, "user": null, "metadata": {},
        })
    }

    fn thought(&self) -> Value {
        let words = json!([{ "type": "summary_text", "text": self.reasoning.concat() }]);
        json!({ "id": "rs_sim_1", "type": "reasoning", "summary": words })
    }

    fn said(&self, text: &str) -> Value {
        let part = json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
        json!({ "id": "msg_sim_1", "type": "message", "status": "completed", "role": "assistant", "content": [part] })
    }

    fn called(&self, arguments: &str) -> Value {
        json!({
            "id": "fc_sim_1", "type": "function_call", "status": "completed", "arguments": arguments,
            "call_id": TOOL_CALL_ID, "name": self.tool,
        })
    }

    /// The events of its stream.
    pub(super) fn response_events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let mut push = |kind: &str, mut event: Value| {
            event["type"] = format!("response.{kind}").into();
            event["sequence_number"] = events.len().into();
            events.push(event);
        };
        push("created", json!({ "response": self.under_way("in_progress") }));
        push("in_progress", json!({ "response": self.under_way("in_progress") }));
        let mut at = 0;
        if !self.reasoning.is_empty() {
            let empty = json!({ "id": "rs_sim_1", "type": "reasoning", "summary": [] });
            push("output_item.added", json!({ "output_index": 0, "item": empty }));
            let place = |more: Value| {
                with(json!({ "item_id": "rs_sim_1", "output_index": 0, "summary_index": 0 }), more)
            };
            let part = |text: &str| json!({ "part": { "type": "summary_text", "text": text } });
            push("reasoning_summary_part.added", place(part("")));
            for thought in self.reasoning {
                push("reasoning_summary_text.delta", place(json!({ "delta": thought })));
            }
            push("reasoning_summary_text.done", place(json!({ "text": self.reasoning.concat() })));
            push("reasoning_summary_part.done", place(part(&self.reasoning.concat())));
            push("output_item.done", json!({ "output_index": 0, "item": self.thought() }));
            at = 1;
        }
        let pieces = self.pieces.iter().filter_map(|piece| self.text.get(piece.clone()));
        if self.tool.is_some() {
            push("output_item.added", json!({ "output_index": at, "item": self.called("") }));
            let place = |more: Value| with(json!({ "item_id": "fc_sim_1", "output_index": at }), more);
            for piece in pieces {
                push("function_call_arguments.delta", place(json!({ "delta": piece })));
            }
            push("function_call_arguments.done", place(json!({ "arguments": self.text })));
            push("output_item.done", json!({ "output_index": at, "item": self.called(&self.text) }));
        } else {
            let whole = self.said(&self.text);
            push(
                "output_item.added",
                json!({ "output_index": at, "item": with(whole.clone(), json!({ "content": [] })) }),
            );
            let place = |more: Value| {
                with(json!({ "item_id": "msg_sim_1", "output_index": at, "content_index": 0 }), more)
            };
            push("content_part.added", place(json!({ "part": self.said("")["content"][0] })));
            for piece in pieces {
                push("output_text.delta", place(json!({ "delta": piece, "logprobs": [] })));
            }
            push("output_text.done", place(json!({ "text": self.text, "logprobs": [] })));
            push("content_part.done", place(json!({ "part": whole["content"][0] })));
            push("output_item.done", json!({ "output_index": at, "item": whole }));
        }
        push("completed", json!({ "response": self.response() }));
        events
    }
}

fn with(mut base: Value, more: Value) -> Value {
    if let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) {
        base.extend(more);
    }
    base
}
