//! What each thread counted by itself since metrics were last read.
//!
//! A series that all threads add to is in the cache of the one that did so last, and a call adds to some thirty: on two
//! busy threads to fetch them costs more than the counting. So a thread counts for itself, and whoever reads metrics
//! collects first.

use super::cache::Own;
use super::call::{AttemptShape, CallShape, Key};
use super::handles::CallTally;
use crate::telemetry::threads::{self, THREADS};
use prometheus::IntCounter;
use prometheus::core::{AtomicU64, GenericLocalCounter};
use smallvec::SmallVec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many kinds of calls, and of attempts, a thread counts by itself; others go to the shared series.
const OWN: usize = 256;
/// After so many of those it begins anew: other kinds may have become frequent.
const STRANGERS: u32 = 4096;

/// What was counted and not yet told.
pub(super) trait Tally {
    /// Adds it to the shared series.
    fn tell(&self);
}

/// Series that go up by one together.
pub(super) struct Ones(SmallVec<[GenericLocalCounter<AtomicU64>; 3]>);

impl Ones {
    pub(super) fn of<const N: usize>(series: [Option<&IntCounter>; N]) -> Self {
        Self(series.into_iter().flatten().map(IntCounter::local).collect())
    }

    pub(super) fn count(&self) {
        self.0.iter().for_each(GenericLocalCounter::inc);
    }
}

impl Tally for Ones {
    fn tell(&self) {
        self.0.iter().for_each(GenericLocalCounter::flush);
    }
}

/// One thread's counts.
#[derive(Default)]
pub(super) struct Counts {
    /// Which names they are of.
    generation: u64,
    calls: Own<CallShape, CallTally>,
    attempts: Own<AttemptShape, Ones>,
    strangers: u32,
}

impl Counts {
    /// Begins anew if the names are others, or too many calls are of kinds that have no place here.
    pub(super) fn of(&mut self, generation: u64) -> &mut Self {
        if self.generation != generation || self.strangers > STRANGERS {
            self.tell();
            *self = Self { generation, ..Self::default() };
        }
        self
    }

    pub(super) fn call(
        &mut self,
        key: &Key<'_, CallShape>,
        make: impl FnOnce() -> CallTally,
        count: impl Fn(&CallTally),
    ) {
        self.strangers += u32::from(!self.calls.with(key, OWN, make, count));
    }

    pub(super) fn attempt(&mut self, key: &Key<'_, AttemptShape>, make: impl FnOnce() -> Ones) {
        self.strangers += u32::from(!self.attempts.with(key, OWN, make, Ones::count));
    }

    fn tell(&self) {
        self.calls.values().for_each(Tally::tell);
        self.attempts.values().for_each(Tally::tell);
    }
}

/// On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Place(Mutex<Counts>);

/// All threads' counts.
pub(super) struct Tallies(Box<[Place]>);

impl Tallies {
    pub(super) fn new() -> Self {
        Self(std::iter::repeat_with(Place::default).take(THREADS).collect())
    }

    /// This thread's; nobody waits for it but who reads metrics.
    pub(super) fn own(&self) -> Option<MutexGuard<'_, Counts>> {
        Some(self.0.get(threads::this())?.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds everything to the shared series.
    pub(super) fn collect(&self) {
        for place in &self.0 {
            place.0.lock().unwrap_or_else(PoisonError::into_inner).tell();
        }
    }
}
