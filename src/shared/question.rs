//! What is asked about a counter, and what is answered.

use crate::domain::{CounterId, Money, RateTerms};
use crate::limits::{Account, AccountNews, AccountReport, Load, Window, WindowNews, WindowReport};
use std::sync::Arc;

/// What leave is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish<T> {
    /// What all who ask need together.
    pub(super) need: T,
    /// What the first of them needs.
    pub(super) least: T,
    /// What would be welcome besides.
    pub(super) more: T,
}

/// What is asked about one counter.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Window {
        id: CounterId,
        window: Arc<Window>,
        report: WindowReport,
        terms: RateTerms,
        wish: Wish<Load>,
    },
    Account {
        account: Arc<Account>,
        report: AccountReport,
        /// And whether it is used up when all of it is spent.
        budget: Option<(Money, bool)>,
        wish: Wish<i64>,
    },
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Window(WindowNews),
    Account(AccountNews),
}

impl Question {
    pub(super) fn id(&self) -> &CounterId {
        match self {
            Self::Window { id, .. } => id,
            Self::Account { account, .. } => account.counter(),
        }
    }

    /// Tells the counter at `now` (unix milliseconds).
    pub(super) fn answered(&self, now: i64, answer: &Answer) {
        match (self, answer) {
            (Self::Window { window, .. }, Answer::Window(news)) => window.hear(now, news),
            (Self::Account { account, .. }, Answer::Account(news)) => account.hear(now, news),
            _ => {}
        }
    }
}
