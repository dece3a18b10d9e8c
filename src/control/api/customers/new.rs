//! `POST /customer/new`: limits become a budget row, whose periods run from now.

use super::{FIELDS, shown};
use crate::control::Control;
use crate::control::api::budgets;
use crate::control::input::{Answer, Caller, Input, Refusal, check_id};
use crate::control::records::{self, BUDGET, RATES, keep_limits, take};
use crate::domain::Scope;
use crate::store::{CUSTOMERS, StoreError};
use axum::Json;
use axum::extract::State;
use serde_json::Value;

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let mut customer = input.read(&[FIELDS, RATES, BUDGET])?;
    let Some(Value::String(id)) = take(&mut customer, "user_id") else {
        return Err(Refusal::bad("user_id is needed").of("user_id"));
    };
    check_id("user_id", &id)?;
    check_id("alias", records::text(&customer, "alias").unwrap_or_default())?;
    let taken = || Refusal::taken(format!("Customer already exists, passed user_id={id}."));
    // Looked up first so that no budget row is made for nothing.
    if id.is_empty() || control.store.get(&CUSTOMERS, &id).await?.is_some() {
        return Err(if id.is_empty() { Refusal::bad("user_id is empty").of("user_id") } else { taken() });
    }
    if records::text(&customer, "budget_id").is_some()
        && customer.get("max_budget").is_some_and(|v| !v.is_null())
    {
        return Err(Refusal::bad("Set either 'max_budget' or 'budget_id', not both."));
    }
    budgets::must_be(&control, records::text(&customer, "budget_id")).await?;
    let spend = take(&mut customer, "spend");
    let named = records::text(&customer, "budget_id").map(str::to_owned);
    keep_limits(&control, &mut customer, named.as_deref(), caller.name()).await?;
    customer.retain(|_, value| !value.is_null());
    records::stamp(&mut customer, caller.name());
    match records::add(&control, &CUSTOMERS, &id, customer.clone()).await {
        Ok(()) => {}
        Err(StoreError::Taken(_)) => return Err(taken()),
        Err(error) => return Err(error.into()),
    }
    records::set_spend(&control, Scope::Customer, &id, spend).await?;
    Ok(Json(shown(&control, &id, &customer).await?))
}
