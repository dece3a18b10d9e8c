//! `POST /key/generate` and `POST /key/service-account/generate`.

use super::change::{apply, blank, soft_budget};
use super::form::FIELDS;
use super::stored::{facts, random_key, refused, shown};
use super::{Keeper, Stored, inherit, rows, terms, update, values};
use crate::auth::{self, Principal};
use crate::control::input::{Input, Refusal};
use crate::control::{Control, calendar};
use crate::store::{BUDGETS, Doc, Facts, KEYS};
use axum::Extension;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    let fields = input.read(&[FIELDS])?;
    let keeper = Keeper { control: &control, principal: &principal };
    make(&keeper, fields).await.map(Json)
}

/// A key of a team that belongs to nobody.
pub(in crate::control) async fn service_account(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    let mut fields = input.read(&[FIELDS])?;
    if Facts(&fields).text("team_id").is_none() {
        let words =
            "team_id is required for service account keys. Please specify `team_id` in the request body.";
        return Err(Refusal::bad_member("team_id", words));
    }
    fields.insert("user_id".to_owned(), Value::Null);
    let name = fields.get("key_alias").cloned().unwrap_or_default();
    let mut metadata = Facts(&fields).object("metadata").cloned().unwrap_or_default();
    metadata.insert("service_account_id".to_owned(), name);
    fields.insert("metadata".to_owned(), Value::Object(metadata));
    let keeper = Keeper { control: &control, principal: &principal };
    make(&keeper, fields).await.map(Json)
}

/// The first key of a user that was just made; answers as the route does.
pub(in crate::control) async fn for_user(
    control: &Control,
    principal: &Principal,
    fields: Doc,
) -> Result<Value, Refusal> {
    make(&Keeper { control, principal }, fields).await
}

async fn make(keeper: &Keeper<'_>, mut fields: Doc) -> Result<Value, Refusal> {
    // Null is as if it were not there; a new key has spent nothing.
    let unsaid =
        |name: &str, value: &Value| value.is_null() || name == "spend" && value.as_f64() == Some(0.0);
    fields.retain(|name, value| !unsaid(name, value));
    values::check(&fields)?;
    update::only_admin_sets_spend(keeper, &fields)?;
    let control = keeper.control;
    let text = chosen(control, &fields, "key")?;
    if let Some(old) = Stored::find(control, &text).await? {
        let key = update::change(keeper, old, &fields).await?;
        return rows::generated(control, &key, &text).await;
    }
    inherit::complete(&mut fields, keeper).await?;
    terms::complete(&mut fields, control)?;
    let now = calendar::now();
    let mut doc = blank(&shown(&text), keeper, now);
    apply(&mut doc, &fields, keeper, now)?;
    let own = inherit::hand_on(&mut doc, &fields, keeper).await?;
    inherit::hold(&own, &doc, keeper)?;
    let digest = auth::digest(&text);
    keeper.must_have(None, &facts(control, digest, doc.clone()).await?).await?;
    update::must_be_free(control, &doc, &digest).await?;
    let key = insert(keeper, Stored { digest, doc }, &fields).await?;
    update::set_spend(keeper, &key, &fields).await?;
    key.announce(control);
    rows::generated(control, &key, &text).await
}

/// The key that a request asks for, or a random one.
pub(super) fn chosen(control: &Control, fields: &Doc, name: &str) -> Result<String, Refusal> {
    match Facts(fields).text(name) {
        Some(key) => {
            values::custom_key(&key, &control.runtime.load())?;
            Ok(key.to_string())
        }
        None => random_key(),
    }
}

async fn insert(keeper: &Keeper<'_>, mut key: Stored, fields: &Doc) -> Result<Stored, Refusal> {
    let store = &keeper.control.store;
    let has_budget = key.doc.contains_key("budget_id");
    soft_budget(&mut key.doc, fields, keeper, calendar::now()).await?;
    let Err(error) = store.insert(&KEYS, &key.id(), key.doc.clone()).await else { return Ok(key) };
    if let (false, Some(budget)) = (has_budget, Facts(&key.doc).text("budget_id")) {
        store.delete(&BUDGETS, &budget).await?;
    }
    Err(refused(error))
}
