//! `POST /key/delete`: keys by name or by alias.

use super::{Caller, Stored};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::api::keyrows;
use crate::control::input::{Input, Kind, Refusal, want};
use crate::domain::{ApiError, ErrorKind, KeyDigest};
use crate::store::{Facts, Filter, KEYS, Query};
use axum::Extension;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most keys in one call.
const MOST: usize = 1_000;

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    let read = input.read(&[&[want("keys", Kind::Texts), want("key_aliases", Kind::Texts)]])?;
    let (keys, aliases) = (Facts(&read).texts("keys"), Facts(&read).texts("key_aliases"));
    if keys.is_empty() && aliases.is_empty() {
        return Err(input.lacks("keys"));
    }
    if keys.len() + aliases.len() > MOST {
        return Err(Refusal::bad_member("keys", format!("`keys` wants at most {MOST} keys.")));
    }
    let found = find(&control, keys, aliases).await?;
    if found.is_empty() {
        let mut error = ApiError::new(ErrorKind::Missing, "{'error': 'No keys found'}");
        error.kind_word = Some("internal_server_error".to_owned());
        return Err(error.into());
    }
    let caller = Caller { control: &control, principal: &principal };
    for (_, key) in &found {
        caller.must_own(key).await?;
    }
    control.catch_up().await;
    for (_, key) in &found {
        keyrows::remove_one(&control, &key.id(), principal.user_id()).await?;
    }
    let named: Vec<&str> = found.iter().map(|(named, _)| &**named).collect();
    Ok(Json(json!({ "deleted_keys": named })))
}

/// The keys that there are, each as it was named; those named by alias by their digest.
async fn find(
    control: &Control,
    keys: Vec<Arc<str>>,
    aliases: Vec<Arc<str>>,
) -> Result<Vec<(Arc<str>, Stored)>, Refusal> {
    let mut found: Vec<(Arc<str>, Stored)> = Vec::new();
    for named in keys {
        if let Some(key) = Stored::find(control, &named).await? {
            found.push((named, key));
        }
    }
    if !aliases.is_empty() {
        let wanted = aliases.iter().map(|alias| alias.to_string()).collect();
        let filters = vec![Filter::OneOf("key_alias", wanted)];
        let query = Query { filters, limit: u32::try_from(MOST).unwrap_or(u32::MAX), ..Query::default() };
        for (id, doc) in control.store.list(&KEYS, &query).await?.rows {
            if let Some(digest) = KeyDigest::from_hex(&id) {
                found.push((Arc::from(id), Stored { digest, doc }));
            }
        }
    }
    Ok(found)
}
