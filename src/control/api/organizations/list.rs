//! `GET /organization/list`: all to admins, their own to others.

use super::info::is_member;
use super::shown;
use crate::control::Control;
use crate::control::input::{Answer, Caller};
use crate::control::records;
use crate::store::ORGANIZATIONS;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller) -> Answer {
    let mut found = records::search(&control, &ORGANIZATIONS, Vec::new()).await?;
    found.retain(|(_, doc)| caller.sees_all() || is_member(&caller, doc));
    let mut rows = Vec::with_capacity(found.len());
    for (id, doc) in &found {
        rows.push(Value::Object(shown(&control, id, doc).await?));
    }
    Ok(Json(Value::Array(rows)))
}
