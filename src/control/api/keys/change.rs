//! What the fields of a request make of a key's document.

use super::form::{COLUMNS, Empty, IN_METADATA, ROW};
use super::{Keeper, values};
use crate::control::calendar;
use crate::control::input::Refusal;
use crate::store::{BUDGETS, Doc, Facts};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The document of a key that has nothing but its defaults.
pub(super) fn blank(name: &str, keeper: &Keeper<'_>, now: Timestamp) -> Doc {
    let mut doc = Map::new();
    for (column, empty) in ROW {
        match empty {
            Empty::List => drop(doc.insert((*column).to_owned(), json!([]))),
            Empty::Object => drop(doc.insert((*column).to_owned(), json!({}))),
            Empty::Null | Empty::False | Empty::Zero => {}
        }
    }
    doc.insert("key_name".to_owned(), json!(name));
    doc.insert("created_at".to_owned(), json!(calendar::iso(now)));
    doc.insert("created_by".to_owned(), keeper.name());
    doc
}

/// Writes the fields of a request into a document; null clears.
pub(super) fn apply(doc: &mut Doc, fields: &Doc, keeper: &Keeper<'_>, now: Timestamp) -> Result<(), Refusal> {
    for name in COLUMNS {
        if let Some(value) = fields.get(*name) {
            set(doc, name, value);
        }
    }
    if let Some(duration) = fields.get("duration") {
        set(doc, "expires", &expiry(duration, now)?);
    }
    if fields.contains_key("budget_duration") {
        let next = Facts(doc).text("budget_duration").and_then(|text| text.parse().ok());
        let next = next.and_then(|period| calendar::next_reset(keeper.control, period, now));
        set(doc, "budget_reset_at", &next.map_or(Value::Null, |time| json!(calendar::iso(time))));
    }
    match fields.get("key_type").and_then(Value::as_str) {
        Some("llm_api") => set(doc, "allowed_routes", &json!(["llm_api_routes"])),
        Some("management") => set(doc, "allowed_routes", &json!(["management_routes"])),
        Some("read_only") => set(doc, "allowed_routes", &json!(["info_routes"])),
        _ => {}
    }
    metadata(doc, fields)?;
    doc.insert("updated_at".to_owned(), json!(calendar::iso(now)));
    doc.insert("updated_by".to_owned(), keeper.name());
    Ok(())
}

/// Null, and a name that is empty, is the column's default.
fn set(doc: &mut Doc, name: &str, value: &Value) {
    let empty = value.is_null() || value.as_str() == Some("");
    let default = ROW.iter().find(|(column, _)| *column == name).map(|(_, empty)| *empty);
    match default {
        _ if !empty => drop(doc.insert(name.to_owned(), value.clone())),
        Some(Empty::List) => drop(doc.insert(name.to_owned(), json!([]))),
        Some(Empty::Object) => drop(doc.insert(name.to_owned(), json!({}))),
        _ => drop(doc.remove(name)),
    }
}

fn expiry(duration: &Value, now: Timestamp) -> Result<Value, Refusal> {
    match duration.as_str() {
        None | Some("-1" | "") => Ok(Value::Null),
        Some(text) => {
            let end = calendar::after(values::period("duration", text)?, now);
            // A time beyond all calendars is never reached.
            Ok(end.map_or(Value::Null, |time| json!(calendar::iso(time))))
        }
    }
}

fn metadata(doc: &mut Doc, fields: &Doc) -> Result<(), Refusal> {
    if let Some(given) = fields.get("metadata") {
        set(doc, "metadata", given);
    }
    let mut held = match doc.remove("metadata") {
        Some(Value::Object(held)) => held,
        _ => Doc::new(),
    };
    for name in IN_METADATA {
        match fields.get(*name) {
            None => {}
            Some(Value::Null) => drop(held.remove(*name)),
            Some(Value::String(text)) if *name == "temp_budget_expiry" => {
                let time = calendar::iso(values::time(name, text)?);
                held.insert((*name).to_owned(), json!(time));
            }
            Some(value) => drop(held.insert((*name).to_owned(), value.clone())),
        }
    }
    doc.insert("metadata".to_owned(), Value::Object(held));
    Ok(())
}

/// A soft budget stands in a budget's row of its own; in the key's, if that has a budget already.
pub(super) async fn soft_budget(
    doc: &mut Doc,
    fields: &Doc,
    keeper: &Keeper<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(soft) = fields.get("soft_budget") else { return Ok(()) };
    if soft.is_null() || Facts(doc).text("budget_id").is_some() {
        set(doc, "soft_budget", soft);
        return Ok(());
    }
    let id = uuid::Uuid::new_v4().to_string();
    let at = calendar::iso(now);
    let budget = json!({
        "soft_budget": soft,
        "created_at": at,
        "created_by": keeper.name(),
        "updated_at": at,
        "updated_by": keeper.name(),
    });
    let Value::Object(budget) = budget else { return Ok(()) };
    keeper.control.store.insert(&BUDGETS, &id, budget).await?;
    doc.insert("budget_id".to_owned(), json!(id));
    Ok(())
}
