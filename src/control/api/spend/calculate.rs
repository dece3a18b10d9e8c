//! `POST /spend/calculate`: what a call would cost, or what an answer did.

use crate::control::Control;
use crate::control::input::{Answer, Refusal};
use crate::domain::usage::estimate_tokens;
use crate::domain::{Prices, Usage};
use crate::metering;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Value, json};

pub(in crate::control) async fn run(State(control): State<Control>, body: Bytes) -> Answer {
    let asked: Value = serde_json::from_slice(&body).map_err(|_| Refusal::bad("Invalid JSON"))?;
    let answer = asked.get("completion_response").filter(|answer| answer.is_object());
    let model = asked.get("model").or_else(|| answer?.get("model")).and_then(Value::as_str);
    let Some(model) = model else {
        return Err(Refusal::bad(
            "Bad Request - Either 'model' must be passed in or 'completion_response' must be passed in",
        ));
    };
    let Some(prices) = prices(&control, model) else {
        return Err(Refusal::bad("This model isn't mapped yet: no deployment of it has prices."));
    };
    let usage = match answer {
        Some(answer) => reported(answer),
        None => {
            let said = asked.get("messages").map(ToString::to_string).unwrap_or_default();
            Usage { prompt: estimate_tokens(said.len() as u64), ..Usage::default() }
        }
    };
    Ok(Json(json!({ "cost": metering::cost(&usage, &prices).dollars() })))
}

/// The prices of the first deployment that has some, of a group of that name or an upstream's model.
fn prices(control: &Control, model: &str) -> Option<Prices> {
    let snapshot = control.runtime.load();
    let group = snapshot.resolve(model).map(|found| found.group);
    let of_group = group.iter().flat_map(|group| group.deployments.iter());
    let of_model = snapshot
        .deployments
        .iter()
        .filter(|d| *d.traits.words.upstream_model == *model || d.target.model == model);
    of_group.chain(of_model).find_map(|deployment| deployment.target.info.prices)
}

fn reported(answer: &Value) -> Usage {
    let number = |path: &str| answer.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    Usage {
        prompt: number("/usage/prompt_tokens"),
        completion: number("/usage/completion_tokens"),
        cached: number("/usage/prompt_tokens_details/cached_tokens"),
        reasoning: number("/usage/completion_tokens_details/reasoning_tokens"),
        ..Usage::default()
    }
}
