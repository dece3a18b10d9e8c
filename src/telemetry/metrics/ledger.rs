//! The spend ledger: how far the database is behind the journal.

use super::family::Builder;
use prometheus::{Error, Gauge, IntGauge};
use std::time::Duration;

/// How the ledger is at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerGauges {
    /// Records of this process that are not in the database yet.
    pub waiting_records: u64,
    /// Bytes of the journal that are not.
    pub waiting_bytes: u64,
    /// Since when something waits.
    pub behind: Duration,
    /// Bytes of the journal on the disk.
    pub journal_bytes: u64,
    /// Writes that the database did not take.
    pub failed_writes: u64,
    /// Records that found no room.
    pub lost: u64,
    /// Bytes that were damaged on the disk.
    pub damaged_bytes: u64,
    /// Whether the disk has room for more.
    pub has_room: bool,
}

/// Families about the ledger.
pub(super) struct Ledger {
    waiting_records: IntGauge,
    waiting_bytes: IntGauge,
    lag_seconds: Gauge,
    journal_bytes: IntGauge,
    failed_writes: IntGauge,
    lost: IntGauge,
    damaged_bytes: IntGauge,
    has_room: IntGauge,
}

impl Ledger {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            waiting_records: to
                .single("tollgate_ledger_waiting_records", "Records not in the database yet")?,
            waiting_bytes: to
                .single("tollgate_ledger_waiting_bytes", "Journal bytes not in the database yet")?,
            lag_seconds: to.single("tollgate_ledger_lag_seconds", "Since when records wait, seconds")?,
            journal_bytes: to
                .single("tollgate_ledger_journal_bytes", "Size of the journal on the disk, bytes")?,
            failed_writes: to.single("tollgate_ledger_failed_writes", "Writes the database did not take")?,
            lost: to.single("tollgate_ledger_lost_records", "Records that found no room in the journal")?,
            damaged_bytes: to.single("tollgate_ledger_damaged_bytes", "Journal bytes damaged on the disk")?,
            has_room: to.single("tollgate_ledger_has_room", "Whether the disk has room for the journal")?,
        })
    }

    pub(super) fn set(&self, now: &LedgerGauges) {
        let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.waiting_records, now.waiting_records);
        set(&self.waiting_bytes, now.waiting_bytes);
        self.lag_seconds.set(now.behind.as_secs_f64());
        set(&self.journal_bytes, now.journal_bytes);
        set(&self.failed_writes, now.failed_writes);
        set(&self.lost, now.lost);
        set(&self.damaged_bytes, now.damaged_bytes);
        self.has_room.set(i64::from(now.has_room));
    }
}
