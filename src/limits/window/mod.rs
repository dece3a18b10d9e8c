//! The speed of one caller: requests and tokens in a fixed window, and requests at one time.
//!
//! The window begins with its first request, not at a minute of the clock (LiteLLM's way). One that is shared with
//! other processes begins with the first request of all of them.

mod hold;
mod own;
mod part;
mod state;

pub use hold::RateHold;
pub use part::WindowPart;

use super::sharing::{FRESH, FRESH_SLOTS, Noted};
use super::{Left, Load, Manner, RateKind, Sharing, Together, TooFast, TooMuch, WindowNews, WindowReport};
use crate::domain::{CounterId, RateTerms};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One caller's window and slots. What changes with each call is one line of a processor's cache and no more: threads
/// that count here at the same time wait for each other once.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Window {
    state: Mutex<State>,
    length: i64,
    shared: Option<Box<Shared>>,
}

/// What a window has that is shared with other processes.
#[derive(Debug)]
struct Shared {
    id: CounterId,
    sharing: Arc<Sharing>,
}

impl Window {
    /// An empty window of `length` milliseconds (at least 1), made at `now` (unix milliseconds).
    #[must_use]
    pub const fn new(length: i64, now: i64) -> Self {
        let load = Load { requests: 0, tokens: 0, parallel: 0 };
        let length = if length < 1 { 1 } else { length };
        let state = State { began: now, generation: 0, load, used_at: now, lease: None, parts: None };
        Self { length, shared: None, state: Mutex::new(state) }
    }

    /// Shares it with the windows of the same name in other processes.
    #[must_use]
    pub fn shared(mut self, id: CounterId, sharing: Arc<Sharing>) -> Self {
        self.shared = Some(Box::new(Shared { id, sharing }));
        self
    }

    /// Its name, if it is shared.
    #[must_use]
    pub fn id(&self) -> Option<&CounterId> {
        self.shared.as_ref().map(|shared| &shared.id)
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn length(&self) -> i64 {
        self.length
    }

    /// Lets a request through that will take about `tokens`, at `now` (unix milliseconds).
    ///
    /// A request larger than the whole limit of tokens passes if the window is untouched.
    ///
    /// # Errors
    /// The limit that is reached, or that leave is to be asked for first; nothing is taken then.
    pub fn admit(
        &self,
        now: i64,
        terms: &RateTerms,
        tokens: u64,
        manner: Manner,
    ) -> Result<(RateHold, Left), TooMuch<TooFast>> {
        let mut state = self.alone();
        state.roll(now, self.length);
        self.take(&mut state, now, terms, tokens, manner)
    }

    /// [`Window::admit`] in a window that runs.
    fn take(
        &self,
        state: &mut State,
        now: i64,
        terms: &RateTerms,
        tokens: u64,
        manner: Manner,
    ) -> Result<(RateHold, Left), TooMuch<TooFast>> {
        let tokens = tokens.max(1);
        // Threads may have used less than they were lent.
        if state.parts.is_some() && self.full(state, terms, tokens).is_some() {
            state.gather();
        }
        self.room(state, now, terms, tokens, manner)?;
        self.note(state, terms, tokens);
        let load = state.load;
        let tokens = tokens.min(u64::MAX - load.tokens);
        state.used_at = now;
        state.load =
            Load { requests: load.requests + 1, tokens: load.tokens + tokens, parallel: load.parallel + 1 };
        let left = |limit: Option<u64>, used| limit.map_or(u64::MAX, |limit| limit.saturating_sub(used));
        let all = state.known();
        let left = Left { requests: left(terms.rpm, all.requests), tokens: left(terms.tpm, all.tokens) };
        Ok((RateHold { generation: state.generation, tokens }, left))
    }

    /// Whether a request would be let through, as far as is known; nothing is taken.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn check(&self, now: i64, terms: &RateTerms, tokens: u64) -> Result<(), TooMuch<TooFast>> {
        let mut state = self.state();
        state.roll(now, self.length);
        self.room(&state, now, terms, tokens.max(1), Manner::Decides)
    }

    /// Whether leave is to be asked for before a request can be let through or refused.
    pub(super) fn lacks(&self, now: i64, terms: &RateTerms, tokens: u64) -> bool {
        if self.shared.is_none() {
            return false;
        }
        let mut state = self.state();
        state.roll(now, self.length);
        matches!(self.room(&state, now, terms, tokens.max(1), Manner::Waits), Err(TooMuch::Unknown))
    }

    fn room(
        &self,
        state: &State,
        now: i64,
        terms: &RateTerms,
        tokens: u64,
        manner: Manner,
    ) -> Result<(), TooMuch<TooFast>> {
        let full = self.full(state, terms, tokens).map_or(Ok(()), |why| Err(TooMuch::Reached(why)));
        let Some(shared) = &self.shared else { return full };
        match (shared.sharing.together(), manner) {
            (Together::Closed, _) => Err(TooMuch::Closed),
            (Together::Alone, _) | (Together::Yes, Manner::Decides) => full,
            (Together::Yes, Manner::Waits) => {
                let lease = state.lease.as_deref();
                if full.is_ok() && lease.is_some_and(|lease| lease.covers(&state.load, terms, tokens)) {
                    return Ok(());
                }
                let Err(TooMuch::Reached(why)) = &full else { return Err(TooMuch::Unknown) };
                let fresh = if why.kind == RateKind::Parallel { FRESH_SLOTS } else { FRESH };
                let is_fresh = lease.is_some_and(|lease| now.saturating_sub(lease.heard_at) < fresh);
                if is_fresh { full } else { Err(TooMuch::Unknown) }
            }
        }
    }

    /// Which limit is reached, by all that is known.
    fn full(&self, state: &State, terms: &RateTerms, tokens: u64) -> Option<TooFast> {
        let load = state.all();
        let resets_at = state.began.saturating_add(self.length);
        let refused = |kind, limit: u64, used| {
            Some(TooFast { kind, limit, remaining: limit.saturating_sub(used), resets_at })
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
        None
    }

    /// Sees to it that what is taken without leave is told.
    fn note(&self, state: &mut State, terms: &RateTerms, tokens: u64) {
        let Some(shared) = &self.shared else { return };
        let load = state.load;
        let lease = state.lease.get_or_insert_default();
        if !lease.is_told && !lease.covers(&load, terms, tokens) {
            lease.is_told = shared.sharing.note(Noted::Window(shared.id.clone()));
        }
    }

    /// What others are to be told at `now` (unix milliseconds). Leave that is not used is given up, unless it is to be
    /// kept.
    #[must_use]
    pub fn report(&self, now: i64, keeps: bool) -> WindowReport {
        let mut state = self.state();
        state.roll(now, self.length);
        let used = state.load;
        let lease = state.lease.get_or_insert_default();
        lease.is_told = true;
        lease.freed = 0;
        if !keeps {
            lease.granted = lease.granted.at_most(&used);
        }
        WindowReport { window: lease.window, used, held: lease.granted.at_least(&used) }
    }

    /// Nobody tells others of it any more, until it is noted again.
    pub fn untold(&self) {
        if let Some(lease) = &mut self.state().lease {
            lease.is_told = false;
        }
    }

    /// Takes over what was heard of others at `now` (unix milliseconds).
    pub fn hear(&self, now: i64, news: &WindowNews) {
        let mut state = self.state();
        state.roll(now, self.length);
        let known = state.lease.as_ref().map_or(0, |lease| lease.window);
        if known != 0 && known != news.window {
            state.begin(now);
        }
        if news.window != 0 {
            state.began = now.saturating_sub(self.length.saturating_sub(news.ends_in));
        }
        let lease = state.lease.get_or_insert_default();
        lease.is_told = true;
        lease.window = news.window;
        lease.granted = news.granted;
        lease.granted.parallel = news.granted.parallel.saturating_sub(lease.freed);
        lease.others = news.others;
        lease.heard_at = now;
    }

    /// The request is over and took `tokens`, which count if its window still runs.
    pub fn settle(&self, hold: RateHold, tokens: u64) {
        let mut state = self.alone();
        state.settle(&hold, tokens);
        self.give_back(&mut state);
    }

    /// The request is over and took no tokens; it stays counted as a request.
    pub fn release(&self, hold: RateHold) {
        self.settle(hold, 0);
    }

    /// The request never was.
    pub fn undo(&self, hold: RateHold) {
        let mut state = self.alone();
        state.undo(&hold);
        self.give_back(&mut state);
    }

    /// A slot that a call had leave for is free for others at once.
    fn give_back(&self, state: &mut State) {
        let (Some(shared), Some(lease)) = (&self.shared, &mut state.lease) else { return };
        if lease.granted.parallel == 0 {
            return;
        }
        lease.granted.parallel -= 1;
        lease.freed += 1;
        if lease.freed == 1 {
            shared.sharing.note(Noted::Window(shared.id.clone()));
        }
    }

    /// What is counted at `now` (unix milliseconds).
    #[must_use]
    pub fn load(&self, now: i64) -> Load {
        let mut state = self.state();
        state.roll(now, self.length);
        state.all()
    }

    /// When it was last used, in unix milliseconds, and whether its window is over; `None` if a request is under way.
    pub(super) fn rest(&self, now: i64) -> Option<(i64, bool)> {
        let mut state = self.state();
        state.roll(now, self.length);
        (state.load.parallel == 0).then_some((state.used_at, state.load.requests == 0))
    }

    /// With all that threads have counted by themselves.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.alone();
        state.gather();
        state
    }

    /// Without what threads have counted by themselves.
    fn alone(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
