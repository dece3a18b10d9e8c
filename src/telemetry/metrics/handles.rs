//! All series of one finished call, resolved once for each distinct key.

use super::Areas;
use super::call::{AttemptShape, CallShape, Ending, Key, exception_class, whose};
use super::deployments::AttemptHandles;
use super::label::{Label, LabelSet, NONE};
use super::latency::{LatencyHandles, LatencyTally};
use super::names::Names;
use super::requests::RequestHandles;
use super::tally::{Ones, Tally};
use super::tokens::{TokenHandles, TokenTally};
use crate::domain::{Outcome, TargetId, UsageRecord};
use crate::telemetry::spans::Spans;

/// A finished call's series.
pub(super) struct CallHandles {
    requests: RequestHandles,
    /// For calls that a deployment answered.
    tokens: Option<TokenHandles>,
    /// For calls that were answered in full.
    latency: Option<LatencyHandles>,
}

impl CallHandles {
    pub(super) fn tally(&self) -> CallTally {
        CallTally {
            requests: self.requests.tally(),
            tokens: self.tokens.as_ref().map(TokenHandles::tally),
            latency: self.latency.as_ref().map(LatencyHandles::tally),
        }
    }
}

/// What one thread counted of such calls since it last told.
pub(super) struct CallTally {
    requests: Ones,
    tokens: Option<TokenTally>,
    latency: Option<LatencyTally>,
}

impl CallTally {
    /// Counts a call; one that another one has outrun only by what it cost.
    pub(super) fn record(&self, record: &UsageRecord) {
        if let Some(tokens) = &self.tokens {
            tokens.count(record);
        }
        if record.outcome == Outcome::Superseded {
            return;
        }
        self.requests.count();
        if let Some(latency) = &self.latency {
            latency.observe(&Spans::of(record));
        }
    }
}

impl Tally for CallTally {
    fn tell(&self) {
        self.requests.tell();
        self.tokens.iter().for_each(TokenTally::tell);
        self.latency.iter().for_each(LatencyTally::tell);
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
