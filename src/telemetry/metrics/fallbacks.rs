//! Calls that another group served, or was asked to serve, than the one that was meant.

use super::call::{CallShape, Key, exception_class, whose};
use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet, NONE};
use super::names::Names;
use super::series::Count;
use crate::domain::{ErrorKind, Outcome, UpstreamClass, UsageRecord};
use prometheus::Error;

const FALLBACK: &[L] = &[
    L::RequestedModel,
    L::FallbackModel,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::Team,
    L::TeamAlias,
    L::ExceptionStatus,
    L::ExceptionClass,
    L::ModelId,
];

const HEDGED: &[L] = &[L::ModelGroup, L::Result];

/// Families about fallbacks.
pub(super) struct Fallbacks {
    /// The other group answered.
    successful: Family<Count>,
    /// It did not.
    failed: Family<Count>,
    /// Calls that were made twice, by which attempt answered first.
    hedged: Family<Count>,
}

/// What a group of a call was tried for: the attempts that follow each other in it.
struct Turn<'a> {
    group: &'a str,
    model_id: &'a str,
    provider: &'a str,
    /// How its last attempt failed.
    failure: Option<(UpstreamClass, u16)>,
}

impl Fallbacks {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            successful: to.family(
                "litellm_deployment_successful_fallbacks_total",
                "Calls that another group answered",
                FALLBACK,
            )?,
            failed: to.family(
                "litellm_deployment_failed_fallbacks_total",
                "Calls that another group did not answer either",
                FALLBACK,
            )?,
            hedged: to.family(
                "tollgate_hedged_calls_total",
                "Calls that were made twice because the first token was late, by the attempt that answered",
                HEDGED,
            )?,
        })
    }

    pub(super) fn hedged(&self, group: &str, second_won: bool) {
        let result = if second_won { "second" } else { "first" };
        self.hedged.get(&LabelSet::new().with(L::ModelGroup, group).with(L::Result, result)).inc();
    }

    /// Counts each change of the group within a call. A list of groups behind one alias is one group, not a fallback.
    pub(super) fn count(&self, record: &UsageRecord, key: &Key<'_, CallShape>, names: &Names) {
        let turns = turns(record, names);
        let is_union = record.group.as_deref().is_none_or(|group| turns.iter().all(|t| t.group != group));
        if turns.len() < 2 || is_union {
            return;
        }
        for pair in turns.windows(2) {
            let [from, to] = pair else { continue };
            let answered = to.failure.is_none() && !matches!(record.outcome, Outcome::Refused(_));
            let family = if answered { &self.successful } else { &self.failed };
            let status = from.failure.map(|(_, status)| status.to_string());
            let class = from.failure.map(|(class, _)| exception_class(class.word(), Some(from.provider)));
            let labels = whose(&key.who)
                .with(L::RequestedModel, key.requested)
                .with(L::FallbackModel, to.group)
                .with(L::ModelId, to.model_id)
                .with(L::ExceptionStatus, status.as_deref().unwrap_or(NONE))
                .with(L::ExceptionClass, class.as_deref().unwrap_or(NONE));
            family.get(&labels).inc();
        }
    }
}

fn turns<'a>(record: &'a UsageRecord, names: &'a Names) -> Vec<Turn<'a>> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for attempt in &record.attempts {
        let Some(labels) = names.labels(&attempt.target) else { continue };
        let failure = attempt.failure.map(|class| {
            let answered = attempt.status >= 400;
            (class, if answered { attempt.status } else { ErrorKind::Upstream(class).row().status })
        });
        let turn = Turn {
            group: &labels.group,
            model_id: labels.model_id.as_str(),
            provider: &labels.api_provider,
            failure,
        };
        match turns.last_mut() {
            Some(last) if last.group == turn.group => *last = turn,
            _ => turns.push(turn),
        }
    }
    turns
}
