//! `GET /budget/settings`: what can be set of a budget, and what is.

use super::unknown;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Params};
use crate::store::BUDGETS;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const SETTINGS: [(&str, &str, &str); 6] = [
    ("max_parallel_requests", "Integer", "Max concurrent requests allowed for this budget id."),
    ("tpm_limit", "Integer", "Max tokens per minute, allowed for this budget id."),
    ("rpm_limit", "Integer", "Max requests per minute, allowed for this budget id."),
    ("budget_duration", "String", "Max duration budget should be set for (e.g. '1hr', '1d', '28d')"),
    ("max_budget", "Float", "Requests will fail if this budget (in USD) is exceeded."),
    ("soft_budget", "Float", "Requests will NOT fail if this is exceeded. Will fire alerting though."),
];

pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    caller.must_see_all()?;
    let id = params.need("budget_id")?;
    let budget = control.store.get(&BUDGETS, id).await?.ok_or_else(|| unknown(id))?;
    let setting = |(name, kind, words): &(&str, &str, &str)| {
        let value = budget.get(*name).filter(|value| !value.is_null());
        json!({
            "field_name": name,
            "field_type": kind,
            "field_description": words,
            "field_value": value,
            "stored_in_db": value.is_some(),
            "field_default_value": null,
        })
    };
    Ok(Json(Value::Array(SETTINGS.iter().map(setting).collect())))
}
