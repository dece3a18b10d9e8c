//! What those who are no admins leave to their own key: limits they do not name, and fields that only
//! admins set.

use super::Keeper;
use crate::control::input::Refusal;
use crate::store::{Doc, Facts, KEYS};
use serde_json::{Value, json};

/// Taken from the caller's key when a request for a new one does not name them.
const INHERITED: [&str; 11] = [
    "user_id",
    "team_id",
    "organization_id",
    "models",
    "max_budget",
    "tpm_limit",
    "rpm_limit",
    "max_parallel_requests",
    "model_max_budget",
    "budget_limits",
    "allowed_routes",
];
/// The same, within the metadata.
const INHERITED_METADATA: [&str; 3] = ["allowed_ips", "model_rpm_limit", "model_tpm_limit"];
/// Columns that only admins set.
const HELD: [&str; 8] = [
    "budget_id",
    "config",
    "router_settings",
    "object_permission",
    "access_group_ids",
    "policies",
    "agent_id",
    "project_id",
];
/// The same, within the metadata.
const HELD_METADATA: [&str; 12] = [
    "guardrails",
    "prompts",
    "enforced_params",
    "allowed_passthrough_routes",
    "allowed_vector_store_indexes",
    "rpm_limit_type",
    "tpm_limit_type",
    "logging",
    "service_account_id",
    "queue_weight",
    "queue_priority",
    "max_wait",
];

/// Completes the fields of a new key by those of the caller's.
pub(super) async fn complete(fields: &mut Doc, keeper: &Keeper<'_>) -> Result<(), Refusal> {
    let Some(own) = keeper.principal.key.as_ref().filter(|_| !keeper.is_admin()) else { return Ok(()) };
    let Some(mut doc) = keeper.control.store.get(&KEYS, &own.digest.to_hex()).await? else { return Ok(()) };
    keeper.control.store.complete(&mut doc).await?;
    let mut default = |name: &str| {
        if let (false, Some(value)) = (fields.contains_key(name), doc.get(name)) {
            fields.insert(name.to_owned(), value.clone());
        }
    };
    INHERITED.into_iter().for_each(&mut default);
    // A budget is inherited whole; one that is asked for comes with the period that is asked for.
    if fields.get("max_budget") == doc.get("max_budget") {
        let period = doc.get("budget_duration").cloned().unwrap_or_default();
        fields.entry("budget_duration").or_insert(period);
    }
    let mut metadata = fields.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    for name in INHERITED_METADATA {
        let held = Facts(&doc).object("metadata").and_then(|held| held.get(name)).cloned();
        if let (false, Some(held)) = (metadata.contains_key(name) || fields.contains_key(name), held) {
            metadata.insert(name.to_owned(), held);
        }
    }
    fields.insert("metadata".to_owned(), Value::Object(metadata));
    Ok(())
}

/// Refuses a change of what only admins set; `old` is the key as it was, or the caller's own for a new one.
pub(super) fn hold(old: &Doc, new: &Doc, keeper: &Keeper<'_>) -> Result<(), Refusal> {
    if keeper.is_admin() {
        return Ok(());
    }
    let part = |doc: &Doc, name: &str| doc.get(name).filter(|value| !is_empty(value)).cloned();
    let inner = |doc: &Doc, name: &str, field: &str| {
        doc.get(name).and_then(|inner| inner.get(field)).filter(|value| !is_empty(value)).cloned()
    };
    let changed = HELD.into_iter().find(|name| part(old, name) != part(new, name));
    let changed = changed.or_else(|| {
        HELD_METADATA.into_iter().find(|name| inner(old, "metadata", name) != inner(new, "metadata", name))
    });
    let permissions = |doc: &Doc| {
        let mut held = doc.get("permissions").and_then(Value::as_object).cloned().unwrap_or_default();
        held.remove("get_spend_routes");
        held
    };
    let changed = changed.or_else(|| (permissions(old) != permissions(new)).then_some("permissions"));
    match changed {
        None => Ok(()),
        Some(name) => Err(Refusal::forbidden(format!("Only a proxy admin can set `{name}` of a key."))),
    }
}

/// Gives a new key what only admins set, as the caller's own key has it.
pub(super) async fn hand_on(doc: &mut Doc, fields: &Doc, keeper: &Keeper<'_>) -> Result<Doc, Refusal> {
    let own = match keeper.principal.key.as_ref().filter(|_| !keeper.is_admin()) {
        Some(own) => keeper.control.store.get(&KEYS, &own.digest.to_hex()).await?.unwrap_or_default(),
        None => return Ok(Doc::new()),
    };
    for name in HELD.into_iter().filter(|name| *name != "budget_id") {
        if let (true, Some(value)) = (doc.get(name).is_none_or(is_empty), own.get(name)) {
            doc.insert(name.to_owned(), value.clone());
        }
    }
    if let (false, Some(expires)) = (fields.contains_key("duration"), own.get("expires")) {
        doc.insert("expires".to_owned(), expires.clone());
    }
    let held = Facts(&own).object("metadata").cloned().unwrap_or_default();
    let mine = doc.entry("metadata").or_insert_with(|| json!({}));
    for name in HELD_METADATA {
        if let (true, Some(value)) = (mine.get(name).is_none_or(is_empty), held.get(name)) {
            mine[name] = value.clone();
        }
    }
    let mut own = own;
    // The limits of the caller's budget are in the new key's own fields.
    own.remove("budget_id");
    Ok(own)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
