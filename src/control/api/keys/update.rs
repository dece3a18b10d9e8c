//! `POST /key/update`.

use super::change::{apply, soft_budget};
use super::form::FIELDS;
use super::stored::{facts, naming, not_found, refused};
use super::{Caller, Stored, inherit, rows, terms, values};
use crate::auth::Principal;
use crate::control::input::{Input, Refusal};
use crate::control::{Control, calendar};
use crate::domain::{CounterId, KeyDigest, Money, Scope};
use crate::store::{Doc, Facts, Filter, KEYS, Query, Spent, StoreError};
use axum::Extension;
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Writers of one key that may come in between before a change gives up.
const TRIES: usize = 5;

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    let (named, fields) = naming(&input, FIELDS)?;
    let caller = Caller { control: &control, principal: &principal };
    let old = Stored::must_find(&control, &named).await?;
    let key = change(&caller, old, &fields).await?;
    let mut answer = Map::from_iter([("key".to_owned(), json!(&*named))]);
    answer.extend(rows::with_token(&control, &key).await?);
    Ok(Json(Value::Object(answer)))
}

/// Writes the fields of a request into a key, if the caller may.
pub(super) async fn change(caller: &Caller<'_>, mut old: Stored, fields: &Doc) -> Result<Stored, Refusal> {
    values::check(fields)?;
    let control = caller.control;
    terms::hold(fields, control)?;
    only_admin_sets_spend(caller, fields)?;
    for _ in 0..TRIES {
        caller.must_own(&old).await?;
        let mut doc = old.doc.clone();
        let now = calendar::now_ms();
        apply(&mut doc, fields, caller, now)?;
        inherit::hold(&old.doc, &doc, caller)?;
        let (before, after) = (old.facts(control).await?, facts(control, old.digest, doc.clone()).await?);
        caller.must_have(Some(&before), &after).await?;
        must_be_free(control, &doc, &old.digest).await?;
        soft_budget(&mut doc, fields, caller, now).await?;
        // What was judged is what is changed: a row that others changed since is judged again.
        let (judged, id) = (old.doc.clone(), old.id());
        let mut is_stale = false;
        let written = control.store.edit(&KEYS, &id, |held| {
            is_stale = *held != judged;
            if !is_stale {
                held.clone_from(&doc);
            }
            Ok::<_, StoreError>(())
        });
        let Some(held) = written.await.map_err(refused)? else { return Err(not_found()) };
        old.doc = held;
        if !is_stale {
            set_spend(caller, &old, fields).await?;
            old.announce(control);
            return Ok(old);
        }
    }
    Err(Refusal::bad_member("key", "This key is being changed by others."))
}

/// Refuses an alias that another key has.
pub(super) async fn must_be_free(control: &Control, doc: &Doc, digest: &KeyDigest) -> Result<(), Refusal> {
    let Some(alias) = Facts(doc).text("key_alias") else { return Ok(()) };
    let filters = vec![Filter::Is("key_alias", alias.to_string())];
    let found = control.store.list(&KEYS, &Query { filters, limit: 2, ..Query::default() }).await?;
    if found.rows.iter().all(|(id, _)| *id == digest.to_hex()) {
        return Ok(());
    }
    let words =
        format!("Key with alias '{alias}' already exists. Unique key aliases across all keys are required.");
    Err(Refusal::bad_member("key_alias", words))
}

/// What was spent is no wish.
pub(super) fn only_admin_sets_spend(caller: &Caller<'_>, fields: &Doc) -> Result<(), Refusal> {
    if caller.is_admin() || fields.get("spend").is_none_or(Value::is_null) {
        return Ok(());
    }
    Err(Refusal::forbidden("Only a proxy admin can set `spend` of a key."))
}

/// Sets what a key has spent, where a request says it.
pub(super) async fn set_spend(caller: &Caller<'_>, key: &Stored, fields: &Doc) -> Result<(), Refusal> {
    let Some(dollars) = fields.get("spend").and_then(Value::as_f64) else { return Ok(()) };
    let Some(amount) = Money::from_dollars(dollars) else {
        return Err(Refusal::bad_member("spend", "`spend` is more than a key can have spent."));
    };
    write_spend(caller.control, key, amount).await
}

/// Sets a key's counter for the present period, here and in the database.
pub(super) async fn write_spend(control: &Control, key: &Stored, amount: Money) -> Result<(), Refusal> {
    control.must_be_booked().await?;
    let counter = CounterId { scope: Scope::Key, id: Arc::from(key.id()), slot: Arc::from("") };
    let now = calendar::now_ms();
    let next = rows::reset_at(control, &key.doc, now);
    let period_end = next.map_or(0, |time| time.as_millisecond());
    control.store.set_spent(&counter, Spent { amount, period_end }).await?;
    if let Some(account) = control.directory.meters.find_account(&counter) {
        account.written(now.as_millisecond(), amount, period_end, Money::ZERO);
    }
    Ok(())
}
