//! What a leg asks of its race on its way. A call that is in no race wins, and leaves nothing to anybody.

use super::Racer;
use crate::proxy::stage::{Admitted, Attempt, Books, Meter, Relay, Stage, Superseded, Weight};

/// Whether a call's answer is the one that its client gets.
pub(in crate::proxy) fn wins(attempt: &Attempt) -> bool {
    let wins = attempt.admitted.racer.as_ref().is_none_or(Racer::wins);
    if let Some(hedge) =
        attempt.admitted.resolution.group.hedge.as_ref().filter(|_| wins && attempt.is_telling())
    {
        hedge.note(attempt.admitted.request.stream(), attempt.started.elapsed());
    }
    wins
}

/// Whether a call that is broken off from outside has lost its race; its client has not left then.
pub(in crate::proxy) fn has_lost(admitted: &Admitted) -> bool {
    admitted.racer.as_ref().is_some_and(|racer| racer.has_lost())
}

/// Whether a call that failed leaves the rest to its other leg.
pub(in crate::proxy) fn yields(admitted: &mut Admitted) -> bool {
    let Some(racer) = &admitted.racer else { return false };
    let books = &mut admitted.books;
    let rates = || match std::mem::replace(books, Books::Closed) {
        Books::Open(mut permit) => Some(permit.split_rates()),
        Books::Closed | Books::Written(_) => None,
    };
    racer.yields(&mut admitted.progress.attempts, rates)
}

impl Admitted {
    /// A leg that asks nobody leaves its race.
    pub(in crate::proxy) fn leave_race(&mut self) {
        if let (Some(racer), Books::Open(permit)) = (&self.racer, &mut self.books) {
            racer.leave_rates(permit.split_rates());
        }
    }
}

/// A leg that has lost: what it cost is still to be booked.
pub(in crate::proxy) fn loses(attempt: Box<Attempt>, used: Option<Weight>) -> Stage {
    let prompt = attempt.admitted.request.prompt_estimate();
    let weight = used.unwrap_or_else(|| Weight::told(None, prompt, 0));
    Stage::Superseded(Box::new(Superseded { attempt, weight }))
}

/// What becomes of a leg after what it has just read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Course {
    /// It goes on.
    On,
    /// The other one has won.
    Lost,
    /// It failed, and the other one goes on.
    Yielded,
}

/// Whether an answer under way goes on: it has to win when its first token comes.
pub(in crate::proxy) fn course(relay: &mut Relay) -> Course {
    if relay.has_won {
        return Course::On;
    }
    let begun = relay.first_token.is_some() || matches!(relay.meter, Meter::Tail { .. });
    if let (false, Some(fault)) = (begun, &relay.interrupted) {
        let note = relay.attempt.note(Some(fault.class), 200);
        let admitted = &mut relay.attempt.admitted;
        admitted.progress.attempts.push(note);
        if yields(admitted) {
            return Course::Yielded;
        }
        // It is alone: the attempt is told with the answer.
        admitted.progress.attempts.pop();
    }
    if !begun && !relay.has_ended() && relay.interrupted.is_none() {
        return Course::On;
    }
    relay.has_won = wins(&relay.attempt);
    if relay.has_won { Course::On } else { Course::Lost }
}
