//! `/budget/*`: limits that other rows name.

pub(in crate::control) mod delete;
pub(in crate::control) mod info;
pub(in crate::control) mod list;
pub(in crate::control) mod new;
pub(in crate::control) mod settings;
pub(in crate::control) mod update;

use crate::control::Control;
use crate::control::input::{Field, Kind, Refusal, want};
use crate::control::records::{Blank, Row};
use crate::store::BUDGETS;
use serde_json::Value;

const FIELDS: &[Field] = &[want("budget_id", Kind::Text), want("allowed_models", Kind::Texts)];

/// A row of budgets.
pub(super) const ROW: Row = Row(&[
    ("budget_id", Blank::Id),
    ("max_budget", Blank::Null),
    ("soft_budget", Blank::Null),
    ("max_parallel_requests", Blank::Null),
    ("tpm_limit", Blank::Null),
    ("rpm_limit", Blank::Null),
    ("model_max_budget", Blank::Null),
    ("budget_duration", Blank::Null),
    ("budget_reset_at", Blank::PlainReset),
    ("allowed_models", Blank::List),
    ("created_at", Blank::Null),
    ("created_by", Blank::Null),
    ("updated_at", Blank::Null),
    ("updated_by", Blank::Null),
]);

/// The budget that a row names, as it is shown within that row.
pub(super) async fn table(control: &Control, id: Option<&str>) -> Result<Value, Refusal> {
    let Some(id) = id else { return Ok(Value::Null) };
    let doc = control.store.get(&BUDGETS, id).await?;
    Ok(doc.map_or(Value::Null, |doc| Value::Object(ROW.show(id, &doc, 0.0))))
}

/// Refuses the name of a budget that is not there: whoever named it would have no limits.
pub(super) async fn must_be(control: &Control, id: Option<&str>) -> Result<(), Refusal> {
    match id {
        Some(id) if control.store.get(&BUDGETS, id).await?.is_none() => Err(unknown(id)),
        _ => Ok(()),
    }
}

fn unknown(id: &str) -> Refusal {
    Refusal::missing(format!("{{'error': 'Budget not found, passed budget_id={id}'}}"))
}
