//! Calls under way, counted by each thread for itself.

use crate::telemetry::threads::{self, THREADS};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place(AtomicI64);

/// A call that is under way.
#[derive(Debug)]
pub struct InFlightGuard(Arc<Place>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All of them.
pub(super) struct UnderWay(Box<[Arc<Place>]>);

impl UnderWay {
    pub(super) fn new() -> Self {
        Self(std::iter::repeat_with(Arc::default).take(THREADS).collect())
    }

    /// Counts one more until the guard is dropped, wherever that is.
    pub(super) fn enter(&self) -> InFlightGuard {
        let place = self.0.get(threads::this()).map(Arc::clone).unwrap_or_default();
        place.0.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(place)
    }

    pub(super) fn count(&self) -> i64 {
        self.0.iter().map(|place| place.0.load(Ordering::Relaxed)).sum()
    }
}
