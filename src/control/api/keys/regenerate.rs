//! `POST /key/regenerate` and `POST /key/{key}/regenerate`: another key with the same rights, budget and spend.
//! With a `grace_period` the old one goes on working for so long.

use super::change::{apply, soft_budget};
use super::form::FIELDS;
use super::generate::chosen;
use super::stored::{facts, naming, not_found, refused, shown};
use super::update::must_be_free;
use super::{Caller, Stored, inherit, rows, values};
use crate::auth::{self, Principal};
use crate::control::input::{Input, MaybeInput, Refusal};
use crate::control::{Control, calendar};
use crate::domain::KeyDigest;
use crate::store::{Doc, Facts};
use axum::Extension;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

pub(in crate::control) async fn by_body(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    let (named, fields) = naming(&input, FIELDS)?;
    run(&Caller { control: &control, principal: &principal }, &named, fields).await
}

pub(in crate::control) async fn by_path(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Path(named): Path<String>,
    MaybeInput(input): MaybeInput,
) -> Result<Json<Value>, Refusal> {
    let fields = input.map_or_else(|| Ok(Doc::new()), |input| input.read(&[FIELDS]))?;
    run(&Caller { control: &control, principal: &principal }, &named, fields).await
}

async fn run(caller: &Caller<'_>, named: &str, fields: Doc) -> Result<Json<Value>, Refusal> {
    let control = caller.control;
    values::check(&fields)?;
    if Facts(&fields).text("new_master_key").is_some() {
        return Err(Refusal::bad_member("new_master_key", "The master key is changed in the configuration."));
    }
    let text = chosen(control, &fields, "new_key")?;
    let old = Stored::must_find(control, named).await?;
    caller.must_own(&old).await?;
    let digest = auth::digest(&text);
    let doc = successor(caller, &old, digest, &fields, &text).await?;
    let until = grace(&fields)?;
    let key = Stored { digest, doc };
    control.catch_up().await;
    let replaced = control.store.replace_key(&old.digest, &digest, key.doc.clone(), until).await;
    if !replaced.map_err(refused)? {
        return Err(not_found());
    }
    old.announce(control);
    key.announce(control);
    rows::generated(control, &key, &text).await.map(Json)
}

/// The document of the new key.
async fn successor(
    caller: &Caller<'_>,
    old: &Stored,
    digest: KeyDigest,
    fields: &Doc,
    text: &str,
) -> Result<Doc, Refusal> {
    let now = calendar::now_ms();
    let mut doc = old.doc.clone();
    apply(&mut doc, fields, caller, now)?;
    inherit::hold(&old.doc, &doc, caller)?;
    // Who gets to see a key may use all of it, so here what the old one had is no measure.
    caller.must_have(None, &facts(caller.control, digest, doc.clone()).await?).await?;
    must_be_free(caller.control, &doc, &old.digest).await?;
    soft_budget(&mut doc, fields, caller, now).await?;
    let count = Facts(&old.doc).count("rotation_count").unwrap_or_default() + 1;
    doc.insert("key_name".to_owned(), json!(shown(text)));
    doc.insert("rotation_count".to_owned(), json!(count));
    doc.insert("last_rotation_at".to_owned(), json!(calendar::iso(now)));
    Ok(doc)
}

/// Until when the old key works.
fn grace(fields: &Doc) -> Result<Option<i64>, Refusal> {
    let Some(text) = Facts(fields).text("grace_period") else { return Ok(None) };
    let period = values::period("grace_period", &text)?;
    let end = calendar::after(period, calendar::now_ms());
    Ok(Some(end.map_or(i64::MAX, |time| time.as_millisecond())))
}
