//! Deployments of the database: what is kept of them, and how a change comes into use.

use super::info;
use crate::config::StoredModels;
use crate::control::Control;
use crate::control::input::{Answer, Refusal};
use crate::control::records::Blank;
use crate::control::records::Row;
use crate::domain::{ApiError, ErrorKind};
use crate::store::{Doc, MODELS, SealError, Vault};
use axum::Json;
use serde_json::{Value, json};

/// Texts that are kept as they are; every other may be a credential.
const PLAIN: [&str; 6] =
    ["model", "api_base", "base_url", "custom_llm_provider", "api_version", "region_name"];

const ROW: Row = Row(&[
    ("model_id", Blank::Id),
    ("model_name", Blank::Null),
    ("model_info", Blank::Map),
    ("created_at", Blank::Null),
    ("created_by", Blank::Null),
    ("updated_at", Blank::Null),
    ("updated_by", Blank::Null),
]);

/// Lets a call go on if there may be deployments in the database.
pub(super) fn must_be_on(control: &Control) -> Result<StoredModels, Refusal> {
    let stored = control.runtime.load().config.stored.clone();
    if stored.is_on {
        return Ok(stored);
    }
    let words = "Models are not kept in the database: set `general_settings.store_model_in_db: true` or \
                 STORE_MODEL_IN_DB=True to enable this";
    Err(Refusal::bad(words))
}

/// Encrypts parameters that were just handed in.
pub(super) fn seal_new(vault: &Vault, params: &mut Doc) -> Result<(), SealError> {
    let unknown = params.iter_mut().filter(|(name, _)| !PLAIN.contains(&name.as_str()));
    unknown.into_iter().try_for_each(|(_, value)| vault.seal_new(value))
}

/// Encrypts stored parameters with the present key, and reads what LiteLLM encrypted needlessly.
pub(super) fn seal_again(vault: &Vault, params: &mut Doc) -> Result<(), SealError> {
    params.iter_mut().try_for_each(|(name, value)| match PLAIN.contains(&name.as_str()) {
        true => vault.open_all(value),
        false => vault.seal_all(value),
    })
}

/// Refuses what could not be served.
pub(super) fn check(stored: &StoredModels, id: &str, doc: &Doc) -> Result<(), Refusal> {
    let compiled = stored.compile(id, doc).map_err(|fault| Refusal::bad(&fault).of("litellm_params"))?;
    match compiled.first() {
        Some(_) => Ok(()),
        None => Err(Refusal::bad("the deployment is not for this environment").of("model_info")),
    }
}

/// Serves what was changed, in this process at once; others see it in the database.
pub(super) async fn serve(control: &Control, id: &str) -> Result<(), Refusal> {
    control.directory.changed(MODELS.kind, id);
    control.reloader.models().await.map_err(|error| {
        log::error!("a changed deployment of the database is not in use: {error}");
        Refusal::Api(ApiError::new(
            ErrorKind::Internal,
            "The change is kept, but not in use yet; the log says why.",
        ))
    })
}

/// A row as answers show it: its parameters without any credential.
pub(super) fn shown(stored: &StoredModels, id: &str, doc: &Doc) -> Answer {
    let mut row = ROW.show(id, doc, 0.0);
    let compiled = stored.compile(id, doc).unwrap_or_default();
    let params = compiled.first().map(info::params).unwrap_or_default();
    row.insert("litellm_params".to_owned(), Value::Object(params));
    row.insert("model_info".to_owned(), json!(compiled.first().map(|target| &target.info.raw)));
    Ok(Json(Value::Object(row)))
}

/// Whether the file has a deployment of that id.
pub(super) fn in_file(control: &Control, id: &str) -> bool {
    let snapshot = control.runtime.load();
    snapshot.config.targets.iter().any(|target| !target.info.is_stored && target.id.as_str() == id)
}

/// LiteLLM's words for a deployment that is not in the database.
pub(super) fn unknown(control: &Control, id: &str) -> Refusal {
    let why = if in_file(control, id) { "; it is in the configuration file" } else { "" };
    Refusal::bad(format!("{{'error': 'Model with id={id} not found in db{why}'}}")).of("id")
}
