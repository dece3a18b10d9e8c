//! Documents as admin calls see them: read, changed and shown with what was spent.

mod calendar;
mod limits;
mod row;
mod stamp;

pub(super) use limits::{BUDGET, RATES, budget_row, forget_limits, keep_limits, set_budget};
pub(super) use row::{Blank, Row};
pub(super) use stamp::{new_id, now, stamp, touch};

use super::Control;
use super::input::Refusal;
use crate::domain::{CounterId, Money, Scope};
use crate::store::{Doc, Filter, Query, Spent, StoreError, Table};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Rows that an answer without pages shows at most.
pub(super) const MOST: u32 = 1000;

/// Adds a document, and lets requests see it.
pub(super) async fn add(control: &Control, table: &Table, id: &str, doc: Doc) -> Result<(), StoreError> {
    control.store.insert(table, id, doc).await?;
    control.directory.changed(table.kind, id);
    Ok(())
}

/// Changes a document, and lets requests see it; `None` if there is none.
pub(super) async fn change<E: From<StoreError>>(
    control: &Control,
    table: &Table,
    id: &str,
    edit: impl FnMut(&mut Doc) -> Result<(), E>,
) -> Result<Option<Doc>, E> {
    let changed = control.store.edit(table, id, edit).await?;
    control.directory.changed(table.kind, id);
    Ok(changed)
}

/// Removes a document, and lets requests see it; false if there was none.
pub(super) async fn remove(control: &Control, table: &Table, id: &str) -> Result<bool, StoreError> {
    let removed = control.store.delete(table, id).await?;
    control.directory.changed(table.kind, id);
    Ok(removed)
}

/// Lays the members of `more` over a document; null clears.
pub(super) fn lay_over(doc: &mut Doc, more: &Doc) {
    for (name, value) in more {
        doc.insert(name.clone(), value.clone());
    }
}

/// All rows that a filter finds, up to [`MOST`].
pub(super) async fn search(
    control: &Control,
    table: &Table,
    filters: Vec<Filter>,
) -> Result<Vec<(String, Doc)>, StoreError> {
    let query = Query { filters, limit: MOST, ..Query::default() };
    Ok(control.store.list(table, &query).await?.rows)
}

/// The rows of these ids that are there, in no special order.
pub(super) async fn among(
    control: &Control,
    table: &Table,
    ids: &[String],
) -> Result<Vec<(String, Doc)>, StoreError> {
    let mut rows = Vec::new();
    for some in ids.chunks(CHUNK) {
        let query = Query { any: any_of(some), limit: MOST, ..Query::default() };
        rows.extend(control.store.list(table, &query).await?.rows);
    }
    Ok(rows)
}

/// Ids that one statement asks for.
const CHUNK: usize = 200;

/// Any of these ids.
pub(super) fn any_of(ids: &[String]) -> Vec<Vec<Filter>> {
    ids.iter().map(|id| vec![Filter::Id(id.clone())]).collect()
}

/// Shows rows with what was spent of each.
pub(super) async fn show(
    control: &Control,
    row: &Row,
    scope: Option<Scope>,
    found: &[(String, Doc)],
) -> Result<Vec<Map<String, Value>>, StoreError> {
    let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
    let spent = match scope {
        Some(scope) => control.store.spent_among(scope, &ids).await?,
        None => std::collections::HashMap::new(),
    };
    let now = super::gate::now_ms();
    let shown = found.iter().map(|(id, doc)| {
        let spent = spent.get(id).copied().unwrap_or_default();
        row.show(id, doc, present(spent, now))
    });
    Ok(shown.collect())
}

/// Shows one row.
pub(super) async fn show_one(
    control: &Control,
    row: &Row,
    scope: Option<Scope>,
    id: &str,
    doc: &Doc,
) -> Result<Map<String, Value>, Refusal> {
    let shown = show(control, row, scope, &[(id.to_owned(), doc.clone())]).await?;
    Ok(shown.into_iter().next().unwrap_or_default())
}

/// Dollars of the present period; those of a period that is over do not count.
fn present(spent: Spent, now_ms: i64) -> f64 {
    if is_over(spent, now_ms) { 0.0 } else { spent.amount.dollars() }
}

const fn is_over(spent: Spent, now_ms: i64) -> bool {
    spent.period_end != 0 && spent.period_end <= now_ms
}

/// The texts of a list in a document.
pub(super) fn texts(doc: &Doc, name: &str) -> Vec<String> {
    let list = doc.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A text in a document that is not empty.
pub(super) fn text<'a>(doc: &'a Doc, name: &str) -> Option<&'a str> {
    doc.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Moves a member out of a document; null and absent are the same.
pub(super) fn take(doc: &mut Doc, name: &str) -> Option<Value> {
    doc.remove(name).filter(|value| !value.is_null())
}

/// Sets what was spent in the present period, if a value is given.
pub(super) async fn set_spend(
    control: &Control,
    scope: Scope,
    id: &str,
    spend: Option<Value>,
) -> Result<(), Refusal> {
    let Some(amount) = spend.as_ref().and_then(Value::as_f64).and_then(Money::from_dollars) else {
        return Ok(());
    };
    control.must_be_booked().await?;
    let present = control.store.spent(scope, id).await?.get("").copied().unwrap_or_default();
    let counter = CounterId { scope, id: Arc::from(id), slot: Arc::from("") };
    let now = super::gate::now_ms();
    // In a period that is over it would count for nothing; without one it counts in the one that begins.
    let period_end = if is_over(present, now) { 0 } else { present.period_end };
    control.store.set_spent(&counter, Spent { amount, period_end }).await?;
    if let Some(account) = control.directory.meters.find_account(&counter) {
        account.written(now, amount, period_end, Money::ZERO);
    }
    Ok(())
}
