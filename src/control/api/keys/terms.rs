//! What the configuration says of new keys: values for what a request leaves out, and bounds for what it asks for.

use crate::config::KeyTerm;
use crate::control::input::Refusal;
use crate::control::{Control, calendar};
use crate::domain::Period;
use crate::store::{Doc, Facts};
use jiff::Timestamp;
use serde_json::Value;

/// Completes the fields of a new key, and refuses those that are beyond a bound.
pub(super) fn complete(fields: &mut Doc, control: &Control) -> Result<(), Refusal> {
    let snapshot = control.runtime.load();
    let terms = &snapshot.config.spending.key_terms;
    // An account of a service belongs to nobody.
    let is_service =
        Facts(fields).object("metadata").is_some_and(|own| own.contains_key("service_account_id"));
    for (name, term) in &terms.defaults {
        let is_said =
            fields.get(*name).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()));
        if !(is_said || is_service && *name == "user_id") {
            fields.insert((*name).to_owned(), value(term));
        }
    }
    for (name, bound) in &terms.bounds {
        if !fields.contains_key(*name) {
            fields.insert((*name).to_owned(), value(bound));
        }
    }
    hold(fields, control)
}

/// Refuses fields that are beyond a bound; what is not named is left alone.
pub(super) fn hold(fields: &Doc, control: &Control) -> Result<(), Refusal> {
    let now = calendar::now();
    for (name, bound) in &control.runtime.load().config.spending.key_terms.bounds {
        let Some(asked) = fields.get(*name).filter(|asked| exceeds(asked, bound, now)) else { continue };
        let (asked, most) = (plain(asked), plain(&value(bound)));
        let words = format!("{name} is over max limit set in config - user_value={asked}; max_value={most}");
        return Err(Refusal::bad_member(name, words));
    }
    Ok(())
}

fn exceeds(asked: &Value, bound: &KeyTerm, now: Timestamp) -> bool {
    let above = |most: f64| asked.as_f64().is_some_and(|asked| asked > most);
    match bound {
        KeyTerm::Number(most) => above(*most),
        #[expect(clippy::cast_precision_loss, reason = "limits are far below what a float holds exactly")]
        KeyTerm::Count(most) => above(*most as f64),
        KeyTerm::Lasting(most) => {
            // What cannot be read is refused elsewhere; what never ends is beyond all bounds.
            let end = |text: &str| {
                let period: Option<Period> = text.parse().ok();
                period.map(|period| calendar::after(period, now).unwrap_or(Timestamp::MAX))
            };
            asked.as_str().and_then(end) > end(most)
        }
        KeyTerm::Text(_) | KeyTerm::Texts(_) => false,
    }
}

fn value(term: &KeyTerm) -> Value {
    match term {
        KeyTerm::Number(number) => Value::from(*number),
        KeyTerm::Count(count) => Value::from(*count),
        KeyTerm::Lasting(text) | KeyTerm::Text(text) => Value::from(text.as_str()),
        KeyTerm::Texts(texts) => Value::from(texts.as_slice()),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
