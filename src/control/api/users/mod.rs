//! `/user/*`: internal users.

pub(in crate::control) mod available_roles;
pub(in crate::control) mod bulk_update;
pub(in crate::control) mod delete;
pub(in crate::control) mod info;
pub(in crate::control) mod list;
pub(in crate::control) mod mint;
pub(in crate::control) mod new;
pub(in crate::control) mod update;

use crate::control::Control;
use crate::control::input::{Caller, Field, Kind, Refusal, want};
use crate::control::records::{self, Blank, Row};
use crate::store::{Doc, Filter, USERS};
use serde_json::{Value, json};

const ROLES: &[&str] = &["proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer"];

/// What is said of a user besides its limits.
const FIELDS: &[Field] = &[
    want("user_id", Kind::Text),
    want("user_email", Kind::Text),
    want("user_alias", Kind::Text),
    want("user_role", Kind::Word(ROLES)),
    want("models", Kind::Texts),
    want("metadata", Kind::Map),
    want("sso_user_id", Kind::Text),
    want("organization_id", Kind::Text),
    want("allowed_cache_controls", Kind::Texts),
    want("object_permission", Kind::Map),
    want("policies", Kind::Texts),
    want("spend", Kind::Money),
    want("model_rpm_limit", Kind::Counts),
    want("model_tpm_limit", Kind::Counts),
];

/// A row of users.
pub(super) const ROW: Row = Row(&[
    ("user_id", Blank::Id),
    ("user_alias", Blank::Null),
    ("team_id", Blank::Null),
    ("sso_user_id", Blank::Null),
    ("organization_id", Blank::Null),
    ("object_permission_id", Blank::Null),
    ("teams", Blank::List),
    ("user_role", Blank::Null),
    ("max_budget", Blank::Null),
    ("soft_budget", Blank::Null),
    ("spend", Blank::Spend),
    ("user_email", Blank::Null),
    ("models", Blank::List),
    ("metadata", Blank::Map),
    ("max_parallel_requests", Blank::Null),
    ("tpm_limit", Blank::Null),
    ("rpm_limit", Blank::Null),
    ("budget_duration", Blank::Null),
    ("budget_reset_at", Blank::Reset),
    ("allowed_cache_controls", Blank::List),
    ("policies", Blank::List),
    ("model_spend", Blank::Map),
    ("model_max_budget", Blank::Map),
    ("created_at", Blank::Null),
    ("updated_at", Blank::Null),
]);

/// Whether the caller may see this user: it is its own, or the caller sees all.
fn may_see(caller: &Caller, user: &str) -> Result<(), Refusal> {
    if caller.sees_all() || caller.user() == Some(user) {
        return Ok(());
    }
    let words =
        format!("You are not allowed to see this user. Your user_id={}", caller.user().unwrap_or("unknown"));
    Err(Refusal::forbidden(&words))
}

/// LiteLLM's way of keeping limits for single models.
fn fold_model_limits(doc: &mut Doc) {
    for name in ["model_rpm_limit", "model_tpm_limit"] {
        let Some(limits) = doc.remove(name) else { continue };
        let metadata = doc.entry("metadata").or_insert_with(|| json!({}));
        if !metadata.is_object() {
            *metadata = json!({});
        }
        metadata[name] = limits;
    }
}

/// The user of that id or address.
async fn named(control: &Control, doc: &Doc) -> Result<(String, Doc), Refusal> {
    if let Some(id) = records::text(doc, "user_id") {
        let found = control.store.get(&USERS, id).await?;
        return found.map(|row| (id.to_owned(), row)).ok_or_else(|| unknown(id));
    }
    let Some(email) = records::text(doc, "user_email") else {
        return Err(Refusal::bad("user_id or user_email is needed"));
    };
    by_email(control, email).await?.ok_or_else(|| unknown(email))
}

/// The user with that address.
pub(super) async fn by_email(control: &Control, email: &str) -> Result<Option<(String, Doc)>, Refusal> {
    let filter = Filter::Is("user_email", email.to_owned());
    Ok(records::search(control, &USERS, vec![filter]).await?.into_iter().next())
}

fn unknown(id: &str) -> Refusal {
    Refusal::missing(format!("{{'error': 'User not found, passed user_id={id}'}}"))
}

/// Sets what a user has spent in its present period.
async fn set_spend(control: &Control, id: &str, spend: Option<Value>) -> Result<(), Refusal> {
    records::set_spend(control, crate::domain::Scope::User, id, spend).await
}
