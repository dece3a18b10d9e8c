//! `DELETE /organization/delete`; not while teams or keys belong to it, which would be left without its limits.

use super::{shown, unknown};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, need};
use crate::control::records::{self, forget_limits};
use crate::store::{Filter, KEYS, ORGANIZATIONS, Query, TEAMS};
use axum::Json;
use axum::extract::State;
use serde_json::Value;

const FORM: &[Field] = &[need("organization_ids", Kind::Texts)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let ids = records::texts(&input.read(&[FORM])?, "organization_ids");
    let mut rows = Vec::new();
    for id in &ids {
        let doc = control.store.get(&ORGANIZATIONS, id).await?.ok_or_else(|| unknown(id))?;
        for table in [&KEYS, &TEAMS] {
            let filters = vec![Filter::Is("organization_id", id.clone())];
            let used = control.store.list(table, &Query { filters, ..Query::default() }).await?.total;
            if used > 0 {
                let words =
                    format!("Organization {id} is in use: {used} rows of kind {} belong to it", table.kind);
                return Err(Refusal::bad(&words).of("organization_ids"));
            }
        }
        rows.push((doc.clone(), Value::Object(shown(&control, id, &doc).await?)));
    }
    control.catch_up().await;
    for (id, (doc, _)) in ids.iter().zip(&rows) {
        records::remove(&control, &ORGANIZATIONS, id).await?;
        forget_limits(&control, records::text(doc, "budget_id")).await?;
    }
    Ok(Json(Value::Array(rows.into_iter().map(|(_, row)| row).collect())))
}
