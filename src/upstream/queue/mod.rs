//! Waiting for a deployment whose key has quota left.
//!
//! The order of those who wait is `routing::queue`'s; here are its lock, its clock and its waking. A grant is a
//! [`Ticket`] that comes back when it is dropped, so a caller that leaves at the very moment it is let through
//! leaks nothing. While somebody waits one task moves the line on: whenever quota becomes free by time, and
//! when some is given back.
//!
//! Locks are taken line first, then quota, and neither is held while anything is awaited or dropped.

mod ticket;
mod waiter;

pub use ticket::Ticket;
pub use waiter::{Ask, Granted};

use crate::routing::queue::{Advance, Demand, Line, Place, soonest};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use waiter::Waiter;

/// A driver that has nothing to wait for looks again after so long.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);

/// A call that waits looks so often whether all that it waits for went out of rotation for longer than it may wait.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

/// Calls that wait for quota, across all threads.
#[derive(Debug)]
pub struct Queue {
    since: Instant,
    state: Mutex<State>,
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    line: Line<Waiter>,
    /// Whether a task moves the line on.
    driven: bool,
    /// When it will next, on the queue's clock.
    wakes: u64,
}

/// Why a call gets no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// As many wait already as may; there is room for this call after so long.
    Full(Option<Duration>),
    /// Its turn would come after so long, which is later than it may wait.
    TooLate(Option<Duration>),
    /// It waited as long as it may; there is room for it after so much longer.
    TimedOut(Option<Duration>),
    /// The process ends before its turn comes.
    Closed,
}

impl NoTurn {
    /// When to come back, as far as that is known.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Full(after) | Self::TooLate(after) | Self::TimedOut(after) => after,
            Self::Closed => None,
        }
    }

    /// A word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::TooLate(_) => "too_late",
            Self::TimedOut(_) => "timed_out",
            Self::Closed => "closed",
        }
    }
}

impl Queue {
    /// An empty queue; `since` is where its clock starts, the same as that of its quotas.
    #[must_use]
    pub fn new(since: Instant) -> Self {
        let state = State { line: Line::default(), driven: false, wakes: u64::MAX };
        Self { since, state: Mutex::new(state), waiting: AtomicUsize::new(0), changed: Notify::new() }
    }

    /// How many wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How long a call would wait if it came now; `None` if that is more than a day.
    #[must_use]
    pub fn estimate(&self, ask: &Ask) -> Option<Duration> {
        let state = self.state();
        let now = self.now();
        self.turn_at(&state.line, now, ask).map(|at| Duration::from_millis(at.saturating_sub(now)))
    }

    /// Waits for a turn, up to `patience`, if at most `deepest` wait then. A turn that cannot come in time is refused
    /// at once.
    ///
    /// # Errors
    /// [`NoTurn`]; nothing is taken then.
    pub async fn wait(
        self: &Arc<Self>,
        ask: Ask,
        patience: Duration,
        deepest: usize,
    ) -> Result<Granted, NoTurn> {
        let (tell, mut told) = oneshot::channel();
        let now = self.now();
        let again = ask.clone();
        let (mut stay, at) = {
            let mut state = self.state();
            let at = self.turn_at(&state.line, now, &ask);
            let place = state.line.join(ask.rank, Waiter::new(ask, tell, Arc::downgrade(self)));
            (Stay { queue: Arc::clone(self), place: Some(place) }, at)
        };
        self.advance(false);
        if let Ok(granted) = told.try_recv() {
            stay.place = None;
            return Ok(granted);
        }
        let after = at.map(|at| Duration::from_millis(at.saturating_sub(now)));
        if after.is_none_or(|after| after > patience) {
            return stay.give_up(told, NoTurn::TooLate(after));
        }
        if self.depth() > deepest {
            return stay.give_up(told, NoTurn::Full(after));
        }
        self.drive();
        let deadline = now.saturating_add(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        let why: fn(Option<Duration>) -> NoTurn = loop {
            let left = Duration::from_millis(deadline.saturating_sub(self.now()));
            match tokio::time::timeout(left.min(LOOKS_EVERY), &mut told).await {
                Ok(Ok(granted)) => {
                    stay.place = None;
                    return Ok(granted);
                }
                Ok(Err(_)) => break NoTurn::TimedOut,
                _ if self.now() >= deadline => break NoTurn::TimedOut,
                _ if again.back_at(self.now()).is_none_or(|until| until > deadline) => break NoTurn::TooLate,
                _ => {}
            }
        };
        stay.give_up(told, why(None)).map_err(|_| why(self.estimate(&again)))
    }

    /// When a call would get its turn, on the queue's clock.
    fn turn_at(&self, line: &Line<Waiter>, now: u64, ask: &Ask) -> Option<u64> {
        let mut lanes = ask.lanes(now);
        let tokens = ask.rank.demand.tokens;
        let least = lanes.iter().map(|(lane, from)| lane.ready_at(now, tokens).max(*from)).min()?;
        // Two deployments may share a quota; whichever is in rotation sooner opens it.
        lanes.sort_unstable_by_key(|(lane, from)| (lane.number(), *from));
        lanes.dedup_by_key(|(lane, _)| lane.number());
        let need = line.ahead(ask.rank).plus(ask.rank.demand);
        let room = |then: u64| {
            let open = lanes.iter().filter(|(_, from)| *from <= then);
            open.fold(Demand::default(), |all, (lane, _)| all.plus(lane.room(now, then)))
        };
        soonest(least.max(now), need, room)
    }

    /// Lets through whom there is room for; when to look again. `drives` is for the task that moves the line on: it
    /// ends when nobody waits.
    fn advance(&self, drives: bool) -> Option<u64> {
        let Advance { granted, next } = {
            let mut state = self.state();
            let advance = state.line.advance(self.now());
            self.waiting.store(state.line.len(), Ordering::Relaxed);
            match advance.next {
                None if drives => state.driven = false,
                Some(next) if drives => state.wakes = next,
                Some(next) if next < state.wakes => self.changed.notify_one(),
                _ => {}
            }
            advance
        };
        // Who has left meanwhile gives back what it got here.
        granted.into_iter().for_each(|(waiter, granted)| waiter.tell(granted));
        next
    }

    /// Sees to it that a task moves the line on.
    fn drive(self: &Arc<Self>) {
        let mut state = self.state();
        if state.driven || state.line.is_empty() {
            return;
        }
        state.driven = true;
        state.wakes = u64::MAX;
        drop(state);
        let queue = Arc::clone(self);
        drop(tokio::spawn(async move {
            let mut driving = Driving { queue, ended: false };
            while let Some(next) = driving.queue.advance(true) {
                let sleep = Duration::from_millis(next.saturating_sub(driving.queue.now()));
                tokio::select! {
                    () = tokio::time::sleep(sleep.min(LONGEST_SLEEP)) => {}
                    () = driving.queue.changed.notified() => {}
                }
            }
            driving.ended = true;
        }));
    }

    /// Says that there may be more quota than was thought.
    pub fn changed(&self) {
        if self.depth() > 0 {
            self.changed.notify_one();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that moves the line on. If its runtime ends before the line does, another one may take over.
struct Driving {
    queue: Arc<Queue>,
    ended: bool,
}

impl Drop for Driving {
    fn drop(&mut self) {
        if !self.ended {
            self.queue.state().driven = false;
        }
    }
}

/// A place in the line, left when this is dropped.
struct Stay {
    queue: Arc<Queue>,
    place: Option<Place>,
}

impl Stay {
    /// Leaves, unless a turn came in the meantime.
    fn give_up(mut self, mut told: oneshot::Receiver<Granted>, why: NoTurn) -> Result<Granted, NoTurn> {
        self.leave();
        told.try_recv().map_err(|_| why)
    }

    fn leave(&mut self) {
        let Some(place) = self.place.take() else { return };
        let left = {
            let mut state = self.queue.state();
            let left = state.line.leave(place);
            self.queue.waiting.store(state.line.len(), Ordering::Relaxed);
            left
        };
        // Its claim is free now.
        if left.is_some() {
            self.queue.changed();
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
