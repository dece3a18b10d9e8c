//! `POST /customer/update`; null clears.

use super::{FIELDS, shown, unknown};
use crate::control::Control;
use crate::control::api::budgets;
use crate::control::input::{Answer, Caller, Input, Refusal, check_id};
use crate::control::records::{self, BUDGET, RATES, keep_limits, take};
use crate::domain::Scope;
use crate::store::CUSTOMERS;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let mut said = input.read(&[FIELDS, RATES, BUDGET])?;
    let Some(Value::String(id)) = take(&mut said, "user_id") else {
        return Err(Refusal::bad("user_id is needed").of("user_id"));
    };
    let present = control.store.get(&CUSTOMERS, &id).await?.ok_or_else(|| unknown(&id))?;
    check_id("alias", records::text(&said, "alias").unwrap_or_default())?;
    budgets::must_be(&control, records::text(&said, "budget_id")).await?;
    let spend = take(&mut said, "spend");
    let named = records::text(&said, "budget_id").or_else(|| records::text(&present, "budget_id"));
    let named = named.map(str::to_owned);
    keep_limits(&control, &mut said, named.as_deref(), caller.name()).await?;
    let changed = records::change(&control, &CUSTOMERS, &id, |customer| {
        records::lay_over(customer, &said);
        records::touch(customer, caller.name());
        Ok::<_, Refusal>(())
    });
    let customer = changed.await?.ok_or_else(|| unknown(&id))?;
    records::set_spend(&control, Scope::Customer, &id, spend).await?;
    Ok(Json(shown(&control, &id, &customer).await?))
}
