//! How the counters of this process go together with those of other processes.
//!
//! A limit that all processes share is held by leases: each process has leave for a part of it, and what it lets
//! through stays within that leave. Who finds none left asks for more ([`wants`]), which is somebody else's business:
//! here is no I/O. So no limit is passed while all can be reached. What calls took that could not wait to be asked
//! about (a fallback, an answer longer than expected) is told afterwards.

use super::{Account, Ask, Gate, Load, Refuses, Window};
use crate::domain::{CounterId, Money, RateTerms};
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// News of others are believed for so long before a call is refused because of them, in milliseconds.
pub(super) const FRESH: i64 = 100;
/// Likewise where slots are short: they come back at any moment.
pub(super) const FRESH_SLOTS: i64 = 10;
/// Counters that can be noted at one time.
const MOST_NOTED: usize = 100_000;

/// Whether others can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// They can: leave is needed.
    Yes,
    /// They cannot: what this process counts decides, with what was last known of others.
    Alone,
    /// They cannot, and nobody with a limit is let through until they can.
    Closed,
}

/// What all shared counters of a process know of each other.
pub struct Sharing {
    together: AtomicU8,
    noted: Mutex<Vec<Noted>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// A counter of which there is something to tell at once: it took something without leave, or gave back a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// A window.
    Window(CounterId),
    /// An account.
    Account(CounterId),
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing").field("together", &self.together()).finish_non_exhaustive()
    }
}

impl Sharing {
    /// Nobody can be asked yet. `wake` is called when there is something to tell; it may not wait.
    #[must_use]
    pub fn new(wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { together: AtomicU8::new(Together::Alone as u8), noted: Mutex::default(), wake }
    }

    /// Whether others can be asked.
    #[must_use]
    pub fn together(&self) -> Together {
        match self.together.load(Ordering::Acquire) {
            0 => Together::Yes,
            1 => Together::Alone,
            _ => Together::Closed,
        }
    }

    /// From now on others can be asked, or not.
    pub fn set(&self, together: Together) {
        self.together.store(together as u8, Ordering::Release);
    }

    /// The counters of which there was something to tell since this was last asked; those beyond the first hundred
    /// thousand are told when they ask.
    #[must_use]
    pub fn take_noted(&self) -> Vec<Noted> {
        std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn note(&self, what: Noted) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = noted.len() < MOST_NOTED;
        if has_room {
            noted.push(what);
            drop(noted);
            (self.wake)();
        }
        has_room
    }
}

/// What a call does that has no leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It can wait, and is told so.
    Waits,
    /// It cannot: what is known decides, and what it takes is told to others afterwards.
    Decides,
}

/// What leave is wanted for.
#[derive(Debug)]
pub enum Want {
    /// Room in a window.
    Room {
        /// Which one.
        window: Arc<Window>,
        /// Its limits.
        terms: RateTerms,
        /// For one request of about so many tokens.
        tokens: u64,
    },
    /// Money.
    Money {
        /// Whose.
        account: Arc<Account>,
        /// The end of the period, in unix milliseconds; 0 without a period.
        period_end: i64,
        /// The budget.
        max: Money,
        /// When it is used up.
        refuses: Refuses,
        /// About so much.
        amount: Money,
    },
}

/// What a call lacks leave for at `now` (unix milliseconds), of all that it passes.
#[must_use]
pub fn wants<'a>(now: i64, gates: impl IntoIterator<Item = &'a Arc<Gate>>, ask: Ask) -> Vec<Want> {
    let mut wants = Vec::new();
    for gate in gates {
        for purse in gate.purses() {
            let (account, ends) = (purse.account(), purse.period_end(now));
            if let Some((max, amount)) = account.lacks(now, ends, purse.terms(), purse.refuses(), ask.cost) {
                let (account, refuses) = (Arc::clone(account), purse.refuses());
                wants.push(Want::Money { account, period_end: ends, max, refuses, amount });
            }
        }
        let Some((window, terms)) = gate.rates() else { continue };
        if window.lacks(now, terms, ask.tokens) {
            wants.push(Want::Room { window: Arc::clone(window), terms: *terms, tokens: ask.tokens.max(1) });
        }
    }
    wants
}

/// What a window tells others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowReport {
    /// The shared window that it is of; 0 if none is known.
    pub window: u64,
    /// What this process has counted in it.
    pub used: Load,
    /// What this process has leave for, or has counted if that is more.
    pub held: Load,
}

/// What a window hears of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowNews {
    /// The shared window that now runs; 0 if none does.
    pub window: u64,
    /// Milliseconds until it ends.
    pub ends_in: i64,
    /// What this process has leave for.
    pub granted: Load,
    /// What others have leave for.
    pub others: Load,
}

/// What an account tells others; money in pico-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountReport {
    /// The end of the period that it is of, in unix milliseconds; 0 without a period.
    pub period_end: i64,
    /// What the database had when it was last heard of.
    pub base: i64,
    /// Whether that is less than it was before: somebody set it back.
    pub set_back: bool,
    /// Spent here, and not in the database yet.
    pub pending: i64,
    /// What this process has leave for, or has spent and promised if that is more; `pending` is part of it.
    pub held: i64,
    /// Spent and promised here.
    pub used: i64,
}

/// What an account hears of others; money in pico-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountNews {
    /// The period that it is of, as in the report.
    pub period_end: i64,
    /// The most that anybody heard from the database.
    pub base: i64,
    /// What others have spent that is not in the database.
    pub pending: i64,
    /// What others have leave for; `pending` is part of it.
    pub held: i64,
    /// What this process has leave for.
    pub granted: i64,
}
