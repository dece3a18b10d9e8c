//! `POST /model/new`: a deployment in the database, served from now on.

use super::stored;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, need, want};
use crate::control::records::{self, take};
use crate::store::{Doc, MODELS, StoreError};
use axum::extract::State;
use serde_json::{Value, json};

const FORM: &[Field] =
    &[need("model_name", Kind::Text), need("litellm_params", Kind::Map), want("model_info", Kind::Map)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let mut model = input.read(&[FORM])?;
    let kept = stored::must_be_on(&control)?;
    check_id("model_name", records::text(&model, "model_name").unwrap_or_default())?;
    let mut info = match take(&mut model, "model_info") {
        Some(Value::Object(info)) => info,
        _ => Doc::new(),
    };
    let id = records::text(&info, "id").map_or_else(records::new_id, str::to_owned);
    check_id("id", &id)?;
    let taken = || Refusal::taken(format!("Model with id={id} already exists")).of("id");
    if stored::in_file(&control, &id) {
        return Err(taken());
    }
    info.insert("id".to_owned(), json!(id));
    info.insert("db_model".to_owned(), Value::Bool(true));
    model.insert("model_info".to_owned(), Value::Object(info));
    if let Some(Value::Object(params)) = model.get_mut("litellm_params") {
        stored::seal_new(&kept.vault, params)?;
    }
    stored::check(&kept, &id, &model)?;
    records::stamp(&mut model, caller.name());
    match records::add(&control, &MODELS, &id, model.clone()).await {
        Ok(()) => {}
        Err(StoreError::Taken(_)) => return Err(taken()),
        Err(error) => return Err(error.into()),
    }
    stored::serve(&control, &id).await?;
    stored::shown(&kept, &id, &model)
}
