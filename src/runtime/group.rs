//! A group: the deployments behind one public name, and the choice among them.

use super::GroupQueue;
use crate::auth::Asked;
use crate::domain::{Prices, Usage};
use crate::limits::{Expected, Learned, output_estimate};
use crate::metering;
use crate::routing::{Candidate, Strategy, strategies::SimpleShuffle};
use crate::upstream::Deployment;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// 2⁶⁴ divided by the golden ratio: steps of it fill the circle evenly.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Deployments that share a public name.
pub struct Group {
    /// The public name, or its pattern.
    pub name: Arc<str>,
    /// The deployments, in file order.
    pub deployments: Vec<Arc<Deployment>>,
    /// Extra attempts.
    pub num_retries: u32,
    /// Names that lists of models may name it by.
    pub access_groups: Vec<String>,
    /// How long its answers are.
    pub learned: Learned,
    /// How calls wait for quota; `None` where limits are none.
    pub queue: Option<GroupQueue>,
    /// The prices of its deployments, each once; `None` where nobody knows.
    prices: SmallVec<[Option<Prices>; 1]>,
    max_output: Option<u64>,
    upstream_name: Option<String>,
    strategy: Box<dyn Strategy>,
    cursor: AtomicU64,
}

/// What a call is expected to take.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// Tokens, of prompt and answer.
    pub tokens: u64,
    /// Money, at the dearest deployment.
    pub cost: Expected,
    /// Whether a deployment has no price.
    pub unpriced: bool,
}

/// What a group answers when asked for a deployment.
pub enum Pick {
    /// Try this one; it is the group's deployment of this index.
    Deployment(usize),
    /// All are out of rotation, the first for so much longer.
    Cooled(Duration),
    /// The group has none that is served.
    Empty,
}

impl Group {
    /// Makes a group with simple-shuffle.
    #[must_use]
    pub fn new(name: &str, deployments: Vec<Arc<Deployment>>, num_retries: u32) -> Self {
        let candidates: Vec<Candidate> = deployments
            .iter()
            .map(|d| Candidate {
                weight: d.target.weights.weight,
                rpm: d.target.weights.rpm,
                tpm: d.target.weights.tpm,
                order: d.target.order,
            })
            .collect();
        let num_retries =
            deployments.iter().filter_map(|d| d.target.params.num_retries).max().unwrap_or(num_retries);
        Self {
            name: Arc::from(name),
            num_retries,
            access_groups: deployments
                .iter()
                .flat_map(|d| d.target.info.access_groups.iter().cloned())
                .collect(),
            learned: Learned::default(),
            queue: None,
            prices: prices(&deployments),
            max_output: deployments.iter().filter_map(|d| d.target.info.max_output_tokens).max(),
            upstream_name: deployments.first().map(|d| format!("{}/{}", d.target.provider, d.target.model)),
            deployments,
            strategy: Box::new(SimpleShuffle::new(&candidates)),
            cursor: AtomicU64::new(fastrand::u64(..)),
        }
    }

    /// Makes its deployments' limits hold.
    #[must_use]
    pub fn with_queue(mut self, queue: Option<GroupQueue>) -> Self {
        self.queue = queue;
        self
    }

    /// The longest answer that one of its models gives, in tokens, as far as that is known.
    #[must_use]
    pub const fn max_output(&self) -> Option<u64> {
        self.max_output
    }

    /// A name that stands for this group, or for none, as lists of models know it.
    #[must_use]
    pub fn asked<'a>(name: &'a str, group: Option<&'a Self>) -> Asked<'a> {
        Asked {
            name,
            group: group.map_or(name, |group| &group.name),
            upstream: group.and_then(|group| group.upstream_name.as_deref()),
            access_groups: group.map(|group| group.access_groups.as_slice()).unwrap_or_default(),
        }
    }

    /// What a call will take whose prompt has so many tokens and whose answer may have `max_tokens`.
    #[must_use]
    pub fn expected(&self, prompt: u64, max_tokens: Option<u64>) -> Estimate {
        let small = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        let output =
            output_estimate(max_tokens.map(small), self.learned.longest(), self.max_output.map(small));
        let usage = Usage { prompt, completion: u64::from(output), ..Usage::default() };
        let unpriced = self.prices.iter().any(Option::is_none);
        let known = self.prices.iter().flatten().map(|prices| metering::cost(&usage, prices));
        let dearest = known.max().unwrap_or_default();
        let free = !unpriced && self.prices.iter().flatten().all(Prices::are_zero);
        let cost = if free { Expected::Free } else { Expected::About(dearest) };
        Estimate { tokens: prompt.saturating_add(u64::from(output)), cost, unpriced }
    }

    /// Chooses the next deployment: one that is in rotation and was not tried, else one that is in
    /// rotation. One whose endpoint fails its probes, or that has no parallel slot free, is passed
    /// over while another is there, and one that may not be chosen never is.
    #[must_use]
    pub fn pick(&self, tried: &SmallVec<[usize; 8]>, may_be: impl Fn(&Deployment) -> bool) -> Pick {
        if self.is_unserved() {
            return Pick::Empty;
        }
        let served = |i: usize| self.deployments[i].target.unserved.is_none() && may_be(&self.deployments[i]);
        let cool = |i: usize| served(i) && self.deployments[i].state.cooled().is_none();
        let fresh = |i: usize| cool(i) && !tried.contains(&i);
        let ready = |i: usize| self.deployments[i].has_room() && self.deployments[i].endpoint.is_up();
        let draw = self.draw();
        let found = self
            .strategy
            .pick(draw, &|i| fresh(i) && ready(i))
            .or_else(|| self.strategy.pick(draw, &fresh))
            .or_else(|| self.strategy.pick(draw, &cool));
        found.map_or_else(|| Pick::Cooled(self.shortest_cooldown()), Pick::Deployment)
    }

    /// Whether none of its deployments can be served.
    #[must_use]
    pub fn is_unserved(&self) -> bool {
        self.deployments.iter().all(|d| d.target.unserved.is_some())
    }

    /// Whether a deployment other than this one is in rotation.
    #[must_use]
    pub fn has_other(&self, than: usize) -> bool {
        self.deployments
            .iter()
            .enumerate()
            .any(|(i, d)| i != than && d.target.unserved.is_none() && d.state.cooled().is_none())
    }

    /// Whether any deployment is in rotation.
    #[must_use]
    pub fn in_rotation(&self) -> bool {
        self.deployments.iter().any(|d| d.target.unserved.is_none() && d.state.cooled().is_none())
    }

    /// Whether one that was not tried yet is in rotation.
    #[must_use]
    pub fn has_fresh(&self, tried: &SmallVec<[usize; 8]>) -> bool {
        self.deployments
            .iter()
            .enumerate()
            .any(|(i, d)| !tried.contains(&i) && d.target.unserved.is_none() && d.state.cooled().is_none())
    }

    /// When all are out of rotation: how much longer until the first is back.
    #[must_use]
    pub fn cooled(&self) -> Option<Duration> {
        (!self.in_rotation()).then(|| self.shortest_cooldown())
    }

    fn shortest_cooldown(&self) -> Duration {
        self.deployments.iter().filter_map(|d| d.state.cooled()).min().unwrap_or_default()
    }

    /// A number in [0, 1) of a low-discrepancy sequence: shares meet the weights within a few calls,
    /// where independent draws would take thousands.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    fn draw(&self) -> f64 {
        let at = self.cursor.fetch_add(GOLDEN, Ordering::Relaxed);
        (at >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn prices(deployments: &[Arc<Deployment>]) -> SmallVec<[Option<Prices>; 1]> {
    let mut found = SmallVec::new();
    for deployment in deployments {
        let prices = deployment.target.info.prices;
        if !found.contains(&prices) {
            found.push(prices);
        }
    }
    found
}
