//! What a window counts, and how one window follows another.

use super::hold::RateHold;
use super::own::{Counts, Own};
use crate::limits::Load;
use crate::limits::lease::Lease;
use crate::limits::lending::Parts;

/// What a window counts.
#[derive(Debug)]
pub(super) struct State {
    /// Unix milliseconds; without meaning while there are no requests.
    pub(super) began: i64,
    /// Which window this is, so that late settlements find out that theirs is over.
    pub(super) generation: u64,
    pub(super) load: Load,
    pub(super) used_at: i64,
    /// Only where it is shared.
    pub(super) lease: Option<Box<Lease>>,
    /// Only where threads have parts of it.
    pub(super) parts: Option<Box<Parts<Own, Counts>>>,
}

impl State {
    /// Begins a new window if none runs. A clock that was set back by more than a window ends it too.
    pub(super) fn roll(&mut self, now: i64, length: i64) {
        let age = now.saturating_sub(self.began);
        let is_begun = self.load.requests > 0
            || self.lent().requests > 0
            || self.lease.as_ref().is_some_and(|lease| lease.window != 0);
        if !is_begun || age >= length || age <= -length {
            self.begin(now);
        }
    }

    pub(super) fn begin(&mut self, now: i64) {
        self.began = now;
        self.generation = self.generation.wrapping_add(1);
        self.load.requests = 0;
        self.load.tokens = 0;
        self.forget_lent();
        if let Some(lease) = &mut self.lease {
            lease.end_window();
        }
    }

    /// What this process and others have counted.
    pub(super) fn known(&self) -> Load {
        let others = self.lease.as_ref().map(|lease| lease.others).unwrap_or_default();
        self.load.plus(&others)
    }

    /// The same with what threads may count by themselves.
    pub(super) fn all(&self) -> Load {
        self.known().plus(&self.lent())
    }

    pub(super) fn settle(&mut self, hold: &RateHold, tokens: u64) {
        if let Some(load) = self.end(hold) {
            load.tokens = load.tokens.saturating_add(tokens);
        }
    }

    pub(super) fn undo(&mut self, hold: &RateHold) {
        if let Some(load) = self.end(hold) {
            load.requests = load.requests.saturating_sub(1);
        }
    }

    /// Ends a request; the counts that it is part of, if its window still runs.
    const fn end(&mut self, hold: &RateHold) -> Option<&mut Load> {
        self.load.parallel = self.load.parallel.saturating_sub(1);
        if hold.generation != self.generation {
            return None;
        }
        self.load.tokens = self.load.tokens.saturating_sub(hold.tokens);
        Some(&mut self.load)
    }
}
