//! `POST /model/update` and `PATCH /model/{id}/update`: what is said is changed, null clears.

use super::stored;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, want};
use crate::control::records;
use crate::store::{Doc, MODELS};
use axum::extract::{Path, State};
use serde_json::{Value, json};

const FORM: &[Field] =
    &[want("model_name", Kind::Text), want("litellm_params", Kind::Map), want("model_info", Kind::Map)];

/// `POST /model/update`: `model_info.id` says which.
pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let said = input.read(&[FORM])?;
    let info = said.get("model_info").and_then(Value::as_object);
    let id = info.and_then(|info| records::text(info, "id")).map(str::to_owned);
    let id = id.ok_or_else(|| Refusal::bad("model_info.id is needed").of("model_info"))?;
    apply(&control, &caller, &id, said).await
}

/// `PATCH /model/{id}/update`
pub(in crate::control) async fn patch(
    State(control): State<Control>,
    caller: Caller,
    Path(id): Path<String>,
    input: Input,
) -> Answer {
    caller.must_be_admin()?;
    apply(&control, &caller, &id, input.read(&[FORM])?).await
}

async fn apply(control: &Control, caller: &Caller, id: &str, mut said: Doc) -> Answer {
    let kept = stored::must_be_on(control)?;
    check_id("id", id)?;
    check_id("model_name", records::text(&said, "model_name").unwrap_or_default())?;
    if let Some(Value::Object(params)) = said.get_mut("litellm_params") {
        stored::seal_new(&kept.vault, params)?;
    }
    let changed = records::change(control, &MODELS, id, |model| {
        if let Some(name) = records::text(&said, "model_name") {
            model.insert("model_name".to_owned(), json!(name));
        }
        lay_into(model, "litellm_params", &said);
        lay_into(model, "model_info", &said);
        if let Some(info) = model.get_mut("model_info").and_then(Value::as_object_mut) {
            info.insert("id".to_owned(), json!(id));
            info.insert("db_model".to_owned(), Value::Bool(true));
        }
        stored::check(&kept, id, model)?;
        records::touch(model, caller.name());
        Ok::<_, Refusal>(())
    });
    let model = changed.await?.ok_or_else(|| stored::unknown(control, id))?;
    stored::serve(control, id).await?;
    stored::shown(&kept, id, &model)
}

fn lay_into(model: &mut Doc, name: &str, said: &Doc) {
    let Some(more) = said.get(name).and_then(Value::as_object) else { return };
    let place = model.entry(name).or_insert_with(|| json!({}));
    if let Some(place) = place.as_object_mut() {
        records::lay_over(place, more);
        place.retain(|_, value| !value.is_null());
    }
}
