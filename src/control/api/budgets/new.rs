//! `POST /budget/new`

use super::{FIELDS, ROW};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Input, Refusal, check_id};
use crate::control::records::{self, BUDGET, RATES, take};
use crate::store::{BUDGETS, StoreError};
use axum::Json;
use axum::extract::State;
use serde_json::Value;

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let mut budget = input.read(&[FIELDS, RATES, BUDGET])?;
    let id = match take(&mut budget, "budget_id") {
        Some(Value::String(id)) if !id.is_empty() => id,
        _ => records::new_id(),
    };
    check_id("budget_id", &id)?;
    budget.retain(|_, value| !value.is_null());
    records::set_budget(&mut budget);
    records::stamp(&mut budget, caller.name());
    match records::add(&control, &BUDGETS, &id, budget.clone()).await {
        Ok(()) => Ok(Json(Value::Object(ROW.show(&id, &budget, 0.0)))),
        Err(StoreError::Taken(_)) => Err(Refusal::taken(format!("Budget with id {id} already exists"))),
        Err(error) => Err(error.into()),
    }
}
