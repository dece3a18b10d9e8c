//! How a document is shown: LiteLLM's columns in its order, those that are not set with their blanks.

use super::calendar;
use super::stamp;
use crate::limits::{Zone, period_end};
use crate::store::Doc;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What a column is when the document lacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum Blank {
    /// `null`
    Null,
    /// `[]`
    List,
    /// `{}`
    Map,
    /// `false`
    False,
    /// The row's id.
    Id,
    /// What was spent.
    Spend,
    /// When the present period ends, by `budget_duration`: by the calendar.
    Reset,
    /// The same, counted from the first day.
    PlainReset,
}

/// The columns of a kind of row.
pub(in crate::control) struct Row(pub(in crate::control) &'static [(&'static str, Blank)]);

impl Row {
    /// Shows a document; what has no column is not shown.
    pub(in crate::control) fn show(&self, id: &str, doc: &Doc, spent: f64) -> Map<String, Value> {
        let column = |(name, blank): &(&'static str, Blank)| {
            let own = doc.get(*name).filter(|value| !value.is_null());
            let value = match (blank, own) {
                (Blank::Id, _) => Value::from(id),
                (Blank::Spend, _) => json!(spent),
                (Blank::Reset, _) => reset(doc),
                (Blank::PlainReset, _) => plain_reset(doc),
                (_, Some(value)) => value.clone(),
                (Blank::Null, None) => Value::Null,
                (Blank::List, None) => Value::Array(Vec::new()),
                (Blank::Map, None) => Value::Object(Map::new()),
                (Blank::False, None) => Value::Bool(false),
            };
            ((*name).to_owned(), value)
        };
        self.0.iter().map(column).collect()
    }
}

fn reset(doc: &Doc) -> Value {
    let period = doc.get("budget_duration").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let now = Timestamp::now().as_millisecond();
    let end = period.map(|period| period_end(period, None, now, &Zone::UTC));
    let end = end.and_then(|end| Timestamp::from_millisecond(end).ok());
    end.map_or(Value::Null, |end| Value::from(stamp::text(end)))
}

fn plain_reset(doc: &Doc) -> Value {
    let written = doc.get("budget_reset_at").and_then(Value::as_str);
    let period = doc.get("budget_duration").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let anchor = written.and_then(|text| text.parse().ok());
    let end =
        anchor.zip(period).and_then(|(anchor, period)| calendar::rolled(anchor, period, Timestamp::now()));
    end.map_or_else(|| Value::from(written.map(str::to_owned)), |end| Value::from(stamp::text(end)))
}
