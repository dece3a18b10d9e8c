//! What distinguishes one finished call from another as far as series are concerned.

use super::label::{Label, LabelSet, NONE, OTHER};
use super::names::Names;
use super::tokens;
use crate::auth::ADMIN_USER;
use crate::domain::{AttemptRecord, Attribution, Outcome, TargetId, UpstreamClass, UsageRecord};
use std::sync::Arc;

/// How a call ended, without what is unbounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    Completed,
    Gone,
    /// The class word, and whether it is an upstream's failure passed on.
    Refused(&'static str, bool),
    Interrupted(UpstreamClass),
}

/// The part of a call's key that is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallShape {
    pub(super) status: u16,
    pub(super) stream: bool,
    pub(super) ending: Ending,
    /// Which kinds of tokens it had besides, by [`super::tokens::DETAILS`].
    pub(super) details: u8,
}

/// The part of an attempt's key that is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AttemptShape {
    pub(super) status: u16,
    pub(super) failure: Option<UpstreamClass>,
}

/// The labels that say whose call it is.
pub(super) const WHO: [Label; 9] = [
    Label::HashedApiKey,
    Label::ApiKeyAlias,
    Label::Team,
    Label::TeamAlias,
    Label::User,
    Label::UserEmail,
    Label::OrgId,
    Label::OrgAlias,
    Label::EndUser,
];

/// Their values, in the same order.
pub(super) type Who<'a> = [&'a str; WHO.len()];

/// The labels of whose call it is.
pub(super) fn whose<'a>(who: &Who<'a>) -> LabelSet<'a> {
    WHO.iter().zip(who).fold(LabelSet::new(), |labels, (label, value)| labels.with(*label, value))
}

/// What picks the series of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key<'a, S> {
    pub(super) target: Option<&'a TargetId>,
    pub(super) requested: &'a str,
    pub(super) route: &'a str,
    pub(super) who: Who<'a>,
    pub(super) shape: S,
}

impl Ending {
    fn of(record: &UsageRecord) -> Self {
        match record.outcome {
            Outcome::Completed => Self::Completed,
            Outcome::ClientGone | Outcome::Superseded => Self::Gone,
            Outcome::Interrupted(class) => Self::Interrupted(class),
            Outcome::Refused(word) => {
                let last = record.attempts.last().and_then(|attempt| attempt.failure);
                Self::Refused(word, last.is_some_and(|class| class.word() == word))
            }
        }
    }

    /// The class word of the error the client got, and whether it is an upstream's; `None` without one.
    pub(super) const fn error(self) -> Option<(&'static str, bool)> {
        match self {
            Self::Completed | Self::Gone => None,
            Self::Refused(word, upstream) => Some((word, upstream)),
            Self::Interrupted(class) => Some((class.word(), true)),
        }
    }
}

impl<'a> Key<'a, CallShape> {
    /// The key of a whole call. A refused call is put down to the deployment that was tried last.
    pub(super) fn call(record: &'a UsageRecord, names: &Names) -> Self {
        let last = || record.attempts.last().map(|attempt| &attempt.target);
        let ending = Ending::of(record);
        Self {
            target: record.target.as_ref().or_else(last),
            requested: requested_model(record, names),
            route: route_label(&record.route),
            who: who(record, names),
            shape: CallShape {
                status: record.status,
                stream: record.stream,
                ending,
                details: tokens::details(&record.usage),
            },
        }
    }
}

impl<'a> Key<'a, AttemptShape> {
    /// The key of one attempt. An answer that broke off is a failure of the attempt that gave it.
    pub(super) fn attempt(attempt: &'a AttemptRecord, call: &Key<'a, CallShape>) -> Self {
        let broken = match call.shape.ending {
            Ending::Interrupted(class) => Some(class),
            _ => None,
        };
        let failure = attempt.failure.or(broken);
        let shape = AttemptShape { status: attempt.status, failure };
        Self { target: Some(&attempt.target), requested: call.requested, route: "", who: call.who, shape }
    }
}

macro_rules! of_models {
    ($end:literal) => {
        ($end, [concat!("/engines/{model}", $end), concat!("/openai/deployments/{model}", $end)])
    };
}

/// Whose call it is. What everybody's calls have in common is left to one series each: end users are named only if
/// the configuration asks for it, and then only so many of them.
fn who<'a>(record: &'a UsageRecord, names: &Names) -> Who<'a> {
    let known = record.attribution.as_deref();
    let of = |pick: fn(&Attribution) -> &Option<Arc<str>>| known.and_then(|known| pick(known).as_deref());
    let api_key = record.key_hash.as_deref().unwrap_or(NONE);
    let user = of(|known| &known.user_id);
    [
        api_key,
        of(|known| &known.key_alias).unwrap_or(NONE),
        of(|known| &known.team_id).unwrap_or(NONE),
        of(|known| &known.team_alias).unwrap_or(NONE),
        user.unwrap_or_else(|| if names.is_master(api_key) { ADMIN_USER } else { NONE }),
        of(|known| &known.user_email).unwrap_or(NONE),
        of(|known| &known.organization_id).unwrap_or(NONE),
        of(|known| &known.organization_alias).unwrap_or(NONE),
        known.and_then(|known| names.end_user(known.customer.as_ref()?)).unwrap_or(NONE),
    ]
}

/// LiteLLM's `exception_class`: `Openai.RateLimitError` for an upstream's failure, else the bare word.
pub(super) fn exception_class(word: &str, provider: Option<&str>) -> String {
    let mut letters = provider.unwrap_or_default().chars();
    letters.next().map_or_else(
        || word.to_owned(),
        |first| format!("{}{}.{word}", first.to_uppercase(), letters.as_str()),
    )
}

/// A name from the configuration, however the client's name was resolved: what clients make up is unbounded.
pub(super) fn requested_model<'a>(record: &'a UsageRecord, names: &Names) -> &'a str {
    match &record.group {
        None => OTHER,
        Some(group) if *group == record.requested_model => group,
        Some(_) if names.is_alias(&record.requested_model) => &record.requested_model,
        Some(group) => group,
    }
}

/// Under which paths a model can be named, in this order of prefixes, and the pattern of each.
const OF_MODELS: [(&str, [&str; 2]); 11] = [
    of_models!("/chat/completions"),
    of_models!("/completions"),
    of_models!("/embeddings"),
    of_models!("/audio/speech"),
    of_models!("/audio/transcriptions"),
    of_models!("/audio/translations"),
    of_models!("/images/generations"),
    of_models!("/images/edits"),
    of_models!("/images/variations"),
    of_models!("/moderations"),
    of_models!("/rerank"),
];
const PREFIXES: [&str; 2] = ["/engines/", "/openai/deployments/"];

/// The path as called, with a model name in it replaced by a placeholder.
fn route_label(route: &str) -> &str {
    let path = route.split_once('?').map_or(route, |(path, _)| path);
    let Some(which) = PREFIXES.iter().position(|prefix| path.starts_with(prefix)) else { return path };
    let found = OF_MODELS.iter().find(|(end, _)| path.ends_with(end));
    found.and_then(|(_, patterns)| patterns.get(which)).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_keeps_no_model_name_and_no_query() {
        assert_eq!(route_label("/v1/chat/completions?api_key=sk-canary"), "/v1/chat/completions");
        assert_eq!(route_label("/engines/gpt-4/chat/completions"), "/engines/{model}/chat/completions");
        assert_eq!(
            route_label("/openai/deployments/a/b/embeddings"),
            "/openai/deployments/{model}/embeddings"
        );
        assert_eq!(route_label("/engines/made-up"), OTHER);
    }

    #[test]
    fn only_an_upstream_failure_names_the_provider() {
        assert_eq!(exception_class("RateLimitError", Some("openai")), "Openai.RateLimitError");
        assert_eq!(exception_class("BadRequestError", None), "BadRequestError");
        assert_eq!(exception_class("Timeout", Some("")), "Timeout");
    }
}
