//! Parameters of sampling, and how much to think: each family of models has its own words for that.

use crate::dialects::Ask;
use crate::dialects::hub::{Effort, Param, Reasoning, Request};
use crate::domain::{ApiError, ErrorKind};
use serde_json::{Map, Value, json};

/// The least that Claude can be told to think.
const LEAST_THOUGHT: u64 = 1024;
/// What may be said besides thinking if nobody set a bound.
const SAID: u64 = 4096;

pub(super) fn write(
    request: &mut Request,
    ask: &Ask<'_>,
    body: &mut Map<String, Value>,
) -> Result<(), ApiError> {
    let mut config = Map::new();
    if let Some(reasoning) = request.reasoning {
        let fields = thinking(reasoning, request, ask)?;
        if !fields.is_empty() {
            body.insert("additionalModelRequestFields".to_owned(), fields.into());
        }
    }
    let mut put = |name: &str, value: Value| drop(config.insert(name.to_owned(), value));
    if let Some(most) = request.max_tokens {
        put("maxTokens", most.into());
    }
    if !request.stop.is_empty() {
        put("stopSequences", std::mem::take(&mut request.stop).into());
    }
    for (param, value) in std::mem::take(&mut request.params) {
        match param {
            Param::Temperature => put("temperature", value),
            Param::TopP => put("topP", value),
            _ => {}
        }
    }
    if !config.is_empty() {
        body.insert("inferenceConfig".to_owned(), config.into());
    }
    Ok(())
}

fn thinking(
    reasoning: Reasoning,
    request: &mut Request,
    ask: &Ask<'_>,
) -> Result<Map<String, Value>, ApiError> {
    let model = ask.model;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if model.contains("claude") {
        match (reasoning, reasoning.budget()) {
            (Reasoning::Off, _) => put("thinking", json!({ "type": "disabled" })),
            (_, None) => put("thinking", json!({ "type": "adaptive" })),
            (_, Some(tokens)) => {
                let tokens = tokens.max(LEAST_THOUGHT);
                // Thoughts are part of what is bounded.
                let most = request.max_tokens.unwrap_or_else(|| tokens.saturating_add(SAID));
                request.max_tokens = Some(if most > tokens { most } else { tokens.saturating_add(most) });
                put("thinking", json!({ "type": "enabled", "budget_tokens": tokens }));
            }
        }
    } else if model.contains("gpt-oss") {
        let effort = reasoning.effort().map_or(Effort::Low, |effort| effort.clamp(Effort::Low, Effort::High));
        put("reasoning_effort", effort.word().into());
    } else if model.contains("nova") {
        match reasoning.effort() {
            None => put("reasoningConfig", json!({ "type": "disabled" })),
            Some(effort) => {
                let word = effort.clamp(Effort::Low, Effort::High).word();
                put("reasoningConfig", json!({ "type": "enabled", "maxReasoningEffort": word }));
            }
        }
    } else if reasoning != Reasoning::Off && !ask.shape.drop_params {
        let words = format!("{model} cannot be told how much to think.");
        let error = ApiError::new(ErrorKind::UnsupportedParams, words);
        return Err(error.with_param(Param::ReasoningEffort.name()));
    }
    Ok(fields)
}
