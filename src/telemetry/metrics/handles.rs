//! All series of one finished call, resolved once for each distinct key.

use super::areas::Areas;
use super::call::{AttemptShape, CallShape, Ending, Key, exception_class, whose};
use super::deployments::AttemptHandles;
use super::label::{Label, LabelSet, NONE};
use super::latency::LatencyHandles;
use super::names::Names;
use super::requests::RequestHandles;
use super::tally::Counted;
use super::tokens::TokenHandles;
use crate::domain::{TargetId, UsageRecord};
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
    /// The series of the one attempt of a call that was answered at once.
    pub(super) fn answered(&self, resolve: impl FnOnce() -> AttemptHandles) -> &AttemptHandles {
        self.answered.get_or_init(resolve)
    }

    /// Counts what a call cost besides: tokens and money, but no call.
    pub(super) fn record_cost(&self, record: &UsageRecord) {
        if let Some(tokens) = &self.tokens {
            tokens.count(record);
        }
    }

    pub(super) fn record(&self, record: &UsageRecord) {
        self.requests.count(1);
        if let Some(tokens) = &self.tokens {
            tokens.count(record);
        }
        if let Some(latency) = &self.latency {
            latency.observe(&Spans::of(record));
        }
    }

    /// Counts the kinds of tokens that few calls have, which tallies leave out.
    pub(super) fn count_details(&self, record: &UsageRecord) {
        if let Some(tokens) = &self.tokens {
            tokens.count_details(record);
        }
    }

    /// Counts what a tally has counted, of calls that were answered at once.
    pub(super) fn add(&self, counted: &Counted) {
        self.requests.count(counted.calls);
        if let Some(answered) = self.answered.get() {
            answered.count(counted.calls);
        }
        if let Some(tokens) = &self.tokens {
            tokens.add(counted);
        }
        if let Some(latency) = &self.latency {
            latency.add(counted);
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
