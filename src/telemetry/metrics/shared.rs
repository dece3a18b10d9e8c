//! Counters that several processes share: whether they can be reached, and what that takes.

use super::family::Builder;
use prometheus::{Error, IntGauge};

/// How the sharing goes at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedGauges {
    /// Whether Redis answers.
    pub is_up: bool,
    /// Processes that live, this one too.
    pub processes: u64,
    /// Calls that waited for others to be asked.
    pub waits: u64,
    /// Counters that were exchanged.
    pub exchanged: u64,
    /// So often Redis was lost.
    pub losses: u64,
}

/// Families about shared counters.
pub(super) struct Shared {
    up: IntGauge,
    processes: IntGauge,
    waits: IntGauge,
    exchanged: IntGauge,
    losses: IntGauge,
}

impl Shared {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            up: to.single(
                "tollgate_shared_up",
                "Whether the Redis of shared counters answers; 0 without one",
            )?,
            processes: to.single("tollgate_shared_processes", "Processes that share counters")?,
            waits: to
                .single("tollgate_shared_waits", "Calls that waited until other processes were asked")?,
            exchanged: to.single("tollgate_shared_exchanged", "Counters that were exchanged with Redis")?,
            losses: to
                .single("tollgate_shared_losses", "Times that the Redis of shared counters was lost")?,
        })
    }

    pub(super) fn set(&self, now: &SharedGauges) {
        let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        self.up.set(i64::from(now.is_up));
        set(&self.processes, now.processes);
        set(&self.waits, now.waits);
        set(&self.exchanged, now.exchanged);
        set(&self.losses, now.losses);
    }
}
