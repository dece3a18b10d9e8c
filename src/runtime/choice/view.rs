//! A group as a strategy sees it, for one call.

use super::bar::{Bar, Drawback};
use super::tags::TagRule;
use super::wish::Wish;
use crate::routing::{Look, Sight, strategies};
use crate::runtime::Group;
use crate::upstream::Deployment;
use smallvec::SmallVec;
use std::borrow::Cow;

/// So many deployments that turn out to be used up are passed over for one call.
pub(super) const MOST_DENIED: usize = 8;

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
pub(super) struct View<'a> {
    group: &'a Group,
    wish: &'a Wish<'a>,
    tags: TagRule,
    pub(super) now_ms: u64,
    offer: Offer,
    pub(super) denied: SmallVec<[usize; MOST_DENIED]>,
}

impl<'a> View<'a> {
    pub(super) fn new(group: &'a Group, wish: &'a Wish<'a>) -> Self {
        let needs_time = group.notes != strategies::Notes::default();
        let now_ms = if needs_time { group.now_ms() } else { 0 };
        let tags = TagRule::of(group, wish);
        Self { group, wish, tags, now_ms, offer: Offer::Ready, denied: SmallVec::new() }
    }

    pub(super) fn choose(&mut self, draw: f64) -> Option<usize> {
        // Where no server tells what it has loaded, the first two are the same.
        let first = usize::from(!self.group.has_stations);
        let offers = [Offer::Warm, Offer::Ready, Offer::Fresh, Offer::All];
        offers.into_iter().skip(first).find_map(|offer| {
            self.offer = offer;
            self.group.chooser.pick(&Look { draw, affinity: self.wish.affinity, sight: self })
        })
    }

    pub(super) fn bar(&self, at: usize) -> Option<Bar> {
        self.group.bar(at, self.wish, self.tags, self.now_ms)
    }

    pub(super) fn drawback(&self, at: usize) -> Option<Drawback> {
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
