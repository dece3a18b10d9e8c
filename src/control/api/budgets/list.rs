//! `GET /budget/list`

use super::ROW;
use crate::control::Control;
use crate::control::input::{Answer, Caller};
use crate::control::records;
use crate::store::BUDGETS;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller) -> Answer {
    caller.must_see_all()?;
    let found = records::search(&control, &BUDGETS, Vec::new()).await?;
    let rows: Vec<Value> = found.iter().map(|(id, doc)| Value::Object(ROW.show(id, doc, 0.0))).collect();
    Ok(Json(json!(rows)))
}
