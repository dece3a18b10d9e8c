//! `POST /budget/info`

use super::ROW;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, need};
use crate::control::records;
use crate::store::BUDGETS;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const FORM: &[Field] = &[need("budgets", Kind::Texts)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_see_all()?;
    let ids = records::texts(&input.read(&[FORM])?, "budgets");
    let found = records::among(&control, &BUDGETS, &ids).await?;
    let rows: Vec<Value> = found.iter().map(|(id, doc)| Value::Object(ROW.show(id, doc, 0.0))).collect();
    Ok(Json(json!(rows)))
}
