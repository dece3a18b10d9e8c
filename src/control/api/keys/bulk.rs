//! `POST /key/bulk_update`: many keys, each with fields of its own.

use super::form::FIELDS;
use super::stored::not_found;
use super::{Keeper, Stored, rows, update};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::{Input, Kind, Refusal, read, want};
use crate::store::{Doc, Facts};
use axum::Extension;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// Most keys in one call.
const MOST: usize = 500;

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    let wanted = input.read(&[&[want("keys", Kind::Maps)]])?;
    let Some(keys) = wanted.get("keys").and_then(Value::as_array) else {
        return Err(input.lacks("keys"));
    };
    if keys.is_empty() || keys.len() > MOST {
        return Err(Refusal::bad_member("keys", format!("`keys` wants 1 to {MOST} keys.")));
    }
    let keeper = Keeper { control: &control, principal: &principal };
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for wish in keys.iter().filter_map(Value::as_object) {
        let named = wish.get("key").cloned().unwrap_or_default();
        match one(&keeper, wish).await {
            Ok(row) => done.push(json!({ "key": named, "key_info": row })),
            Err(refusal) => failed.push(json!({
                "key": named, "key_info": null, "failed_reason": refusal.words(),
            })),
        }
    }
    Ok(Json(json!({
        "total_requested": keys.len(),
        "successful_updates": done,
        "failed_updates": failed,
    })))
}

async fn one(keeper: &Keeper<'_>, wish: &Doc) -> Result<Doc, Refusal> {
    let fields = read(wish, &[FIELDS])?;
    let named = Facts(&fields).text("key");
    let named = named.ok_or_else(not_found)?;
    let old = Stored::must_find(keeper.control, &named).await?;
    let key = update::change(keeper, old, &fields).await?;
    rows::with_token(keeper.control, &key).await
}
