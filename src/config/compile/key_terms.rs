//! What new keys get, and what none may exceed: `default_key_generate_params`, `upperbound_key_generate_params`.

use super::super::field::{Field, Report, Section};
use super::super::model::{KeyTerm, KeyTerms};
use crate::domain::Period;

/// How a value of a key is written.
#[derive(Clone, Copy)]
enum Kind {
    Number,
    Count,
    Lasting,
    Text,
    Texts,
}

/// Fields that have a default.
const DEFAULTS: [(&str, Kind); 9] = [
    ("models", Kind::Texts),
    ("max_budget", Kind::Number),
    ("budget_duration", Kind::Lasting),
    ("duration", Kind::Lasting),
    ("user_id", Kind::Text),
    ("team_id", Kind::Text),
    ("max_parallel_requests", Kind::Count),
    ("tpm_limit", Kind::Count),
    ("rpm_limit", Kind::Count),
];
/// Fields that have a bound.
const BOUNDS: [(&str, Kind); 6] = [
    ("max_budget", Kind::Number),
    ("budget_duration", Kind::Lasting),
    ("duration", Kind::Lasting),
    ("max_parallel_requests", Kind::Count),
    ("tpm_limit", Kind::Count),
    ("rpm_limit", Kind::Count),
];

pub(super) fn compile(litellm: &Section<'_>, report: &mut Report) -> KeyTerms {
    KeyTerms {
        defaults: terms(litellm.field("default_key_generate_params"), &DEFAULTS, report),
        bounds: terms(litellm.field("upperbound_key_generate_params"), &BOUNDS, report),
    }
}

fn terms(
    field: Option<Field<'_>>,
    known: &[(&'static str, Kind)],
    report: &mut Report,
) -> Vec<(&'static str, KeyTerm)> {
    let Some(map) = field.and_then(|field| field.map(report)) else { return Vec::new() };
    let mut found = Vec::new();
    for field in map.fields().filter(|field| !field.is_blank()) {
        match known.iter().find(|(name, _)| *name == field.key()) {
            Some((name, kind)) => found.extend(term(&field, *kind, report).map(|term| (*name, term))),
            None => report.warn(field.place(), "is not applied to new keys"),
        }
    }
    found
}

fn term(field: &Field<'_>, kind: Kind, report: &mut Report) -> Option<KeyTerm> {
    match kind {
        Kind::Number => field.number(report).map(KeyTerm::Number),
        Kind::Count => field.count(report).map(KeyTerm::Count),
        Kind::Text => field.text(report).map(KeyTerm::Text),
        Kind::Texts => Some(KeyTerm::Texts(field.texts(report))),
        Kind::Lasting => {
            let text = field.text(report)?;
            if text.parse::<Period>().is_err() {
                report.fault(field.place(), "wants a duration such as 30s, 15m, 2h, 30d or 1mo");
            }
            Some(KeyTerm::Lasting(text))
        }
    }
}
