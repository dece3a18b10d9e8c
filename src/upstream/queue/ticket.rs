//! The leave to make one upstream call.

use super::Queue;
use crate::routing::queue::{Hold, Told};
use crate::upstream::QuotaLane;
use std::sync::Arc;
use std::time::Duration;

/// The leave to make one upstream call. Dropped, it gives its tokens back, and its request if that was never sent.
#[derive(Debug)]
#[must_use = "dropping a ticket gives it back"]
pub struct Ticket {
    lane: Arc<QuotaLane>,
    queue: Arc<Queue>,
    hold: Option<Hold>,
}

impl Queue {
    /// Takes a turn on a quota without waiting; `None` if it has no room. Whoever waits is passed by.
    pub fn take(self: &Arc<Self>, lane: &Arc<QuotaLane>, tokens: u64) -> Option<Ticket> {
        lane.take(lane.now(), tokens).ok().map(|hold| self.ticket(lane, hold))
    }

    pub(super) fn ticket(self: &Arc<Self>, lane: &Arc<QuotaLane>, hold: Hold) -> Ticket {
        Ticket { lane: Arc::clone(lane), queue: Arc::clone(self), hold: Some(hold) }
    }
}

impl Ticket {
    /// The last byte of the request was sent.
    pub fn sent(&mut self) {
        if let Some(hold) = &mut self.hold {
            self.lane.sent(hold);
        }
    }

    /// The answer began, and said this of the quota.
    pub fn answered(&mut self, told: &Told) {
        if let Some(hold) = &mut self.hold {
            self.lane.answered(hold);
        }
        if !told.is_silent() {
            self.lane.heard(told);
        }
    }

    /// The upstream served the call.
    pub fn served(&self) {
        self.lane.served();
    }

    /// The upstream said that the quota is used up, perhaps for how long.
    pub fn refused(&self, rest: Option<Duration>) {
        self.lane.refused(rest);
    }

    /// The call is over and took so many tokens.
    pub fn settle(mut self, tokens: u64) {
        self.end(tokens);
    }

    fn end(&mut self, tokens: u64) {
        if let Some(hold) = self.hold.take() {
            self.lane.end(hold, tokens);
            self.queue.changed();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(0);
    }
}
