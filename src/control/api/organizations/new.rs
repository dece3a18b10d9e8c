//! `POST /organization/new`: limits become a budget row.

use super::{FIELDS, shown};
use crate::control::Control;
use crate::control::api::budgets;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, need, want};
use crate::control::records::{self, BUDGET, RATES, keep_limits, take};
use crate::domain::Scope;
use crate::store::{ORGANIZATIONS, StoreError};
use axum::Json;
use axum::extract::State;
use serde_json::Value;

const ONCE: &[Field] = &[want("organization_id", Kind::Text), need("organization_alias", Kind::Text)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let mut doc = input.read(&[ONCE, FIELDS, RATES, BUDGET])?;
    let id = match take(&mut doc, "organization_id") {
        Some(Value::String(id)) if !id.is_empty() => id,
        _ => records::new_id(),
    };
    check_id("organization_id", &id)?;
    check_id("organization_alias", records::text(&doc, "organization_alias").unwrap_or_default())?;
    let taken = || Refusal::taken(format!("Organization with id {id} already exists"));
    // Looked up first so that no budget row is made for nothing.
    if control.store.get(&ORGANIZATIONS, &id).await?.is_some() {
        return Err(taken());
    }
    budgets::must_be(&control, records::text(&doc, "budget_id")).await?;
    let spend = take(&mut doc, "spend");
    let named = records::text(&doc, "budget_id").map(str::to_owned);
    keep_limits(&control, &mut doc, named.as_deref(), caller.name()).await?;
    doc.retain(|_, value| !value.is_null());
    records::stamp(&mut doc, caller.name());
    match records::add(&control, &ORGANIZATIONS, &id, doc.clone()).await {
        Ok(()) => {}
        Err(StoreError::Taken(_)) => return Err(taken()),
        Err(error) => return Err(error.into()),
    }
    records::set_spend(&control, Scope::Organization, &id, spend).await?;
    Ok(Json(Value::Object(shown(&control, &id, &doc).await?)))
}
