//! The one place where the present snapshot is held.

use super::Snapshot;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Shared by all data-plane threads; loading costs no lock.
pub struct RuntimeHandle(ArcSwap<Snapshot>);

impl RuntimeHandle {
    /// Starts with this snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// The present snapshot, for the whole life of a request.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts a new snapshot in; requests under way keep theirs.
    pub fn swap(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }
}
