//! The speed of one caller: requests and tokens in a fixed window, and requests at one time.
//!
//! The window begins with its first request, not at a minute of the clock (LiteLLM's way).

use super::{Left, Load, RateKind, TooFast};
use crate::domain::RateTerms;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one request holds of a window, until it is given to [`Window::settle`], [`Window::release`] or
/// [`Window::undo`].
#[derive(Debug)]
#[must_use = "a slot is held until this is given back"]
pub struct RateHold {
    generation: u64,
    tokens: u64,
}

/// One caller's window and slots.
#[derive(Debug)]
pub struct Window {
    length: i64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Unix milliseconds; without meaning while there are no requests.
    began: i64,
    /// Which window this is, so that late settlements find out that theirs is over.
    generation: u64,
    load: Load,
    used_at: i64,
}

impl Window {
    /// An empty window of `length` milliseconds (at least 1), made at `now` (unix milliseconds).
    #[must_use]
    pub const fn new(length: i64, now: i64) -> Self {
        let load = Load { requests: 0, tokens: 0, parallel: 0 };
        let length = if length < 1 { 1 } else { length };
        Self { length, state: Mutex::new(State { began: now, generation: 0, load, used_at: now }) }
    }

    /// Lets a request through that will take about `tokens`, at `now` (unix milliseconds).
    ///
    /// A request larger than the whole limit of tokens passes if the window is untouched.
    ///
    /// # Errors
    /// The limit that is reached; nothing is taken then.
    pub fn admit(&self, now: i64, terms: &RateTerms, tokens: u64) -> Result<(RateHold, Left), TooFast> {
        let tokens = tokens.max(1);
        let mut state = self.state();
        state.roll(now, self.length);
        self.room(&state, terms, tokens)?;
        let load = state.load;
        let tokens = tokens.min(u64::MAX - load.tokens);
        state.used_at = now;
        state.load =
            Load { requests: load.requests + 1, tokens: load.tokens + tokens, parallel: load.parallel + 1 };
        let left = |limit: Option<u64>, used| limit.map_or(u64::MAX, |limit| limit.saturating_sub(used));
        let left = Left {
            requests: left(terms.rpm, state.load.requests),
            tokens: left(terms.tpm, state.load.tokens),
        };
        Ok((RateHold { generation: state.generation, tokens }, left))
    }

    /// Whether a request would be let through; nothing is taken.
    ///
    /// # Errors
    /// As [`Window::admit`].
    pub fn check(&self, now: i64, terms: &RateTerms, tokens: u64) -> Result<(), TooFast> {
        let mut state = self.state();
        state.roll(now, self.length);
        self.room(&state, terms, tokens.max(1))
    }

    fn room(&self, state: &State, terms: &RateTerms, tokens: u64) -> Result<(), TooFast> {
        let load = state.load;
        let resets_at = state.began.saturating_add(self.length);
        let refused = |kind, limit: u64, used| {
            Err(TooFast { kind, limit, remaining: limit.saturating_sub(used), resets_at })
        };
        if let Some(rpm) = terms.rpm.filter(|rpm| load.requests >= *rpm) {
            return refused(RateKind::Requests, rpm, load.requests);
        }
        let full = |tpm: &u64| *tpm == 0 || (load.tokens > 0 && load.tokens.saturating_add(tokens) > *tpm);
        if let Some(tpm) = terms.tpm.filter(full) {
            return refused(RateKind::Tokens, tpm, load.tokens);
        }
        if let Some(parallel) = terms.parallel.filter(|parallel| load.parallel >= *parallel) {
            return refused(RateKind::Parallel, parallel, load.parallel);
        }
        Ok(())
    }

    /// The request is over and took `tokens`, which count if its window still runs.
    pub fn settle(&self, hold: RateHold, tokens: u64) {
        let mut state = self.state();
        if let Some(load) = state.end(&hold) {
            load.tokens = load.tokens.saturating_add(tokens);
        }
    }

    /// The request is over and took no tokens; it stays counted as a request.
    pub fn release(&self, hold: RateHold) {
        self.settle(hold, 0);
    }

    /// The request never was.
    pub fn undo(&self, hold: RateHold) {
        let mut state = self.state();
        if let Some(load) = state.end(&hold) {
            load.requests = load.requests.saturating_sub(1);
        }
    }

    /// What is counted at `now` (unix milliseconds).
    #[must_use]
    pub fn load(&self, now: i64) -> Load {
        let mut state = self.state();
        state.roll(now, self.length);
        state.load
    }

    /// When it was last used, in unix milliseconds, and whether its window is over; `None` if a request is under way.
    pub(super) fn rest(&self, now: i64) -> Option<(i64, bool)> {
        let mut state = self.state();
        state.roll(now, self.length);
        (state.load.parallel == 0).then_some((state.used_at, state.load.requests == 0))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins a new window if none runs. A clock that was set back by more than a window ends it too.
    const fn roll(&mut self, now: i64, length: i64) {
        let age = now.saturating_sub(self.began);
        if self.load.requests == 0 || age >= length || age <= -length {
            self.began = now;
            self.generation = self.generation.wrapping_add(1);
            self.load.requests = 0;
            self.load.tokens = 0;
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
