//! How the ledger is, for metrics and for health.

use super::Shared;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerStats {
    /// Records appended since the start.
    pub appended: u64,
    /// Records of this process that are booked.
    pub booked: u64,
    /// Records that could not be appended, and are lost.
    pub lost: u64,
    /// Bytes that wait to be booked, those of processes before this one included.
    pub waiting_bytes: u64,
    /// Since when something waits.
    pub behind: Duration,
    /// Bytes of the journal on the disk.
    pub journal_bytes: u64,
    /// Batches that the database did not take at once.
    pub failed_writes: u64,
    /// Bytes that were damaged on the disk.
    pub damaged_bytes: u64,
    /// Whether more waits than was said to be normal.
    pub alarm: bool,
    /// Whether the disk has room for more.
    pub room: bool,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) lost: AtomicU64,
    pub(super) booked: AtomicU64,
    pub(super) waiting_bytes: AtomicU64,
    pub(super) behind_ms: AtomicU64,
    pub(super) failed_writes: AtomicU64,
    pub(super) damaged_bytes: AtomicU64,
    pub(super) alarm: AtomicBool,
}

impl Shared {
    pub(super) fn stats(&self) -> LedgerStats {
        let counts = &self.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LedgerStats {
            appended: self.lanes.iter().map(super::Lane::records).sum(),
            booked: read(&counts.booked),
            lost: read(&counts.lost),
            waiting_bytes: read(&counts.waiting_bytes),
            behind: Duration::from_millis(read(&counts.behind_ms)),
            journal_bytes: self.space.bytes(),
            failed_writes: read(&counts.failed_writes),
            damaged_bytes: read(&counts.damaged_bytes),
            alarm: counts.alarm.load(Ordering::Relaxed),
            room: self.space.has_room(),
        }
    }
}
