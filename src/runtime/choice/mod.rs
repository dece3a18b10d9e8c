//! The choice of a deployment: which may be chosen for this call, and which the group's strategy then takes.
//!
//! What leaves a deployment out is said once, in [`Group::bar`]; serving asks it, and so does whoever wants to
//! know why. A call is first offered what it has not tried and what is ready, then what it has not tried, then
//! what it tried before.

mod bar;
mod refusal;
mod tags;
#[cfg(test)]
mod tests;
mod told;
mod view;
mod wish;

pub use bar::{Bar, Drawback};
pub use wish::Wish;

use super::Group;
use crate::routing::Look;
use crate::upstream::Deployment;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;
use view::{MOST_DENIED, View};

/// What a group answers when asked for a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Try this one; it is the group's deployment of this index.
    Deployment(usize),
    /// None can be chosen; of all that bar one, this is the easiest to overcome.
    None(Bar),
}

/// A deployment as a choice sees it.
pub struct Considered<'a> {
    /// Which.
    pub deployment: &'a Arc<Deployment>,
    /// Why it cannot be chosen, if so.
    pub bar: Option<Bar>,
    /// Why another one is better, if so.
    pub drawback: Option<Drawback>,
    /// What the strategy makes of it.
    pub score: f64,
}

/// What a call is told to wait that lost every race for a place.
const SOON: Duration = Duration::from_secs(1);

impl Group {
    /// Chooses the next deployment, and counts the call there if that is what the strategy lives by.
    #[must_use]
    pub fn pick(&self, wish: &Wish<'_>) -> Pick {
        let mut view = View::new(self, wish);
        let draw = self.draw();
        while view.denied.len() < MOST_DENIED {
            let Some(found) = view.choose(draw) else { break };
            if self.take(found, view.now_ms) {
                return Pick::Deployment(found);
            }
            view.denied.push(found);
        }
        Pick::None(self.bars(wish))
    }

    /// What a choice would give now; nothing is counted.
    #[must_use]
    pub fn preview(&self, wish: &Wish<'_>) -> Option<usize> {
        View::new(self, wish).choose(self.draw())
    }

    /// Why nobody can be asked at all, if so.
    #[must_use]
    pub fn nobody(&self, wish: &Wish<'_>) -> Option<Bar> {
        let view = View::new(self, wish);
        let open = (0..self.deployments.len()).any(|at| view.bar(at).is_none());
        (!open).then(|| self.bars(wish))
    }

    /// Every deployment, as the next choice would see it. Nothing is counted.
    #[must_use]
    pub fn considered(&self, wish: &Wish<'_>) -> Vec<Considered<'_>> {
        let view = View::new(self, wish);
        let look = Look { draw: 0.5, affinity: wish.affinity, sight: &view };
        let row = |(at, deployment)| Considered {
            deployment,
            bar: view.bar(at),
            drawback: view.drawback(at),
            score: self.chooser.score(&look, at),
        };
        self.deployments.iter().enumerate().map(row).collect()
    }

    /// Of what bars each deployment, the easiest to overcome: time first, then money, size and tags.
    fn bars(&self, wish: &Wish<'_>) -> Bar {
        let view = View::new(self, wish);
        let bars = (0..self.deployments.len()).filter_map(|at| view.bar(at));
        let easiest = bars.min_by_key(Bar::rank);
        // One that was used up a moment ago may be open again.
        easiest.unwrap_or(if self.is_unserved() { Bar::Unserved } else { Bar::Quota(SOON) })
    }

    /// The deployments that this call may not use however long it waits, by index.
    #[must_use]
    pub fn ruled_out(&self, wish: &Wish<'_>) -> SmallVec<[usize; 8]> {
        let view = View::new(self, wish);
        let for_good = |bar: Bar| !matches!(bar, Bar::Cooled(_) | Bar::Quota(_));
        (0..self.deployments.len()).filter(|at| view.bar(*at).is_some_and(for_good)).collect()
    }

    /// Counts a call that got its turn in the queue, if the strategy lives by that.
    pub fn note_call(&self, deployment: &Deployment) {
        if self.notes.usage {
            deployment.state.pace.requests.add(deployment.state.now_ms(), 1);
        }
    }

    /// Counts a call that is about to be sent; false if its deployment is used up meanwhile.
    fn take(&self, at: usize, now_ms: u64) -> bool {
        let Some(deployment) = self.deployments.get(at).filter(|_| self.notes.usage) else { return true };
        let requests = &deployment.state.pace.requests;
        let limits = self.chooser.choice.entry.limits && self.queue.is_none();
        match deployment.target.weights.rpm.filter(|_| limits) {
            Some(rpm) => requests.try_add(now_ms, 1, rpm),
            None => {
                requests.add(now_ms, 1);
                true
            }
        }
    }

    /// The clock that all deployments share.
    fn now_ms(&self) -> u64 {
        self.deployments.first().map(|deployment| deployment.state.now_ms()).unwrap_or_default()
    }
}
