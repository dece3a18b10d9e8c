//! How the ledger is kept.

use std::path::PathBuf;
use std::time::Duration;

/// What becomes of new calls when they cannot be written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// They are refused with 503.
    #[default]
    Refuse,
    /// They are served, and their cost is lost.
    Serve,
}

/// How the ledger is kept; fixed from the start of the process.
#[derive(Clone, Debug)]
pub struct LedgerSettings {
    /// The journal's folder.
    pub folder: PathBuf,
    /// Threads that append.
    pub lanes: usize,
    /// What becomes of new calls when the disk is full.
    pub on_full: OnFull,
    /// Bytes that wait to be booked beyond which an alarm is raised.
    pub alarm_bytes: u64,
    /// The disk is taken to be as large as this, in bytes.
    pub quota: u64,
    /// Whether a row is kept for each call, besides roll-ups and counters.
    pub rows: bool,
    /// Rows are deleted once they are so old; `None` is never.
    pub retention: Option<Duration>,
    /// Time between two deletions of old rows.
    pub retention_every: Duration,
    /// Time between two looks for the journal of a process that ended without having it booked.
    pub adopt_every: Duration,
}

impl LedgerSettings {
    /// The defaults, in this folder.
    #[must_use]
    pub const fn new(folder: PathBuf, lanes: usize) -> Self {
        Self {
            folder,
            lanes,
            on_full: OnFull::Refuse,
            alarm_bytes: 1 << 30,
            quota: u64::MAX,
            rows: true,
            retention: None,
            retention_every: Duration::from_secs(24 * 3600),
            adopt_every: Duration::from_secs(10),
        }
    }
}
