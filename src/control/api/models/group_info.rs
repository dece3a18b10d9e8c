//! `GET /model_group/info`: what the deployments of each public name have in common.

use super::info::{PARAMS, SUPPORTS};
use super::visible::visible;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Params};
use crate::domain::{Prices, TokenPrice};
use crate::providers::Target;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let snapshot = control.runtime.load();
    let seen = visible(&control, &snapshot, caller.principal()).await?;
    let mut groups: Vec<(&str, Vec<&Arc<Target>>)> = Vec::new();
    for target in
        seen.iter().filter(|target| params.text("model_group").is_none_or(|name| name == target.group))
    {
        match groups.iter_mut().find(|(name, _)| *name == target.group) {
            Some((_, targets)) => targets.push(target),
            None => groups.push((&target.group, vec![target])),
        }
    }
    let data: Vec<Value> = groups.iter().map(|(name, targets)| row(name, targets)).collect();
    Ok(Json(json!({ "data": data })))
}

fn row(name: &str, targets: &[&Arc<Target>]) -> Value {
    let mut providers: Vec<&str> = Vec::new();
    for target in targets {
        if !providers.contains(&target.provider.as_str()) {
            providers.push(&target.provider);
        }
    }
    let largest = |of: fn(&Target) -> Option<u64>| targets.iter().filter_map(|target| of(target)).max();
    let sum = |of: fn(&Target) -> Option<u64>| {
        targets.iter().filter_map(|target| of(target)).reduce(u64::saturating_add)
    };
    let dearest = |of: fn(&Prices) -> TokenPrice| {
        targets.iter().filter_map(|target| target.info.prices.as_ref().map(of)).max().map(TokenPrice::dollars)
    };
    let mut row = json!({
        "model_group": name,
        "providers": providers,
        "max_input_tokens": float(largest(|target| target.info.max_input_tokens)),
        "max_output_tokens": float(largest(|target| target.info.max_output_tokens)),
        "input_cost_per_token": dearest(|prices| prices.input),
        "output_cost_per_token": dearest(|prices| prices.output),
        "mode": targets.iter().find_map(|target| target.info.mode.as_deref()),
        "tpm": sum(|target| target.weights.tpm),
        "rpm": sum(|target| target.weights.rpm),
        "supported_openai_params": PARAMS,
        "configurable_clientside_auth_params": null,
        "is_public_model_group": false,
        "health_status": null,
        "health_response_time": null,
        "health_checked_at": null,
    });
    for word in SUPPORTS {
        let said = targets.iter().any(|target| target.info.raw.get(word) == Some(&Value::Bool(true)));
        row[word] = Value::Bool(said);
    }
    row
}

/// LiteLLM shows these as floats.
#[expect(clippy::cast_precision_loss, reason = "no model takes 2^53 tokens")]
fn float(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}
