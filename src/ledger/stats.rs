//! How the ledger is, for metrics and for health.

use super::Shared;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
    /// When nothing was waiting, the last time: milliseconds since the start.
    pub(super) caught_up_ms: AtomicU64,
    pub(super) failed_writes: AtomicU64,
    pub(super) damaged_bytes: AtomicU64,
    /// Whether the alarm was logged.
    pub(super) alarm: AtomicBool,
}

impl Shared {
    fn waiting(&self) -> u64 {
        self.segments().iter().map(|segment| segment.waiting()).sum()
    }

    /// Nothing was waiting at that moment.
    pub(super) fn caught_up(&self, at: Instant) {
        let since = at.saturating_duration_since(self.started).as_millis();
        self.counts.caught_up_ms.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Says when more waits than is normal, and when it does no more.
    pub(super) fn watch(&self) {
        let stats = self.stats();
        if self.counts.alarm.swap(stats.alarm, Ordering::Relaxed) == stats.alarm {
            return;
        }
        if stats.alarm {
            let LedgerStats { waiting_bytes, behind, .. } = stats;
            log::error!(
                "ledger: {waiting_bytes} bytes wait for the database since {behind:?}; they are kept while the disk has room"
            );
        } else {
            log::info!("ledger: the database has nearly caught up");
        }
    }

    pub(super) fn stats(&self) -> LedgerStats {
        let counts = &self.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let waiting = self.waiting();
        let since = Duration::from_millis(read(&counts.caught_up_ms));
        let behind = if waiting == 0 { Duration::ZERO } else { self.started.elapsed().saturating_sub(since) };
        LedgerStats {
            appended: self.lanes.iter().map(super::Lane::records).sum(),
            booked: read(&counts.booked),
            lost: read(&counts.lost),
            waiting_bytes: waiting,
            behind,
            journal_bytes: self.space.bytes(),
            failed_writes: read(&counts.failed_writes),
            damaged_bytes: read(&counts.damaged_bytes),
            alarm: waiting > self.settings.alarm_bytes,
            room: self.space.has_room(),
        }
    }
}
