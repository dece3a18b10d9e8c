//! `POST /customer/delete`

use super::unknown;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, need};
use crate::control::records::{self, forget_limits};
use crate::store::CUSTOMERS;
use axum::Json;
use axum::extract::State;
use serde_json::json;

const FORM: &[Field] = &[need("user_ids", Kind::Texts)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let ids = records::texts(&input.read(&[FORM])?, "user_ids");
    let mut budgets = Vec::new();
    for id in &ids {
        let doc = control.store.get(&CUSTOMERS, id).await?.ok_or_else(|| unknown(id))?;
        budgets.push(records::text(&doc, "budget_id").map(str::to_owned));
    }
    control.catch_up().await;
    let mut removed = 0;
    for (id, budget) in ids.iter().zip(&budgets) {
        removed += u32::from(records::remove(&control, &CUSTOMERS, id).await?);
        forget_limits(&control, budget.as_deref()).await?;
    }
    let words = format!("Successfully deleted customers with ids: {}", json!(ids));
    Ok(Json(json!({ "deleted_customers": removed, "message": words })))
}
