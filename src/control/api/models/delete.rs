//! `POST /model/delete`: a deployment of the database; one of the file cannot be removed here.

use super::stored;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, need};
use crate::control::records;
use crate::store::MODELS;
use axum::Json;
use axum::extract::State;
use serde_json::json;

const FORM: &[Field] = &[need("id", Kind::Text)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let form = input.read(&[FORM])?;
    stored::must_be_on(&control)?;
    let id = records::text(&form, "id").unwrap_or_default();
    if !records::remove(&control, &MODELS, id).await? {
        return Err(stored::unknown(&control, id));
    }
    stored::serve(&control, id).await?;
    Ok(Json(json!({ "message": format!("Model: {id} deleted successfully") })))
}
