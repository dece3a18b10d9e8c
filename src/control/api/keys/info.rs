//! `/key/info`, by query or by body, and `POST /v2/key/info`.

use super::rows::{self, Form};
use super::{Keeper, Stored};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::{Asked, Input, Kind, MaybeInput, Refusal, want};
use crate::store::Facts;
use axum::Extension;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most keys in one call.
const MOST: usize = 500;

/// Which key.
#[derive(Deserialize)]
pub(in crate::control) struct Wanted {
    key: Option<String>,
}

pub(in crate::control) async fn by_query(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Refusal> {
    answer(&Keeper { control: &control, principal: &principal }, wanted.key).await
}

/// LiteLLM answers 405 here; its users send a body all the same.
pub(in crate::control) async fn by_body(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    MaybeInput(input): MaybeInput,
) -> Result<Json<Value>, Refusal> {
    let read = input.map(|input| input.read(&[&[want("key", Kind::Text)]])).transpose()?;
    let named = read.and_then(|read| Facts(&read).text("key")).map(|key| key.to_string());
    answer(&Keeper { control: &control, principal: &principal }, named).await
}

async fn answer(keeper: &Keeper<'_>, named: Option<String>) -> Result<Json<Value>, Refusal> {
    let own = || keeper.principal.key.as_ref().map(|key| key.digest.to_hex());
    let missing = || Refusal::missing("Key not found in database").of("key");
    let named = named.filter(|key| !key.is_empty()).or_else(own).ok_or_else(missing)?;
    let key = Stored::find(keeper.control, &named).await?.ok_or_else(missing)?;
    if !keeper.may_read(&key.facts(keeper.control).await?).await? {
        let role = keeper.principal.role.as_str();
        let words = format!("You are not allowed to access this key's info. Your role={role}");
        return Err(Refusal::forbidden(words));
    }
    let row = rows::row(keeper.control, &key, Form::Offset).await?;
    Ok(Json(json!({ "key": named, "info": row })))
}

pub(in crate::control) async fn many(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    let read = input.read(&[&[want("keys", Kind::Texts)]])?;
    let named = Facts(&read).texts("keys");
    if named.is_empty() || named.len() > MOST {
        return Err(Refusal::bad_member("keys", format!("`keys` wants 1 to {MOST} keys.")));
    }
    let keeper = Keeper { control: &control, principal: &principal };
    let mut shown = Vec::new();
    for key in &named {
        let Some(key) = Stored::find(&control, key).await? else { continue };
        if keeper.may_read(&key.facts(&control).await?).await? {
            shown.push(rows::row(&control, &key, Form::Offset).await?);
        }
    }
    let named: Vec<&str> = named.iter().map(|key| &**key).collect();
    Ok(Json(json!({ "key": named, "info": shown })))
}
