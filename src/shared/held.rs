//! The counters that others are told of, and what they are told.

use super::question::{Answer, Question, Wish};
use crate::domain::{CounterId, Money, RateTerms};
use crate::limits::{Account, AccountReport, Load, Meters, Noted, Refuses, Want, Window, WindowReport};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Leave that was not used for so long goes back.
const IDLE: Duration = Duration::from_millis(200);
/// Who asks again within this time gets more than it needs.
const AGAIN: Duration = Duration::from_secs(1);
/// At most so many times what is needed, less one.
const MOST_SLICES: u32 = 6;
/// What is held is told anew after so long, though nothing changed.
const ANEW: Duration = Duration::from_secs(60);

/// All counters that others are told of.
#[derive(Debug, Default)]
pub(super) struct Held {
    windows: HashMap<CounterId, Kept<Arc<Window>, RateTerms, WindowReport>>,
    accounts: HashMap<CounterId, Kept<Arc<Account>, (), AccountReport>>,
}

#[derive(Debug)]
struct Kept<C, T, R> {
    counter: C,
    terms: T,
    /// What others were told last, and when.
    told: Option<(R, Instant)>,
    /// What it was when it was last looked at.
    seen: R,
    used_at: Instant,
    asked_at: Option<Instant>,
    slices: u32,
}

/// A window, its limits, and what all who ask want of it.
type RoomWanted = (Arc<Window>, RateTerms, Wish<Load>);

/// An account, its budget as in a [`Question`], and what all who ask want of it.
type MoneyWanted = (Arc<Account>, (Money, bool), Wish<i64>);

impl<C, T, R: Default> Kept<C, T, R> {
    fn new(counter: C, terms: T, now: Instant) -> Self {
        Self { counter, terms, told: None, seen: R::default(), used_at: now, asked_at: None, slices: 0 }
    }

    /// How many times what is needed would be welcome.
    fn slices(&mut self, now: Instant) -> u64 {
        let again = self.asked_at.is_some_and(|asked| now.duration_since(asked) < AGAIN);
        self.slices = if again { (self.slices + 1).min(MOST_SLICES) } else { 0 };
        self.asked_at = Some(now);
        (1 << self.slices) - 1
    }

    fn is_in_use(&self, now: Instant) -> bool {
        now.duration_since(self.used_at) < IDLE
    }

    /// Whether it was told so long ago that it is to be told anew.
    fn is_stale(&self, now: Instant) -> bool {
        self.told.as_ref().is_none_or(|(_, at)| now.duration_since(*at) >= ANEW)
    }
}

impl Kept<Arc<Window>, RateTerms, WindowReport> {
    /// Whether it is to be kept.
    fn tell(
        &mut self,
        id: &CounterId,
        (now, instant): (i64, Instant),
        questions: &mut Vec<Question>,
    ) -> bool {
        let mut report = self.counter.report(now, true);
        if report.used != self.seen.used {
            self.used_at = instant;
        }
        if !self.is_in_use(instant) {
            report = self.counter.report(now, false);
        }
        self.seen = report;
        let (window, holds) = limited(&report, &self.terms);
        let changed = self.told.is_none_or(|(told, _)| (window, holds) != limited(&told, &self.terms));
        let is_news = changed && !is_over(&report, self.told.as_ref());
        if is_news || (holds != Load::default() && self.is_stale(instant)) {
            let (window, terms) = (Arc::clone(&self.counter), self.terms);
            let id = id.clone();
            questions.push(Question::Window { id, window, report, terms, wish: Wish::default() });
            return true;
        }
        let stays = self.is_in_use(instant) || holds.parallel > 0;
        if !stays {
            self.counter.untold();
        }
        stays
    }
}

impl Kept<Arc<Account>, (), AccountReport> {
    /// Whether it is to be kept.
    fn tell(&mut self, now: Instant, questions: &mut Vec<Question>) -> bool {
        let mut report = self.counter.report(true);
        if report.used != self.seen.used {
            self.used_at = now;
        }
        if !self.is_in_use(now) {
            let set_back = report.set_back;
            report = AccountReport { set_back, ..self.counter.report(false) };
        }
        self.seen = report;
        let what = |report: &AccountReport| (report.period_end, report.base, report.pending, report.held);
        let changed = self.told.as_ref().is_none_or(|(told, _)| what(told) != what(&report));
        if changed || report.set_back || (report.held > 0 && self.is_stale(now)) {
            let account = Arc::clone(&self.counter);
            questions.push(Question::Account { account, report, budget: None, wish: Wish::default() });
            return true;
        }
        let stays = self.is_in_use(now) || report.held > 0;
        if !stays {
            self.counter.untold();
        }
        stays
    }
}

impl Held {
    /// Counters that took something without leave.
    pub(super) fn add(&mut self, noted: &[Noted], meters: &Meters, now: Instant) {
        for noted in noted {
            match noted {
                Noted::Window(id) if !self.windows.contains_key(id) => {
                    if let Some(window) = meters.find_window(id) {
                        let every = RateTerms { rpm: Some(0), tpm: Some(0), parallel: Some(0) };
                        self.windows.insert(id.clone(), Kept::new(window, every, now));
                    }
                }
                Noted::Account(id) if !self.accounts.contains_key(id) => {
                    if let Some(account) = meters.find_account(id) {
                        self.accounts.insert(id.clone(), Kept::new(account, (), now));
                    }
                }
                Noted::Window(_) | Noted::Account(_) => {}
            }
        }
    }

    /// The questions of calls, one for each counter.
    pub(super) fn ask(&mut self, wants: Vec<Want>, clock: (i64, Instant)) -> Vec<Question> {
        let mut rooms: HashMap<CounterId, RoomWanted> = HashMap::new();
        let mut money: HashMap<CounterId, MoneyWanted> = HashMap::new();
        for want in wants {
            match want {
                Want::Room { window, terms, tokens } => {
                    let Some(id) = window.id().cloned() else { continue };
                    let one = Load { requests: 1, tokens, parallel: 1 };
                    let first = Wish { least: one, ..Wish::default() };
                    let (_, _, wish) = rooms.entry(id).or_insert((window, terms, first));
                    wish.need.requests += 1;
                    wish.need.tokens = wish.need.tokens.saturating_add(tokens);
                    wish.need.parallel += 1;
                }
                Want::Money { account, max, refuses, amount, .. } => {
                    let id = account.counter().clone();
                    let budget = (max, refuses == Refuses::AtMax);
                    let first = Wish { least: amount.pico(), ..Wish::default() };
                    let (_, _, wish) = money.entry(id).or_insert((account, budget, first));
                    wish.need = wish.need.saturating_add(amount.pico());
                }
            }
        }
        let mut questions = Vec::with_capacity(rooms.len() + money.len());
        for (id, (window, terms, wish)) in rooms {
            questions.push(self.ask_window(id, window, terms, wish, clock));
        }
        for (id, (account, budget, wish)) in money {
            questions.push(self.ask_account(id, account, budget, wish, clock.1));
        }
        questions
    }

    fn ask_window(
        &mut self,
        id: CounterId,
        window: Arc<Window>,
        terms: RateTerms,
        mut wish: Wish<Load>,
        (now, instant): (i64, Instant),
    ) -> Question {
        let kept = self.windows.entry(id.clone());
        let kept = kept.or_insert_with(|| Kept::new(Arc::clone(&window), terms, instant));
        kept.terms = terms;
        let report = window.report(now, true);
        let spare = |held: u64, used: u64| held.saturating_sub(used);
        let (held, used) = (&report.held, &report.used);
        for need in [&mut wish.need, &mut wish.least] {
            need.requests = need.requests.saturating_sub(spare(held.requests, used.requests));
            need.tokens = need.tokens.saturating_sub(spare(held.tokens, used.tokens));
            need.parallel = need.parallel.saturating_sub(spare(held.parallel, used.parallel));
        }
        let slices = kept.slices(instant);
        wish.more = Load {
            requests: wish.need.requests.saturating_mul(slices),
            tokens: wish.need.tokens.saturating_mul(slices),
            // A slot that nobody uses is one that somebody else lacks.
            parallel: 0,
        };
        kept.seen = report;
        Question::Window { id, window, report, terms, wish }
    }

    fn ask_account(
        &mut self,
        id: CounterId,
        account: Arc<Account>,
        budget: (Money, bool),
        mut wish: Wish<i64>,
        now: Instant,
    ) -> Question {
        let kept = self.accounts.entry(id).or_insert_with(|| Kept::new(Arc::clone(&account), (), now));
        let report = account.report(true);
        let spare = report.held.saturating_sub(report.used);
        wish.need = wish.need.saturating_sub(spare).max(0);
        wish.least = wish.least.saturating_sub(spare).max(0);
        wish.more = wish.need.saturating_mul(i64::try_from(kept.slices(now)).unwrap_or_default());
        kept.seen = report;
        Question::Account { account, report, budget: Some(budget), wish }
    }

    /// What others are to be told, because it changed or was not used. What there is nothing to tell of is forgotten.
    pub(super) fn tell(&mut self, clock: (i64, Instant)) -> Vec<Question> {
        let mut questions = Vec::new();
        self.windows.retain(|id, kept| kept.tell(id, clock, &mut questions));
        self.accounts.retain(|_, kept| kept.tell(clock.1, &mut questions));
        questions
    }

    /// Likewise of some only.
    pub(super) fn tell_of(&mut self, noted: &[Noted], clock: (i64, Instant)) -> Vec<Question> {
        let mut questions = Vec::new();
        for noted in noted {
            match noted {
                Noted::Window(id) => {
                    if let Some(kept) = self.windows.get_mut(id) {
                        kept.tell(id, clock, &mut questions);
                    }
                }
                Noted::Account(id) => {
                    if let Some(kept) = self.accounts.get_mut(id) {
                        kept.tell(clock.1, &mut questions);
                    }
                }
            }
        }
        questions
    }

    /// Others were told this, or heard the question, and gave this leave.
    pub(super) fn told(&mut self, question: &Question, answer: &Answer, now: Instant) {
        match (question, answer) {
            (Question::Window { id, report, .. }, Answer::Window(news)) => {
                if let Some(kept) = self.windows.get_mut(id) {
                    if news.granted != report.held.at_most(&news.granted) {
                        kept.used_at = now;
                    }
                    let told = WindowReport { window: news.window, held: news.granted, ..*report };
                    kept.told = Some((told, now));
                }
            }
            (Question::Account { account, report, .. }, Answer::Account(news)) => {
                if let Some(kept) = self.accounts.get_mut(account.counter()) {
                    if news.granted > report.held {
                        kept.used_at = now;
                    }
                    let told = AccountReport { held: news.granted, set_back: false, ..*report };
                    kept.told = Some((told, now));
                }
            }
            _ => {}
        }
    }

    /// Nobody knows what was told.
    pub(super) fn forget_told(&mut self) {
        self.windows.values_mut().for_each(|kept| kept.told = None);
        self.accounts.values_mut().for_each(|kept| kept.told = None);
    }

    /// Gives up all leave that is not used.
    pub(super) fn give_up(&mut self) {
        let long_ago = Instant::now().checked_sub(IDLE);
        for used_at in self.windows.values_mut().map(|kept| &mut kept.used_at) {
            *used_at = long_ago.unwrap_or(*used_at);
        }
        for used_at in self.accounts.values_mut().map(|kept| &mut kept.used_at) {
            *used_at = long_ago.unwrap_or(*used_at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.accounts.is_empty()
    }
}

/// The window and what is held of what has a limit.
fn limited(report: &WindowReport, terms: &RateTerms) -> (u64, Load) {
    let held = report.held;
    let of = |limit: Option<u64>, held: u64| limit.map_or(0, |_| held);
    let held = Load {
        requests: of(terms.rpm, held.requests),
        tokens: of(terms.tpm, held.tokens),
        parallel: of(terms.parallel, held.parallel),
    };
    (report.window, held)
}

/// Whether nothing changed but that the window that was told of is over: that others see by themselves.
fn is_over(report: &WindowReport, told: Option<&(WindowReport, Instant)>) -> bool {
    let nothing = report.held.requests == 0 && report.held.tokens == 0;
    report.window == 0 && nothing && told.is_none_or(|(told, _)| told.held.parallel == report.held.parallel)
}
