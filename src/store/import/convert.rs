//! From a row of LiteLLM's to a document and a counter; pure.

use super::kinds::{KEY_TABLE, Kind};
use super::values;
use crate::domain::{KeyDigest, Money, Period, Scope};
use crate::limits::{Zone, period_end};
use crate::store::table::{BUDGETS, Doc, MEMBERS, MODELS, TEAMS};
use crate::store::{Facts, member_id};
use serde_json::Value;
use std::collections::HashMap;

/// The team of the keys that LiteLLM's own UI makes for its sessions.
const UI_TEAM: &str = "litellm-dashboard";
/// The user whose spend is that of the whole gateway.
const GLOBAL_USER: &str = "litellm-proxy-budget";

/// What rows refer to.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// Duration and end of the budgets that others name.
    pub(super) budgets: HashMap<String, Terms>,
    /// The names that teams give models.
    pub(super) team_aliases: HashMap<String, Value>,
}

/// When a counter begins anew, as LiteLLM has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// `budget_duration`
    pub(super) period: Option<Period>,
    /// `budget_reset_at`, in unix milliseconds.
    pub(super) ends: Option<i64>,
}

/// A row as it will be here.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taken {
    /// Its id.
    pub(super) id: String,
    /// Its document; `None` for a counter alone.
    pub(super) doc: Option<Doc>,
    /// What its counter is of.
    pub(super) scope: Option<Scope>,
    /// What LiteLLM counted.
    pub(super) spent: Money,
    /// In which periods.
    pub(super) terms: Terms,
}

/// Converts a row.
///
/// # Errors
/// The reason why it cannot be taken, which holds no value of the row.
pub(super) fn convert(kind: &Kind, row: Doc, lookups: &Lookups) -> Result<Taken, String> {
    let mut doc = Doc::new();
    let mut spent = Money::ZERO;
    for (column, value) in row {
        if column == "spend" {
            spent = money(&value).ok_or("its spend cannot be read")?.max(Money::ZERO);
            continue;
        }
        let value = values::normal(&column, value).ok_or_else(|| format!("its {column} cannot be read"))?;
        if !value.is_null() {
            doc.insert(column, value);
        }
    }
    if Facts(&doc).0.get("max_budget").and_then(Value::as_f64).is_some_and(|max| max < 0.0) {
        return Err("its max_budget is negative".to_owned());
    }
    let id = id(kind, &mut doc)?;
    tidy(kind, &mut doc, lookups);
    let own = terms(&doc);
    let named = Facts(&doc).text("budget_id").and_then(|budget| lookups.budgets.get(&*budget).copied());
    let terms = if own.period.is_some() { own } else { named.unwrap_or_default() };
    if kind.keeps_spend {
        doc.insert("spend".to_owned(), Value::from(spent.dollars()));
    }
    if kind.scope == Some(Scope::User) && id == GLOBAL_USER {
        return Ok(Taken { id: String::new(), doc: None, scope: Some(Scope::Global), spent, terms: own });
    }
    Ok(Taken { id, doc: Some(doc), scope: kind.scope, spent, terms })
}

/// When the limits of a document begin anew.
pub(super) fn terms(doc: &Doc) -> Terms {
    let period = doc.get("budget_duration").and_then(Value::as_str).and_then(|text| text.parse().ok());
    Terms { period, ends: values::time_ms(doc.get("budget_reset_at")) }
}

/// The end of the period that an amount counts in, in unix milliseconds; 0 without a period. A period of LiteLLM's that
/// is over stays over; one that goes on ends when ours does, or the first booking would begin it anew.
pub(super) fn ends(scope: Scope, terms: Terms, now: i64, zone: &Zone) -> i64 {
    match (terms.period, terms.ends) {
        (None, _) => 0,
        (_, Some(end)) if end <= now => end,
        (Some(period), end) => period_end(period, end.filter(|_| scope == Scope::Customer), now, zone),
    }
}

pub(super) fn money(value: &Value) -> Option<Money> {
    match value {
        Value::Null => Some(Money::ZERO),
        // Both Postgres and Rust print the shortest text that reads back to the same float.
        Value::Number(number) => number.as_f64().map(|dollars| format!("{dollars}"))?.parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Takes the id out of a row; members keep theirs, because it is made of two.
fn id(kind: &Kind, doc: &mut Doc) -> Result<String, String> {
    let missing = |column: &str| format!("it has no {column}");
    let text = |doc: &Doc, column: &str| Facts(doc).text(column).ok_or_else(|| missing(column));
    if std::ptr::eq(kind.to, &MEMBERS) {
        return Ok(member_id(&text(doc, "user_id")?, &text(doc, "team_id")?));
    }
    let column = kind.ids[0];
    let id = text(doc, column)?.to_string();
    doc.remove(column);
    if kind.table != KEY_TABLE {
        return Ok(id);
    }
    if Facts(doc).text("team_id").as_deref() == Some(UI_TEAM) {
        return Err("it is a session of LiteLLM's own UI".to_owned());
    }
    // The oldest releases kept keys as they are.
    if id.starts_with("sk-") {
        return Ok(crate::auth::digest(&id).to_hex());
    }
    let digest = KeyDigest::from_hex(&id).ok_or("its token is not a sha256")?;
    Ok(digest.to_hex())
}

/// Puts right what means something else here than there.
fn tidy(kind: &Kind, doc: &mut Doc, lookups: &Lookups) {
    let is_empty = |value: &Value| value.as_object().is_some_and(Doc::is_empty) || value == "";
    // An empty one would hide the one of the budget that the row names, and an empty name is no name.
    for column in ["model_max_budget", "key_alias", "team_alias", "budget_id", "team_id", "organization_id"] {
        if doc.get(column).is_some_and(is_empty) {
            doc.remove(column);
        }
    }
    if std::ptr::eq(kind.to, &TEAMS) {
        let number = doc.get("model_id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        if let Some(id) = number.as_ref().and_then(|number| number.parse::<u64>().ok()) {
            doc.insert("model_id".to_owned(), Value::from(id));
        }
        let aliases = number.and_then(|number| lookups.team_aliases.get(&number));
        if let Some(aliases) = aliases.filter(|_| !doc.contains_key("model_aliases")) {
            doc.insert("model_aliases".to_owned(), aliases.clone());
        }
    }
}

/// What other rows need to know of this one.
pub(super) fn learn(kind: &Kind, taken: &Taken, lookups: &mut Lookups) {
    if std::ptr::eq(kind.to, &BUDGETS) {
        lookups.budgets.insert(taken.id.clone(), taken.terms);
    }
}

/// Keeps the names that a team gives models.
pub(super) fn learn_aliases(row: Doc, lookups: &mut Lookups) {
    let id = row.get("id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let aliases = ["aliases", "model_aliases"].iter().find_map(|name| row.get(*name).cloned());
    let aliases = aliases.and_then(|aliases| values::normal("aliases", aliases)).filter(Value::is_object);
    if let (Some(id), Some(aliases)) = (id, aliases) {
        lookups.team_aliases.insert(id, aliases);
    }
}

/// How a row is called in a report: by a name if it has one, never by more than the beginning of a digest.
pub(super) fn label(kind: &Kind, row: &Doc) -> String {
    let names = ["key_alias", "key_name", "team_alias", "organization_alias", "alias"];
    // Whatever a column holds, a whole key is not shown.
    let shown = |name: &std::sync::Arc<str>| !name.starts_with("sk-") || name.starts_with("sk-...");
    let named = names.iter().find_map(|name| Facts(row).text(name).filter(shown));
    if kind.table == KEY_TABLE {
        return named.map_or_else(|| "a key without a name".to_owned(), |name| name.to_string());
    }
    let ids: Vec<String> =
        kind.ids.iter().filter_map(|id| Facts(row).text(id)).map(|id| id.to_string()).collect();
    let id = ids.join(" in ");
    match named {
        Some(name) if !std::ptr::eq(kind.to, &MODELS) => format!("{id} ({name})"),
        _ => id,
    }
}
