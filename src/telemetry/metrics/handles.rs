//! All series of one finished call, resolved once for each distinct key.

use super::Areas;
use super::call::{AttemptShape, CallShape, Ending, Key, exception_class, whose};
use super::deployments::AttemptHandles;
use super::label::{Label, LabelSet, NONE};
use super::latency::LatencyHandles;
use super::names::Names;
use super::requests::RequestHandles;
use super::tokens::TokenHandles;
use crate::domain::{Outcome, TargetId, UsageRecord};
use crate::telemetry::spans::Spans;
use std::sync::OnceLock;

/// A finished call's series.
pub(super) struct CallHandles {
    requests: RequestHandles,
    /// For calls that a deployment answered.
    tokens: Option<TokenHandles>,
    /// For calls that were answered in full.
    latency: Option<LatencyHandles>,
    /// Of a call that was answered at once, its one attempt.
    answered: OnceLock<AttemptHandles>,
}

impl CallHandles {
    /// Where the series of the one attempt of a call are that was answered at once and in full.
    pub(super) fn answered(&self, record: &UsageRecord) -> Option<&OnceLock<AttemptHandles>> {
        let [only] = record.attempts.as_slice() else { return None };
        let at_once =
            only.failure.is_none() && only.status == 200 && record.target.as_ref() == Some(&only.target);
        (at_once && record.outcome == Outcome::Completed).then_some(&self.answered)
    }

    /// Counts what a call cost besides: tokens and money, but no call.
    pub(super) fn record_cost(&self, record: &UsageRecord) {
        if let Some(tokens) = &self.tokens {
            tokens.count(record);
        }
    }

    pub(super) fn record(&self, record: &UsageRecord) {
        self.requests.count();
        if let Some(tokens) = &self.tokens {
            tokens.count(record);
        }
        if let Some(latency) = &self.latency {
            latency.observe(&Spans::of(record));
        }
    }
}

impl Areas {
    pub(super) fn resolve_call(&self, key: &Key<'_, CallShape>, names: &Names) -> CallHandles {
        let status = key.shape.status.to_string();
        let labels = labels(key, key.target, names)
            .with(Label::Route, key.route)
            .with(Label::StatusCode, &status)
            .with(Label::ExceptionStatus, &status);
        let (word, upstream) = key.shape.ending.error().unwrap_or((NONE, false));
        let class = exception_class(word, upstream.then(|| labels.get(Label::ApiProvider)));
        let model = key.target.and_then(|id| names.labels(id)).map(|target| target.prefixed_model());
        let labels = labels
            .with(Label::ExceptionClass, &class)
            .with(Label::PrefixedModel, model.as_deref().unwrap_or(NONE));
        let answered = key.target.is_some() && !matches!(key.shape.ending, Ending::Refused(..));
        let in_full = answered && key.shape.ending == Ending::Completed;
        CallHandles {
            requests: self.requests.resolve(&labels, key.shape),
            tokens: answered.then(|| self.tokens.resolve(&labels, key.shape.details)),
            latency: in_full.then(|| self.latency.resolve(&labels, key.shape.stream)),
            answered: OnceLock::new(),
        }
    }

    pub(super) fn resolve_attempt(&self, key: &Key<'_, AttemptShape>, names: &Names) -> AttemptHandles {
        self.deployments.resolve(&labels(key, key.target, names), key.shape)
    }
}

/// The labels that calls and attempts share.
fn labels<'a, S>(key: &Key<'a, S>, target: Option<&'a TargetId>, names: &'a Names) -> LabelSet<'a> {
    let labels = whose(&key.who).with(Label::RequestedModel, key.requested);
    match target {
        None => labels,
        // A deployment that went away while the call was under way keeps its id.
        Some(id) => names.labels(id).map_or_else(
            || labels.clone().with(Label::ModelId, id.as_str()),
            |known| known.fill(labels.clone()),
        ),
    }
}
