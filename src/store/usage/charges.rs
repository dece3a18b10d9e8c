//! The counters of a record as text, so that totals can be recomputed from rows: `[["key","",0],…]`, scope,
//! slot and period; the id only where the row does not say it anyway.

use crate::domain::{Attribution, Charge, CounterId, Scope, UsageRecord};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

/// What a row says of whose call it was.
pub(super) struct Whose<'a> {
    pub(super) api_key: &'a str,
    pub(super) user_id: &'a str,
    pub(super) team_id: &'a str,
    pub(super) organization_id: &'a str,
    pub(super) customer: &'a str,
    pub(super) provider: &'a str,
}

impl<'a> Whose<'a> {
    fn of(record: &'a UsageRecord, own: &'a Attribution) -> Self {
        let text = |text: &'a Option<Arc<str>>| text.as_deref().unwrap_or_default();
        Self {
            api_key: text(&record.key_hash),
            user_id: text(&own.user_id),
            team_id: text(&own.team_id),
            organization_id: text(&own.organization_id),
            customer: text(&own.customer),
            provider: text(&record.provider),
        }
    }

    /// The id of this row's counters of that scope, as far as the row tells.
    fn id(&self, scope: Scope) -> Cow<'a, str> {
        match scope {
            Scope::Key => Cow::Borrowed(self.api_key),
            Scope::User => Cow::Borrowed(self.user_id),
            Scope::Team => Cow::Borrowed(self.team_id),
            Scope::Member => Cow::Owned(format!("{}\n{}", self.user_id, self.team_id)),
            Scope::Customer => Cow::Borrowed(self.customer),
            Scope::Organization => Cow::Borrowed(self.organization_id),
            Scope::Provider => Cow::Borrowed(self.provider),
            Scope::Global => Cow::Borrowed(""),
        }
    }
}

pub(super) fn write(record: &UsageRecord) -> Option<String> {
    let own = record.attribution.as_deref().filter(|own| !own.charges.is_empty())?;
    let whose = Whose::of(record, own);
    let mut text = String::with_capacity(48 * own.charges.len());
    for Charge { counter: CounterId { scope, id, slot }, period_end } in &own.charges {
        text.push_str(if text.is_empty() { "[[\"" } else { ",[\"" });
        text.push_str(scope.as_str());
        text.push_str("\",");
        push_quoted(slot, &mut text);
        // Writing to a String cannot fail.
        let _ = write!(text, ",{period_end}");
        if whose.id(*scope) != **id {
            text.push(',');
            push_quoted(id, &mut text);
        }
        text.push(']');
    }
    text.push(']');
    Some(text)
}

fn push_quoted(plain: &str, text: &mut String) {
    if plain.is_empty() {
        text.push_str("\"\"");
    } else {
        text.push_str(&Value::from(plain).to_string());
    }
}

/// Reads what [`write`] wrote; what cannot be read is left out.
pub(super) fn read(text: &str, whose: &Whose<'_>) -> Vec<Charge> {
    let list: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let charge = |entry: &Value| {
        let scope = Scope::from_name(entry.get(0)?.as_str()?)?;
        let id = entry.get(3).and_then(Value::as_str).map_or_else(|| whose.id(scope), Cow::Borrowed);
        let counter = CounterId { scope, id: Arc::from(&*id), slot: Arc::from(entry.get(1)?.as_str()?) };
        Some(Charge { counter, period_end: entry.get(2)?.as_i64()? })
    };
    list.iter().filter_map(charge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::usage::tests::record;

    #[test]
    fn charges_read_back_whether_the_row_names_them_or_not() {
        let mut record = record(1);
        let own = record.attribution.as_mut().unwrap();
        let charge = |scope, id: &str, slot: &str, period_end| Charge {
            counter: CounterId { scope, id: Arc::from(id), slot: Arc::from(slot) },
            period_end,
        };
        own.charges = vec![
            charge(Scope::Member, "u1\nt1", "", -7),
            charge(Scope::Customer, "somebody \"else\"", "7d", i64::MAX),
            charge(Scope::Key, "k", "model:a\n\"b\"", 0),
        ];
        let own = record.attribution.as_deref().unwrap();
        assert_eq!(read(&write(&record).unwrap(), &Whose::of(&record, own)), own.charges);
        assert!(read("nonsense", &Whose::of(&record, own)).is_empty());
    }
}
