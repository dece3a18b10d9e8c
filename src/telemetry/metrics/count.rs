//! How a finished call is counted: most by a tally of their thread, the others where all are counted.

use super::Metrics;
use super::call::Key;
use super::handles::CallHandles;
use super::pending::Pending;
use super::{latency, near};
use crate::domain::{Outcome, UsageRecord};
use crate::telemetry::spans::Spans;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Metrics {
    /// Counts a finished call and each of its attempts.
    pub fn record(&self, record: &UsageRecord) {
        if !self.tallied(record) {
            self.count(record);
        }
        self.areas.gateway.count(record);
        if let Some(genai) = &self.genai {
            genai.observe(record, &self.names.load().names);
        }
    }

    /// Counts a call in a tally of this thread, if it is one of the many that were answered at once.
    fn tallied(&self, record: &UsageRecord) -> bool {
        let generation = self.generation.load(Ordering::Acquire);
        let Some(target) = near::answered_at_once(record).filter(|_| generation > 0) else { return false };
        let make = || {
            let pending = Arc::new(Pending::new(self.series_of(record), record));
            self.tallies.join(&pending);
            pending
        };
        near::count(generation, target, record, make, |pending| {
            pending.count(record, &latency::observed(&Spans::of(record)));
        })
    }

    /// The series of a call that was answered at once.
    fn series_of(&self, record: &UsageRecord) -> Arc<CallHandles> {
        let known = self.names.load();
        let names = &known.names;
        let key = Key::call(record, names);
        let series = known.calls.get(&key, || self.areas.resolve_call(&key, names));
        if let Some(attempt) = record.attempts.first() {
            series.answered(|| self.areas.resolve_attempt(&Key::attempt(attempt, &key), names));
        }
        series
    }

    /// Counts a call where all others are counted.
    pub(super) fn count(&self, record: &UsageRecord) {
        let known = self.names.load();
        let names = &known.names;
        let key = Key::call(record, names);
        let call = known.calls.get(&key, || self.areas.resolve_call(&key, names));
        if record.outcome == Outcome::Superseded {
            return call.record_cost(record);
        }
        call.record(record);
        let at_once = near::answered_at_once(record).is_some();
        for attempt in &record.attempts {
            let own = Key::attempt(attempt, &key);
            // Of most calls all is found at once.
            if at_once {
                call.answered(|| self.areas.resolve_attempt(&own, names)).count(1);
            } else {
                known.attempts.get(&own, || self.areas.resolve_attempt(&own, names)).count(1);
            }
        }
        if record.attempts.len() > 1 {
            self.areas.fallbacks.count(record, &key, names);
        }
    }
}
