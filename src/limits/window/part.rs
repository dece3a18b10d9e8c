//! The part of a window that one thread counts by itself.

use super::own::{Counts, Own};
use super::state::State;
use super::{RateHold, Window};
use crate::domain::RateTerms;
use crate::limits::lending::Part;
use crate::limits::{Left, Load, Manner, TooFast, TooMuch};
use std::sync::Arc;

/// Room for so many calls is lent at most; for fewer than the least it is not worth it.
const MOST_CALLS: u64 = 128;
const LEAST_CALLS: u64 = 64;
/// Likewise slots.
const MOST_SLOTS: u64 = 256;
const LEAST_SLOTS: u64 = 4;
/// The part of what is left that one thread gets.
const SHARE: u64 = 16;
/// Stands for no limit.
const FAR: u64 = 1 << 60;

/// A window as one thread has it.
#[derive(Debug)]
pub struct WindowPart {
    window: Arc<Window>,
    part: Arc<Part<Own>>,
}

impl WindowPart {
    /// The part of the thread of this number; `None` if the window is shared with other processes.
    #[must_use]
    pub fn of(window: &Arc<Window>, thread: usize) -> Option<Self> {
        if window.shared.is_some() {
            return None;
        }
        let part = window.alone().parts.get_or_insert_default().of(thread)?;
        Some(Self { window: Arc::clone(window), part })
    }

    /// As [`Window::admit`].
    ///
    /// # Errors
    /// As there.
    pub fn admit(
        &self,
        now: i64,
        terms: &RateTerms,
        tokens: u64,
        manner: Manner,
    ) -> Result<(RateHold, Left), TooMuch<TooFast>> {
        if let Some(admitted) = self.part.admit(now, terms, tokens.max(1)) {
            return Ok(admitted);
        }
        let mut state = self.window.alone();
        state.take_back(&self.part);
        state.roll(now, self.window.length);
        let admitted = self.window.take(&mut state, now, terms, tokens, manner)?;
        state.lend(&self.part, now, terms, tokens.max(1), self.window.length);
        Ok(admitted)
    }

    /// As [`Window::settle`].
    pub fn settle(&self, hold: RateHold, tokens: u64) {
        if !self.part.settle(&hold, tokens) {
            let mut state = self.window.alone();
            state.take_back(&self.part);
            state.settle(&hold, tokens);
        }
    }

    /// As [`Window::release`].
    pub fn release(&self, hold: RateHold) {
        self.settle(hold, 0);
    }

    /// As [`Window::undo`].
    pub fn undo(&self, hold: RateHold) {
        let mut state = self.window.alone();
        state.take_back(&self.part);
        state.undo(&hold);
    }
}

impl State {
    /// Takes back what all threads were lent, and counts what they counted.
    pub(super) fn gather(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        for part in parts.all() {
            let _ = self.count(part);
        }
        parts.lent = Counts::default();
        self.parts = Some(parts);
    }

    /// Takes back what one thread was lent, and counts what it counted.
    fn take_back(&mut self, part: &Part<Own>) {
        let (lent, is_present) = self.count(part);
        let Some(parts) = &mut self.parts else { return };
        parts.lent.parallel -= lent.parallel;
        if is_present {
            parts.lent.requests -= lent.requests;
            parts.lent.tokens -= lent.tokens;
        }
    }

    /// Counts what a thread counted; what it was lent, and whether that is of the present window.
    fn count(&mut self, part: &Part<Own>) -> (Counts, bool) {
        let mut own = part.own();
        let (used, lent) = (std::mem::take(&mut own.used), std::mem::take(&mut own.lent));
        let is_present = own.generation == self.generation;
        self.load.parallel = self.load.parallel.saturating_add_signed(used.parallel);
        if is_present {
            self.load.requests = self.load.requests.saturating_add_signed(used.requests);
            self.load.tokens = self.load.tokens.saturating_add_signed(used.tokens);
        }
        (lent, is_present)
    }

    /// Lends a thread that calls often room for calls of about so many tokens, if there is plenty.
    fn lend(&mut self, part: &Part<Own>, now: i64, terms: &RateTerms, tokens: u64, length: i64) {
        let all = self.all();
        let share = |limit: Option<u64>, used: u64, ask: u64| {
            limit.unwrap_or(FAR).min(FAR).saturating_sub(used) / SHARE / ask
        };
        let calls = share(terms.rpm, all.requests, 1).min(share(terms.tpm, all.tokens, tokens));
        let slots = share(terms.parallel, all.parallel, 1);
        let mut own = part.own();
        own.generation = self.generation;
        let Some(parts) = &mut self.parts else { return };
        if !own.pace.is_often(now) || calls < LEAST_CALLS || slots < LEAST_SLOTS {
            return;
        }
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let calls = calls.min(MOST_CALLS);
        own.lent = Counts {
            requests: whole(calls),
            tokens: whole(calls.saturating_mul(tokens)),
            parallel: whole(slots.min(MOST_SLOTS)),
        };
        own.terms = *terms;
        own.base = self.load;
        (own.after, own.before) = (self.began.saturating_sub(length), self.began.saturating_add(length));
        parts.lent = parts.lent.plus(&own.lent);
    }

    /// What is lent, as if it were used.
    pub(super) fn lent(&self) -> Load {
        let Some(parts) = &self.parts else { return Load::default() };
        let count = |lent: i64| u64::try_from(lent).unwrap_or_default();
        let Counts { requests, tokens, parallel } = parts.lent;
        Load { requests: count(requests), tokens: count(tokens), parallel: count(parallel) }
    }

    /// The window is over, and with it what was lent of it; slots are not.
    pub(super) fn forget_lent(&mut self) {
        if let Some(parts) = &mut self.parts {
            (parts.lent.requests, parts.lent.tokens) = (0, 0);
        }
    }
}

#[cfg(test)]
impl Window {
    /// The requests that everybody sees, without those that threads have counted by themselves.
    pub(in crate::limits) fn counted_for_all(&self) -> u64 {
        self.alone().load.requests
    }
}
