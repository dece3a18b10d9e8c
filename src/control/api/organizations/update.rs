//! `PATCH /organization/update`; null clears.

use super::{FIELDS, shown, unknown};
use crate::control::Control;
use crate::control::api::budgets;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, need, want};
use crate::control::records::{self, BUDGET, RATES, keep_limits, take};
use crate::domain::Scope;
use crate::store::ORGANIZATIONS;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

const WHICH: &[Field] = &[need("organization_id", Kind::Text), want("organization_alias", Kind::Text)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let mut said = input.read(&[WHICH, FIELDS, RATES, BUDGET])?;
    let id = records::text(&said, "organization_id").unwrap_or_default().to_owned();
    said.remove("organization_id");
    let present = control.store.get(&ORGANIZATIONS, &id).await?.ok_or_else(|| unknown(&id))?;
    check_id("organization_alias", records::text(&said, "organization_alias").unwrap_or_default())?;
    budgets::must_be(&control, records::text(&said, "budget_id")).await?;
    let spend = take(&mut said, "spend");
    let named = records::text(&said, "budget_id").or_else(|| records::text(&present, "budget_id"));
    let named = named.map(str::to_owned);
    keep_limits(&control, &mut said, named.as_deref(), caller.name()).await?;
    let changed = records::change(&control, &ORGANIZATIONS, &id, |doc| {
        records::lay_over(doc, &said);
        records::touch(doc, caller.name());
        Ok::<_, Refusal>(())
    });
    let doc = changed.await?.ok_or_else(|| unknown(&id))?;
    records::set_spend(&control, Scope::Organization, &id, spend).await?;
    Ok(Json(Value::Object(shown(&control, &id, &doc).await?)))
}
