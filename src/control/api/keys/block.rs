//! `POST /key/block` and `POST /key/unblock`: at once, and in other processes within a second.

use super::stored::{naming, not_found};
use super::{Keeper, Stored, rows};
use crate::auth::Principal;
use crate::control::input::{Input, Kind, Refusal, want};
use crate::control::{Control, calendar};
use crate::store::KEYS;
use axum::Extension;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(in crate::control) async fn block(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    switch(&Keeper { control: &control, principal: &principal }, &input, true).await
}

pub(in crate::control) async fn unblock(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    switch(&Keeper { control: &control, principal: &principal }, &input, false).await
}

async fn switch(keeper: &Keeper<'_>, input: &Input, blocked: bool) -> Result<Json<Value>, Refusal> {
    let (named, _) = naming(input, &[want("key", Kind::Text)])?;
    let mut key = Stored::must_find(keeper.control, &named).await?;
    let (at, by) = (calendar::iso(calendar::now()), keeper.name());
    let id = key.id();
    let written = keeper.control.store.edit(&KEYS, &id, |doc| {
        doc.insert("blocked".to_owned(), json!(blocked));
        doc.insert("updated_at".to_owned(), json!(at));
        doc.insert("updated_by".to_owned(), by.clone());
        Ok::<_, Refusal>(())
    });
    key.doc = written.await?.ok_or_else(not_found)?;
    key.announce(keeper.control);
    Ok(Json(Value::Object(rows::with_token(keeper.control, &key).await?)))
}
