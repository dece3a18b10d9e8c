//! Where finished calls are sent besides: what went out and what was lost.

use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::series::Count;
use prometheus::Error;

const SINK: &[L] = &[L::CallbackName];

/// Families about sinks.
pub(super) struct Sinks {
    /// Batches that a sink did not take, LiteLLM's family.
    failures: Family<Count>,
    /// Calls that a sink took.
    sent: Family<Count>,
    /// Calls that no room was left for, or that a sink did not take.
    dropped: Family<Count>,
}

/// The counters of one sink.
#[derive(Clone, Debug)]
pub struct SinkCounters {
    failures: Count,
    sent: Count,
    dropped: Count,
}

impl Sinks {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            failures: to.family(
                "litellm_callback_logging_failures_metric_total",
                "Batches of finished calls that a sink did not take",
                SINK,
            )?,
            sent: to.family("tollgate_sink_sent_total", "Finished calls that a sink took", SINK)?,
            dropped: to.family(
                "tollgate_sink_dropped_total",
                "Finished calls lost on the way to a sink",
                SINK,
            )?,
        })
    }

    pub(super) fn of(&self, name: &'static str) -> SinkCounters {
        let labels = LabelSet::new().with(L::CallbackName, name);
        SinkCounters {
            failures: self.failures.get(&labels),
            sent: self.sent.get(&labels),
            dropped: self.dropped.get(&labels),
        }
    }
}

impl SinkCounters {
    /// The sink took so many calls.
    pub fn sent(&self, calls: usize) {
        self.sent.inc_by(calls as u64);
    }

    /// So many calls found no room.
    pub fn dropped(&self, calls: usize) {
        self.dropped.inc_by(calls as u64);
    }

    /// The sink did not take a batch of so many calls.
    pub fn failed(&self, calls: usize) {
        self.failures.inc();
        self.dropped(calls);
    }
}
