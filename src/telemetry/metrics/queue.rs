//! Calls that wait for the quota of upstream keys.

use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::series::{Count, Histogram, Level};
use prometheus::Error;
use std::time::Duration;

const GROUP: &[L] = &[L::ModelGroup];
const REFUSED: &[L] = &[L::ModelGroup, L::Reason];
const WAITS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0];

/// Families about waiting.
pub(super) struct Queue {
    /// Calls that wait now.
    depth: Family<Level>,
    /// How long those waited that got their turn.
    wait: Family<Histogram>,
    /// Calls that got none.
    refused: Family<Count>,
}

/// A call that waits.
#[derive(Debug)]
pub struct WaitGuard(Level);

impl Drop for WaitGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Queue {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            depth: to.family("tollgate_queue_depth", "Calls that wait for quota", GROUP)?,
            wait: to.histogram(
                "tollgate_queue_wait_seconds",
                "Wait of the calls that got their turn, seconds",
                GROUP,
                WAITS,
            )?,
            refused: to.family("tollgate_queue_refused_total", "Calls that got no turn", REFUSED)?,
        })
    }

    pub(super) fn enter(&self, group: &str) -> WaitGuard {
        let gauge = self.depth.get(&LabelSet::new().with(L::ModelGroup, group));
        gauge.inc();
        WaitGuard(gauge)
    }

    pub(super) fn leave(&self, group: &str, waited: Duration) {
        self.wait.get(&LabelSet::new().with(L::ModelGroup, group)).observe(waited.as_secs_f64());
    }

    pub(super) fn refuse(&self, group: &str, reason: &str) {
        self.refused.get(&LabelSet::new().with(L::ModelGroup, group).with(L::Reason, reason)).inc();
    }
}
