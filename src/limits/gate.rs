//! What a request has to pass: one thing with limits, its counters and its terms. Made when the facts of a key
//! are, and kept with them, so that a request finds its counters without a look-up.

use super::{
    Account, AccountPart, Expected, Left, Manner, MoneyHold, Overspent, RateHold, Refuses, TooFast, TooMuch,
    Window, WindowPart, Zone, period_end,
};
use crate::domain::{BudgetTerms, CounterId, Money, RateTerms};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What kind of thing has limits, in LiteLLM's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Descriptor {
    /// A virtual key.
    ApiKey,
    /// An internal user.
    User,
    /// A team.
    Team,
    /// A user within a team.
    TeamMember,
    /// An end user of a client.
    EndUser,
    /// A key's use of one model.
    ModelPerKey,
    /// A team's use of one model.
    ModelPerTeam,
    /// An organization.
    Organization,
    /// The whole gateway.
    Global,
}

impl Descriptor {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::ApiKey,
        Self::User,
        Self::Team,
        Self::TeamMember,
        Self::EndUser,
        Self::ModelPerKey,
        Self::ModelPerTeam,
        Self::Organization,
        Self::Global,
    ];

    /// The word in messages and in the names of headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::User => "user",
            Self::Team => "team",
            Self::TeamMember => "team_member",
            Self::EndUser => "end_user",
            Self::ModelPerKey => "model_per_key",
            Self::ModelPerTeam => "model_per_team",
            Self::Organization => "organization",
            Self::Global => "global",
        }
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An account and the budget it is compared with. Without a maximum it only counts.
#[derive(Debug)]
pub struct Purse {
    account: Arc<Account>,
    /// Only in a copy that one thread has.
    part: Option<AccountPart>,
    counter: CounterId,
    terms: BudgetTerms,
    refuses: Refuses,
    zone: Zone,
    /// The end of the period last asked for, and when, in unix milliseconds: a clock that was set back is in another one.
    ends: AtomicI64,
    since: AtomicI64,
}

impl Purse {
    /// Compares an account with a budget whose periods follow the calendar of `zone`.
    #[must_use]
    pub fn new(account: Arc<Account>, terms: BudgetTerms, refuses: Refuses, zone: Zone) -> Self {
        let counter = account.counter().clone();
        let (ends, since) = (AtomicI64::new(i64::MIN), AtomicI64::new(i64::MIN));
        Self { account, part: None, counter, terms, refuses, zone, ends, since }
    }

    /// The account's name, as charges are to have it.
    #[must_use]
    pub const fn counter(&self) -> &CounterId {
        &self.counter
    }

    /// The account.
    #[must_use]
    pub const fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The budget.
    #[must_use]
    pub const fn terms(&self) -> &BudgetTerms {
        &self.terms
    }

    /// When the budget is used up.
    #[must_use]
    pub const fn refuses(&self) -> Refuses {
        self.refuses
    }

    /// The end of the period that `now` is in; both in unix milliseconds; 0 without a period.
    #[must_use]
    pub fn period_end(&self, now: i64) -> i64 {
        let Some(period) = self.terms.period else { return 0 };
        let (since, ends) = (self.since.load(Ordering::Relaxed), self.ends.load(Ordering::Relaxed));
        if since <= now && now < ends {
            return ends;
        }
        let ends = period_end(period, self.terms.anchor, now, &self.zone);
        self.ends.store(ends, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        ends
    }

    /// What is spent in the period that `now` is in (unix milliseconds), as far as is known here.
    #[must_use]
    pub fn spent(&self, now: i64) -> Money {
        let ends = self.period_end(now);
        let own = self.part.as_ref().and_then(|part| part.spent(ends));
        own.unwrap_or_else(|| self.account.balance(now, ends).spent())
    }

    /// [`Account::reserve`] under these terms.
    pub(super) fn reserve(
        &self,
        now: i64,
        (expected, manner): (Expected, Manner),
    ) -> Result<MoneyHold, TooMuch<Overspent>> {
        let (ends, asked) = (self.period_end(now), (expected, manner));
        match &self.part {
            Some(part) => part.reserve(now, ends, &self.terms, self.refuses, asked),
            None => self.account.reserve(now, ends, &self.terms, self.refuses, asked),
        }
    }

    /// [`Account::top_up`].
    pub(super) fn top_up(&self, hold: &mut MoneyHold, so_far: Money) {
        match &self.part {
            Some(part) => part.top_up(hold, so_far),
            None => self.account.top_up(hold, so_far),
        }
    }

    /// [`Account::settle`].
    pub(super) fn settle(&self, hold: MoneyHold, cost: Money) -> Option<Money> {
        match &self.part {
            Some(part) => {
                part.settle(hold, cost);
                None
            }
            None => self.account.settle(hold, cost, self.terms.soft),
        }
    }

    /// [`Account::release`].
    pub(super) fn release(&self, hold: MoneyHold) {
        match &self.part {
            Some(part) => part.release(hold),
            None => self.account.release(hold),
        }
    }

    /// The same for one thread, with a name of its own, whose id is `id` if they are alike.
    fn apart(&self, id: &Arc<str>, thread: usize) -> Self {
        let CounterId { scope, id: own, slot } = &self.counter;
        let own = if own == id { Arc::clone(id) } else { Arc::from(&**own) };
        let counter = CounterId { scope: *scope, id: own, slot: Arc::from(&**slot) };
        let copy = |time: &AtomicI64| AtomicI64::new(time.load(Ordering::Relaxed));
        let (ends, since) = (copy(&self.ends), copy(&self.since));
        let (account, zone) = (Arc::clone(&self.account), self.zone.clone());
        // Whether a soft budget is reached is asked after each call.
        let part = if self.terms.soft.is_none() { AccountPart::of(&account, thread) } else { None };
        Self { account, part, counter, terms: self.terms, refuses: self.refuses, zone, ends, since }
    }
}

/// One thing that has limits.
#[derive(Debug)]
pub struct Gate {
    descriptor: Descriptor,
    id: Arc<str>,
    rates: Option<(Arc<Window>, RateTerms)>,
    /// Only in a copy that one thread has.
    part: Option<WindowPart>,
    purses: SmallVec<[Purse; 1]>,
}

impl Gate {
    /// A gate that lets everybody through. `id` is what is shown when it refuses: a key's digest in hex, a team's id.
    #[must_use]
    pub fn new(descriptor: Descriptor, id: Arc<str>) -> Self {
        Self { descriptor, id, rates: None, part: None, purses: SmallVec::new() }
    }

    /// Limits its speed. Terms without any limit are left out: nobody waits for what nobody counts.
    #[must_use]
    pub fn limited(mut self, window: Arc<Window>, terms: RateTerms) -> Self {
        self.rates = (terms != RateTerms::default()).then_some((window, terms));
        self
    }

    /// Charges what passes it to one more account.
    #[must_use]
    pub fn charged(mut self, purse: Purse) -> Self {
        self.purses.push(purse);
        self
    }

    /// The same for the thread of this number, with texts and parts of its own: the counters are the same, and what
    /// threads share is touched now and then only.
    #[must_use]
    pub fn apart(&self, thread: usize) -> Self {
        let id = Arc::from(&*self.id);
        let purses = self.purses.iter().map(|purse| purse.apart(&id, thread)).collect();
        let part = self.rates.as_ref().and_then(|(window, _)| WindowPart::of(window, thread));
        Self { descriptor: self.descriptor, rates: self.rates.clone(), part, purses, id }
    }

    /// [`Window::admit`], if speed is limited.
    pub(super) fn admit(
        &self,
        now: i64,
        tokens: u64,
        manner: Manner,
    ) -> Option<Result<(RateHold, Left), TooMuch<TooFast>>> {
        let (window, terms) = self.rates.as_ref()?;
        Some(match &self.part {
            Some(part) => part.admit(now, terms, tokens, manner),
            None => window.admit(now, terms, tokens, manner),
        })
    }

    /// [`Window::settle`].
    pub(super) fn settle(&self, hold: RateHold, tokens: u64) {
        match (&self.part, &self.rates) {
            (Some(part), _) => part.settle(hold, tokens),
            (None, Some((window, _))) => window.settle(hold, tokens),
            (None, None) => {}
        }
    }

    /// [`Window::undo`].
    pub(super) fn undo(&self, hold: RateHold) {
        match (&self.part, &self.rates) {
            (Some(part), _) => part.undo(hold),
            (None, Some((window, _))) => window.undo(hold),
            (None, None) => {}
        }
    }

    /// What kind of thing it is.
    #[must_use]
    pub const fn descriptor(&self) -> Descriptor {
        self.descriptor
    }

    /// Which one, as it is shown.
    #[must_use]
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Its window and the limits on it.
    #[must_use]
    pub const fn rates(&self) -> Option<&(Arc<Window>, RateTerms)> {
        self.rates.as_ref()
    }

    /// What it is charged to.
    #[must_use]
    pub fn purses(&self) -> &[Purse] {
        &self.purses
    }
}
