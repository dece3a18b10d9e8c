//! A call that waits: which deployments it may use, and what it takes of them.

use super::{Queue, Ticket};
use crate::routing::queue::{Attempt, Claims, Rank, Waits};
use crate::upstream::{Deployment, QuotaLane};
use smallvec::SmallVec;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a call waits for.
#[derive(Clone)]
pub struct Ask {
    /// The deployments of its group.
    pub candidates: Arc<[Arc<Deployment>]>,
    /// Those it may not use, by index.
    pub barred: SmallVec<[usize; 8]>,
    /// Those it tried already; others come first.
    pub tried: SmallVec<[usize; 8]>,
    /// Its rank in the line, and what it takes.
    pub rank: Rank,
}

/// A turn.
#[derive(Debug)]
pub struct Granted {
    /// The deployment, by index.
    pub index: usize,
    /// The leave to call it.
    pub ticket: Ticket,
}

/// A call in the line.
pub(super) struct Waiter {
    ask: Ask,
    tell: oneshot::Sender<Granted>,
    queue: Weak<Queue>,
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter").field("rank", &self.ask.rank).finish_non_exhaustive()
    }
}

impl Ask {
    fn usable(&self) -> impl Iterator<Item = (usize, &Arc<Deployment>)> {
        let may =
            |(i, d): &(usize, &Arc<Deployment>)| d.target.unserved.is_none() && !self.barred.contains(i);
        self.candidates.iter().enumerate().filter(may)
    }

    /// The quotas it may use, each with the moment from which on its deployment is in rotation.
    pub(super) fn lanes(&self, now: u64) -> Vec<(&QuotaLane, u64)> {
        self.usable().map(|(_, d)| (&*d.quota, in_rotation_at(d, now))).collect()
    }
}

impl Ask {
    /// From when on a deployment is in rotation that it may use; `None` if there is none.
    pub(super) fn back_at(&self, now: u64) -> Option<u64> {
        self.usable().map(|(_, deployment)| in_rotation_at(deployment, now)).min()
    }
}

impl Waiter {
    pub(super) fn new(ask: Ask, tell: oneshot::Sender<Granted>, queue: Weak<Queue>) -> Self {
        Self { ask, tell, queue }
    }

    /// Hands over its turn; if it has left, the ticket is dropped here and so given back.
    pub(super) fn tell(self, granted: Granted) {
        drop(self.tell.send(granted));
    }
}

impl Waits for Waiter {
    type Grant = Granted;

    fn attempt(&mut self, now: u64, claims: &Claims) -> Attempt<Granted> {
        let tokens = self.ask.rank.demand.tokens;
        let mut best: Option<(Merit, usize, &Arc<Deployment>)> = None;
        let mut later = (u64::MAX, None);
        for (index, deployment) in self.ask.usable() {
            let lane = deployment.quota.number();
            if claims.hold(lane) {
                continue;
            }
            let at = deployment.quota.ready_at(now, tokens).max(in_rotation_at(deployment, now));
            if at > now {
                if at < later.0 || later.1.is_none() {
                    later = (at, Some(lane));
                }
                continue;
            }
            let merit = self.merit(index, deployment);
            if best.as_ref().is_none_or(|(known, ..)| merit < *known) {
                best = Some((merit, index, deployment));
            }
        }
        let Some((_, index, deployment)) = best else { return Attempt::Later { at: later.0, lane: later.1 } };
        let Some(queue) = self.queue.upgrade() else { return Attempt::Later { at: u64::MAX, lane: None } };
        match deployment.quota.take(now, tokens) {
            Ok(hold) => Attempt::Granted(Granted { index, ticket: queue.ticket(&deployment.quota, hold) }),
            // Another queue was faster.
            Err(at) => Attempt::Later { at, lane: Some(deployment.quota.number()) },
        }
    }
}

impl Waiter {
    /// Lower is better: not tried, reachable, with a free slot, in its order, with the most quota left.
    fn merit(&self, index: usize, deployment: &Deployment) -> Merit {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
        let used = ((1.0 - deployment.headroom()) * 1e6) as u32;
        let tried = self.ask.tried.contains(&index);
        (tried, !deployment.endpoint.is_up(), !deployment.has_room(), deployment.target.order, used)
    }
}

/// What one deployment has over another; lower is better.
type Merit = (bool, bool, bool, i64, u32);

/// From when on a deployment is in rotation.
fn in_rotation_at(deployment: &Deployment, now: u64) -> u64 {
    let cooled = deployment.state.cooled().unwrap_or(Duration::ZERO);
    now.saturating_add(u64::try_from(cooled.as_millis()).unwrap_or(u64::MAX))
}
