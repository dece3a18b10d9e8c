//! The part of a limit that this process has leave for, and what is known of others' parts.

use super::Load;
use crate::domain::RateTerms;

/// A window's.
#[derive(Debug)]
pub(super) struct Lease {
    /// The shared window that it is of; 0 if none is known.
    pub(super) window: u64,
    pub(super) granted: Load,
    pub(super) others: Load,
    /// Unix milliseconds.
    pub(super) heard_at: i64,
    /// Whether somebody tells others of this counter.
    pub(super) is_told: bool,
    /// Slots that came back since others were told.
    pub(super) freed: u64,
}

impl Default for Lease {
    fn default() -> Self {
        let (granted, others) = (Load::default(), Load::default());
        Self { window: 0, granted, others, heard_at: i64::MIN, is_told: false, freed: 0 }
    }
}

impl Lease {
    /// Whether one more request of so many tokens is within the leave.
    pub(super) fn covers(&self, load: &Load, terms: &RateTerms, tokens: u64) -> bool {
        let within = |limit: Option<u64>, used: u64, more: u64, granted: u64| {
            limit.is_none() || used.saturating_add(more) <= granted
        };
        let granted = &self.granted;
        within(terms.rpm, load.requests, 1, granted.requests)
            && within(terms.tpm, load.tokens, tokens, granted.tokens)
            && within(terms.parallel, load.parallel, 1, granted.parallel)
    }

    /// The window is over; requests under way go on.
    pub(super) const fn end_window(&mut self) {
        self.window = 0;
        self.granted.requests = 0;
        self.granted.tokens = 0;
        self.others.requests = 0;
        self.others.tokens = 0;
        self.heard_at = i64::MIN;
    }
}

/// An account's; money in pico-dollars.
#[derive(Debug)]
pub(super) struct MoneyLease {
    pub(super) granted: i64,
    /// The most that anybody heard from the database.
    pub(super) base: i64,
    /// What others have spent that is not in the database.
    pub(super) pending: i64,
    /// What others have leave for, besides.
    pub(super) promised: i64,
    /// Unix milliseconds.
    pub(super) heard_at: i64,
    /// The database had less than before.
    pub(super) set_back: bool,
    /// Whether somebody tells others of this counter.
    pub(super) is_told: bool,
}

impl Default for MoneyLease {
    fn default() -> Self {
        let (granted, base, pending, promised) = (0, 0, 0, 0);
        Self { granted, base, pending, promised, heard_at: i64::MIN, set_back: false, is_told: false }
    }
}
