//! The choice of a deployment: which may be chosen for this call, and which the group's strategy then takes.
//!
//! What leaves a deployment out is said once, in [`Group::bar`]; serving asks it, and so does whoever wants to
//! know why. A call is first offered what it has not tried and what is ready, then what it has not tried, then
//! what it tried before.

mod refusal;
mod tags;
#[cfg(test)]
mod tests;
mod told;

use super::{Group, House, Resolution};
use crate::domain::{EndpointKind, Prices};
use crate::routing::{Candidate, Look, Sight, strategies};
use crate::upstream::Deployment;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tags::TagRule;

/// What a call wants of its deployment.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// The API that is called.
    pub kind: EndpointKind,
    /// Holds the budgets of providers.
    pub house: &'a House,
    /// Unix milliseconds.
    pub now: i64,
    /// The tags that decide about its deployment.
    pub tags: &'a [Arc<str>],
    /// About how many tokens the prompt has.
    pub prompt: u64,
    /// About how many tokens the call takes of a quota, where the group's are counted.
    pub tokens: u64,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// What it has in common with calls that should meet the same deployment.
    pub affinity: Option<u64>,
    /// The deployments it met already, by index.
    pub tried: &'a [usize],
    /// What was asked for, and what that stood for, where deployments stand for many models.
    pub asked: Option<(&'a Resolution, &'a str)>,
}

/// Why a deployment cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// It is listed, but not served.
    Unserved,
    /// Its upstream has no such API, and the call cannot be translated.
    Surface,
    /// It is for calls with other tags.
    Tags,
    /// The prompt is longer than this, its `max_input_tokens`.
    Context(u64),
    /// Its provider's budget is used up.
    Budget,
    /// It, or its key, is out of rotation for so long.
    Cooled(Duration),
    /// Its `rpm` or `tpm` is used up for so long.
    Quota(Duration),
}

/// Why a deployment is chosen only when there is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawback {
    /// The call met it already.
    Tried,
    /// All its parallel slots are taken.
    Full,
    /// Its endpoint fails its probes.
    Down,
    /// The model is not in its server's memory.
    Cold,
}

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

/// So many deployments that turn out to be used up are passed over for one call.
const MOST_DENIED: usize = 8;
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

    fn bar(&self, at: usize, wish: &Wish<'_>, tags: TagRule, now_ms: u64) -> Option<Bar> {
        let deployment = self.deployments.get(at)?;
        let traits = &*deployment.traits;
        if !traits.is_served {
            return Some(Bar::Unserved);
        }
        if !deployment.serves(wish.kind) {
            return Some(Bar::Surface);
        }
        if !tags.allows(&traits.params.tags, wish.tags, self.filters) {
            return Some(Bar::Tags);
        }
        if self.filters.context
            && let Some(most) = traits.max_input_tokens
            && wish.prompt > most
        {
            return Some(Bar::Context(most));
        }
        if wish.house.limits_providers() && wish.house.is_exhausted(&traits.words.provider, wish.now) {
            return Some(Bar::Budget);
        }
        if let Some(left) = deployment.state.cooled() {
            return Some(Bar::Cooled(left));
        }
        if self.queue.is_some() {
            let now = deployment.quota.now();
            let wait = deployment.quota.ready_at(now, wish.tokens).saturating_sub(now);
            return (wait > 0).then(|| Bar::Quota(Duration::from_millis(wait)));
        }
        if self.chooser.choice.entry.limits {
            let (pace, weights) = (&deployment.state.pace, &deployment.target.weights);
            let requests = weights.rpm.and_then(|rpm| pace.requests.wait(now_ms, 1, rpm));
            // A prompt larger than the limit passes when nothing else was sent.
            let tokens = weights.tpm.and_then(|tpm| pace.tokens.wait(now_ms, wish.prompt.min(tpm), tpm));
            return requests.max(tokens).map(Bar::Quota);
        }
        None
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

impl Bar {
    /// How hard it is to overcome: of two of a kind, the sooner or larger one is easier.
    fn rank(&self) -> (u8, Duration, u64) {
        match *self {
            Self::Cooled(left) | Self::Quota(left) => (0, left, 0),
            Self::Budget => (1, Duration::ZERO, 0),
            Self::Context(most) => (2, Duration::ZERO, u64::MAX - most),
            Self::Tags => (3, Duration::ZERO, 0),
            Self::Surface => (4, Duration::ZERO, 0),
            Self::Unserved => (5, Duration::ZERO, 0),
        }
    }
}

/// Which deployments are offered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// Those without a drawback.
    Warm,
    /// Those without one but that the model must be loaded.
    Ready,
    /// Those that the call has not met.
    Fresh,
    /// All that are not barred.
    All,
}

/// A group as a strategy sees it.
struct View<'a> {
    group: &'a Group,
    wish: &'a Wish<'a>,
    tags: TagRule,
    now_ms: u64,
    offer: Offer,
    denied: SmallVec<[usize; MOST_DENIED]>,
}

impl<'a> View<'a> {
    fn new(group: &'a Group, wish: &'a Wish<'a>) -> Self {
        let needs_time = group.notes != strategies::Notes::default();
        let now_ms = if needs_time { group.now_ms() } else { 0 };
        let tags = TagRule::of(group, wish);
        Self { group, wish, tags, now_ms, offer: Offer::Ready, denied: SmallVec::new() }
    }

    fn choose(&mut self, draw: f64) -> Option<usize> {
        // Where no server tells what it has loaded, the first two are the same.
        let first = usize::from(!self.group.has_stations);
        let offers = [Offer::Warm, Offer::Ready, Offer::Fresh, Offer::All];
        offers.into_iter().skip(first).find_map(|offer| {
            self.offer = offer;
            self.group.chooser.pick(&Look { draw, affinity: self.wish.affinity, sight: self })
        })
    }

    fn bar(&self, at: usize) -> Option<Bar> {
        self.group.bar(at, self.wish, self.tags, self.now_ms)
    }

    fn drawback(&self, at: usize) -> Option<Drawback> {
        let deployment = self.group.deployments.get(at)?;
        if self.wish.tried.contains(&at) {
            Some(Drawback::Tried)
        } else if !deployment.has_room() {
            Some(Drawback::Full)
        } else {
            let is_up = deployment.endpoint.is_up();
            (!is_up || self.is_cold(deployment)).then_some(if is_up {
                Drawback::Cold
            } else {
                Drawback::Down
            })
        }
    }

    /// Whether the model would have to be loaded first, as far as the server tells.
    fn is_cold(&self, deployment: &Deployment) -> bool {
        if !self.group.has_stations || deployment.station.is_none() {
            return false;
        }
        let model = &deployment.traits.model;
        let model = self.wish.asked.map_or(Cow::Borrowed(model.as_str()), |(resolution, requested)| {
            resolution.upstream_model(model, requested)
        });
        deployment.has_loaded(&model) == Some(false)
    }

    fn deployment(&self, at: usize) -> Option<&Deployment> {
        self.group.deployments.get(at).map(|deployment| &**deployment)
    }
}

impl Sight for View<'_> {
    fn usable(&self, at: usize) -> bool {
        let offered = match self.offer {
            Offer::Warm => self.drawback(at).is_none(),
            Offer::Ready => matches!(self.drawback(at), None | Some(Drawback::Cold)),
            Offer::Fresh => !self.wish.tried.contains(&at),
            Offer::All => true,
        };
        offered && !self.denied.contains(&at) && self.bar(at).is_none()
    }

    fn in_flight(&self, at: usize) -> u64 {
        self.deployment(at).map(Deployment::busy).unwrap_or_default()
    }

    fn latency(&self, at: usize) -> Option<f64> {
        let pace = &self.deployment(at)?.state.pace;
        let average = if self.wish.stream { &pace.first_token } else { &pace.per_token };
        average.get(self.now_ms, self.group.chooser.choice.args.ttl)
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate needs no more")]
    fn tokens(&self, at: usize) -> f64 {
        let Some(deployment) = self.deployment(at) else { return 0.0 };
        let pace = &deployment.state.pace;
        let tokens = pace.tokens.last_minute(self.now_ms) as f64;
        let under_way = deployment.in_flight();
        let answered = pace.requests.last_minute(self.now_ms).saturating_sub(under_way);
        // What is under way is expected to take what the others took.
        let each = if answered > 0 { tokens / answered as f64 } else { self.wish.prompt as f64 };
        tokens + under_way as f64 * each
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate needs no more")]
    fn headroom(&self, at: usize) -> f64 {
        let Some(deployment) = self.deployment(at) else { return 0.0 };
        if self.group.queue.is_some() {
            return deployment.headroom();
        }
        let (pace, weights) = (&deployment.state.pace, &deployment.target.weights);
        let left =
            |used: f64, limit: Option<u64>| limit.map_or(1.0, |limit| 1.0 - used / (limit.max(1) as f64));
        left(pace.requests.last_minute(self.now_ms) as f64, weights.rpm)
            .min(left(self.tokens(at), weights.tpm))
            .min(pace.left.get(self.now_ms).unwrap_or(1.0))
            .max(0.0)
    }
}

/// What strategies may know of a deployment beforehand.
pub(super) fn candidate(deployment: &Deployment) -> Candidate {
    let target = &deployment.target;
    let price = |prices: &Prices| {
        u64::try_from(prices.input.pico().saturating_add(prices.output.pico())).unwrap_or_default()
    };
    Candidate {
        id: strategies::hash(target.id.as_str().as_bytes()),
        weight: target.weights.weight,
        rpm: target.weights.rpm,
        tpm: target.weights.tpm,
        order: target.order,
        price: target.info.prices.as_ref().map(price),
    }
}
