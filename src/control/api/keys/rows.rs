//! Keys as answers show them.

use super::Stored;
use super::form::{BUDGET, Empty, GENERATED, ROUTER, ROW, TIMES};
use crate::control::input::Refusal;
use crate::control::{Control, calendar};
use crate::domain::Scope;
use crate::store::{BUDGETS, Doc, Facts, Spent};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// How times are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `+00:00`, as `/key/info` has it.
    Offset,
    /// `Z`, as all others have it.
    Zulu,
}

/// The document with all that is kept elsewhere.
async fn full(control: &Control, key: &Stored, spent: Spent) -> Result<Doc, Refusal> {
    let mut doc = key.doc.clone();
    let now = calendar::now();
    doc.insert("spend".to_owned(), json!(current(spent, now)));
    if let Some(next) = reset_at(control, &doc, now) {
        doc.insert("budget_reset_at".to_owned(), json!(calendar::iso(next)));
    }
    let budget = match Facts(&key.doc).text("budget_id") {
        Some(id) => control.store.get(&BUDGETS, &id).await?.map(|budget| (id, budget)),
        None => None,
    };
    if let Some((id, budget)) = budget {
        let mut row = Map::from_iter([("budget_id".to_owned(), json!(&*id))]);
        row.extend(ordered(&budget, BUDGET));
        doc.insert("litellm_budget_table".to_owned(), Value::Object(row));
    }
    Ok(doc)
}

/// Dollars spent in the present period.
pub(super) fn current(spent: Spent, now: Timestamp) -> f64 {
    let is_over = spent.period_end != 0 && spent.period_end <= now.as_millisecond();
    if is_over { 0.0 } else { spent.amount.dollars() }
}

/// When the budget begins anew.
pub(super) fn reset_at(control: &Control, doc: &Doc, now: Timestamp) -> Option<Timestamp> {
    let period = Facts(doc).text("budget_duration")?.parse().ok()?;
    calendar::next_reset(control, period, now)
}

/// What a key has spent, as the database has it.
pub(super) async fn spent(control: &Control, key: &Stored) -> Result<Spent, Refusal> {
    let counters = control.store.spent(Scope::Key, &key.id()).await?;
    Ok(counters.get("").copied().unwrap_or_default())
}

/// The row in the order of `/key/info`.
pub(super) async fn row(control: &Control, key: &Stored, form: Form) -> Result<Doc, Refusal> {
    let spent = spent(control, key).await?;
    Ok(times(ordered(&full(control, key, spent).await?, ROW), form))
}

/// The row with its digest first, as lists and changes show it.
pub(super) async fn with_token(control: &Control, key: &Stored) -> Result<Doc, Refusal> {
    listed(control, key, spent(control, key).await?).await
}

/// The same where it is known already what was spent.
pub(super) async fn listed(control: &Control, key: &Stored, spent: Spent) -> Result<Doc, Refusal> {
    let mut shown = Map::from_iter([("token".to_owned(), json!(key.id()))]);
    shown.extend(times(ordered(&full(control, key, spent).await?, ROW), Form::Zulu));
    Ok(shown)
}

/// The answer that shows a new key, once.
pub(super) async fn generated(control: &Control, key: &Stored, text: &str) -> Result<Value, Refusal> {
    let mut doc = full(control, key, spent(control, key).await?).await?;
    let metadata = Facts(&key.doc).object("metadata").cloned().unwrap_or_default();
    doc.extend(metadata.into_iter().filter(|(name, _)| super::form::IN_METADATA.contains(&name.as_str())));
    // Shown only if given, unlike in rows.
    if doc.get("policies").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        doc.remove("policies");
    }
    let settings = Facts(&key.doc).object("router_settings").cloned().unwrap_or_default();
    doc.insert("router_settings".to_owned(), Value::Object(ordered(&settings, ROUTER)));
    let id = key.id();
    for (name, value) in [("key", text), ("token_id", id.as_str()), ("token", id.as_str())] {
        doc.insert(name.to_owned(), json!(value));
    }
    Ok(Value::Object(times(ordered(&doc, GENERATED), Form::Zulu)))
}

fn ordered(doc: &Doc, columns: &[(&str, Empty)]) -> Doc {
    let value = |name: &str, empty: Empty| match (doc.get(name).filter(|value| !value.is_null()), empty) {
        (Some(value), _) => value.clone(),
        (None, Empty::Null) => Value::Null,
        (None, Empty::False) => json!(false),
        (None, Empty::Zero) if name == "spend" => json!(0.0),
        (None, Empty::Zero) => json!(0),
        (None, Empty::List) => json!([]),
        (None, Empty::Object) => json!({}),
    };
    columns.iter().map(|(name, empty)| ((*name).to_owned(), value(name, *empty))).collect()
}

fn times(mut row: Doc, form: Form) -> Doc {
    for name in TIMES.iter().filter(|_| form == Form::Zulu) {
        if let Some(Value::String(time)) = row.get_mut(*name) {
            *time = calendar::with_z(time);
        }
    }
    row
}
