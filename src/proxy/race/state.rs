//! What the legs of a call know of each other.

use crate::domain::{AttemptRecord, Money, TargetId};
use crate::limits::Permit;
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(super) const FIRST: usize = 0;
pub(super) const SECOND: usize = 1;

/// A race of two attempts of one call.
#[derive(Default)]
pub(super) struct Race(Mutex<State>);

#[derive(Default)]
struct State {
    winner: Option<usize>,
    legs: [Leg; 2],
    /// Attempts of a leg that left the call to the other.
    failed: Vec<AttemptRecord>,
    rates: Rates,
}

#[derive(Default)]
struct Leg {
    under_way: bool,
    /// The deployment that it asks.
    asked: Option<Asked>,
}

/// What is held of the caller's speed.
#[derive(Default)]
enum Rates {
    /// It is with the first leg.
    #[default]
    There,
    /// The first leg is over, and left it behind.
    Left(Box<Permit>),
    /// The call took so many tokens.
    Used(u64),
}

/// A deployment that a leg asks.
pub(in crate::proxy) struct Asked {
    /// Which.
    pub(in crate::proxy) target: TargetId,
    /// Those that it asked so far, by index, this one last; of another group they say nothing.
    pub(in crate::proxy) tried: SmallVec<[usize; 8]>,
    pub(in crate::proxy) started: Instant,
}

/// One leg's part in a race.
pub(in crate::proxy) struct Racer {
    race: Arc<Race>,
    which: usize,
}

impl Race {
    pub(super) fn racer(self: &Arc<Self>, which: usize) -> Racer {
        if which == FIRST {
            self.state().legs[FIRST].under_way = true;
        }
        Racer { race: Arc::clone(self), which }
    }

    pub(super) fn winner(&self) -> Option<usize> {
        self.state().winner
    }

    /// Since when the first leg waits for a first token; `None` while it asks nobody.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.state().legs[FIRST].asked.as_ref().map(|asked| asked.started)
    }

    /// The deployments that the first leg asked.
    pub(super) fn tried(&self) -> SmallVec<[usize; 8]> {
        self.state().legs[FIRST].asked.as_ref().map(|asked| asked.tried.clone()).unwrap_or_default()
    }

    /// Lets a second leg begin; false if the first one needs none.
    pub(super) fn begin_second(&self) -> bool {
        let mut state = self.state();
        let needed = state.winner.is_none() && state.legs[FIRST].under_way;
        state.legs[SECOND].under_way = needed;
        needed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Racer {
    const fn other(&self) -> usize {
        FIRST + SECOND - self.which
    }

    /// A deployment is asked now.
    pub(in crate::proxy) fn asks(&self, asked: Asked) {
        self.race.state().legs[self.which].asked = Some(asked);
    }

    /// Whether this leg is the one whose answer the client gets: it is if it is the first to ask.
    pub(in crate::proxy) fn wins(&self) -> bool {
        *self.race.state().winner.get_or_insert(self.which) == self.which
    }

    /// Whether a leg that ends without an answer is no ending of the call: the other one has won, or this was only the
    /// second.
    pub(in crate::proxy) fn has_lost(&self) -> bool {
        match self.race.state().winner {
            Some(winner) => winner != self.which,
            None => self.which == SECOND,
        }
    }

    /// A leg that failed leaves the call to the other if that one is under way. Else it is alone, has all attempts so
    /// far, and stays alone.
    pub(in crate::proxy) fn yields(
        &self,
        attempts: &mut Vec<AttemptRecord>,
        rates: impl FnOnce() -> Option<Permit>,
    ) -> bool {
        let mut state = self.race.state();
        let alone = !state.legs[self.other()].under_way || state.winner == Some(self.which);
        if alone {
            // Whatever it says in the end is the client's answer.
            state.winner.get_or_insert(self.which);
            attempts.splice(0..0, std::mem::take(&mut state.failed));
            return false;
        }
        state.legs[self.which].under_way = false;
        state.failed.append(attempts);
        drop(state);
        if let Some(rates) = rates() {
            self.leave_rates(rates);
        }
        true
    }

    /// The call took so many tokens: ends what is held of its caller's speed, and tells the other leg's attempts.
    pub(in crate::proxy) fn ends(&self, tokens: u64, arrived: Instant) -> Vec<AttemptRecord> {
        self.settle_rates(tokens);
        self.others(arrived)
    }

    fn others(&self, arrived: Instant) -> Vec<AttemptRecord> {
        let mut state = self.race.state();
        let mut attempts = std::mem::take(&mut state.failed);
        let other = &state.legs[self.other()];
        if let Some(asked) = other.asked.as_ref().filter(|_| other.under_way) {
            attempts.push(AttemptRecord {
                target: asked.target.clone(),
                failure: None,
                status: 0,
                started: asked.started.saturating_duration_since(arrived),
                duration: asked.started.elapsed(),
            });
        }
        attempts
    }

    /// What this leg held of its caller's speed is for the one that goes on.
    pub(in crate::proxy) fn leave_rates(&self, rates: Permit) {
        if self.which == SECOND {
            return;
        }
        let mut state = self.race.state();
        match state.rates {
            Rates::Used(tokens) => {
                drop(state);
                drop(rates.settle(tokens, Money::ZERO));
            }
            Rates::There | Rates::Left(_) => state.rates = Rates::Left(Box::new(rates)),
        }
    }

    fn settle_rates(&self, tokens: u64) {
        if self.which == FIRST {
            return;
        }
        let rates = std::mem::replace(&mut self.race.state().rates, Rates::Used(tokens));
        if let Rates::Left(rates) = rates {
            drop(rates.settle(tokens, Money::ZERO));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Ask, Expected, Manner, admit};
    use std::time::Duration;

    fn race() -> (Arc<Race>, Racer, Racer) {
        let race = Arc::new(Race::default());
        let (first, second) = (race.racer(FIRST), race.racer(SECOND));
        (race, first, second)
    }

    fn permit() -> Option<Permit> {
        admit(0, [], Ask { tokens: 1, cost: Expected::Free, manner: Manner::Decides }).ok()
    }

    fn asked(name: &str) -> Asked {
        Asked { target: TargetId::new(name), tried: SmallVec::new(), started: Instant::now() }
    }

    fn attempt(name: &str) -> AttemptRecord {
        let (started, duration) = (Duration::ZERO, Duration::ZERO);
        AttemptRecord { target: TargetId::new(name), failure: None, status: 500, started, duration }
    }

    fn names(attempts: &[AttemptRecord]) -> Vec<&str> {
        attempts.iter().map(|attempt| attempt.target.as_str()).collect()
    }

    #[test]
    fn one_wins_and_tells_of_the_other() {
        let (race, first, second) = race();
        first.asks(asked("a"));
        assert!(race.winner().is_none() && second.has_lost() && !first.has_lost());
        assert!(race.begin_second());
        second.asks(asked("b"));
        assert!(second.wins() && !first.wins() && second.wins());
        assert!(first.has_lost() && !second.has_lost());
        assert_eq!(names(&second.others(Instant::now())), ["a"]);
    }

    #[test]
    fn who_fails_leaves_the_call_to_the_other_and_the_last_has_it_all() {
        let (alone, only, _) = race();
        assert!(!only.yields(&mut vec![attempt("a")], permit) && !alone.begin_second(), "it stays alone");
        let (race, first, second) = race();
        assert!(race.begin_second());
        let mut tried = vec![attempt("a")];
        assert!(first.yields(&mut tried, permit) && tried.is_empty());
        let mut tried = vec![attempt("b")];
        assert!(!second.yields(&mut tried, permit), "it is alone now");
        assert_eq!(names(&tried), ["a", "b"]);
        assert!(second.wins() && second.others(Instant::now()).is_empty());
    }

    #[test]
    fn there_is_no_second_after_an_answer() {
        let (race, first, _) = race();
        assert!(first.wins() && !race.begin_second());
    }
}
