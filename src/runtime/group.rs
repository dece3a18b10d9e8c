//! A group: the deployments behind one public name, and what is remembered of its calls. The choice among them
//! is in `choice`.

use super::GroupQueue;
use super::candidate::candidate;
use super::names::public_name;
use crate::auth::Asked;
use crate::config::Filters;
use crate::domain::{FaultClass, Money, Prices, Units, UpstreamClass, Usage};
use crate::limits::{Expected, Learned, output_estimate};
use crate::metering::{self, Latencies};
use crate::routing::{Choice, Chooser, HedgeMemory, HedgeTerms, Notes};
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
    /// How calls are hedged; `None` where they are not.
    pub hedge: Option<Hedge>,
    /// How calls wait for quota; `None` where limits are none.
    pub queue: Option<GroupQueue>,
    /// The prices of its deployments, each once; `None` where nobody knows.
    prices: SmallVec<[Option<Prices>; 1]>,
    max_output: Option<u64>,
    upstream_name: Option<String>,
    pub(super) chooser: Chooser,
    pub(super) notes: Notes,
    pub(super) filters: Filters,
    /// Whether tags decide anything here.
    pub(super) has_tags: bool,
    /// Whether it matters here what servers have loaded.
    pub(super) has_stations: bool,
    is_served: bool,
    cursor: AtomicU64,
}

/// How a group is served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// Extra attempts, unless a deployment has a number of its own.
    pub num_retries: u32,
    /// How the next deployment is chosen.
    pub choice: Choice,
    /// What leaves deployments out.
    pub filters: Filters,
    /// How its calls are hedged.
    pub hedge: Option<HedgeTerms>,
    /// What is written down of its calls: what any group's strategy wants, because groups may share deployments.
    pub notes: Notes,
}

/// How calls of a group are made twice.
#[derive(Debug)]
pub struct Hedge {
    terms: HedgeTerms,
    memory: HedgeMemory,
}

impl Hedge {
    fn new(terms: HedgeTerms) -> Self {
        Self { terms, memory: HedgeMemory::default() }
    }

    /// A call began.
    pub fn called(&self) {
        self.memory.called(self.terms);
    }

    /// After how long an answer that has not begun is late; `None` while nobody knows.
    #[must_use]
    pub fn late_after(&self, stream: bool) -> Option<Duration> {
        self.memory.late_after(self.terms, stream)
    }

    /// Takes a second attempt from those that calls may have; false if there is none.
    pub fn spend(&self) -> bool {
        self.memory.spend()
    }

    /// An answer began after so long.
    pub fn note(&self, stream: bool, wait: Duration) {
        self.memory.note(stream, wait);
    }

    /// Learns what another one has learned.
    pub(super) fn take_over(&self, other: &Self) {
        self.memory.take_over(&other.memory);
    }
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

impl Group {
    /// Makes a group.
    #[must_use]
    pub fn new(name: &str, deployments: Vec<Arc<Deployment>>, terms: &Terms) -> Self {
        let candidates: Vec<_> = deployments.iter().map(|deployment| candidate(deployment)).collect();
        let own = deployments.iter().filter_map(|d| d.target.params.num_retries).max();
        let tagged = deployments.iter().any(|d| !d.target.params.tags.is_empty());
        Self {
            name: Arc::from(name),
            num_retries: own.unwrap_or(terms.num_retries),
            access_groups: deployments
                .iter()
                .flat_map(|d| d.target.info.access_groups.iter().cloned())
                .collect(),
            learned: Learned::default(),
            hedge: terms.hedge.map(Hedge::new),
            queue: None,
            prices: prices(&deployments),
            max_output: deployments.iter().filter_map(|d| d.target.info.max_output_tokens).max(),
            upstream_name: deployments.first().map(|d| format!("{}/{}", d.target.provider, d.target.model)),
            is_served: deployments.iter().any(|d| d.target.unserved.is_none()),
            has_stations: deployments.len() > 1 && deployments.iter().any(|d| d.station.is_some()),
            has_tags: terms.filters.tags && tagged,
            chooser: Chooser::new(terms.choice, &candidates),
            notes: terms.notes.or(terms.choice.entry.notes),
            filters: terms.filters,
            deployments,
            cursor: AtomicU64::new(fastrand::u64(..)),
        }
    }

    /// The public names of the models that its servers have, in order; `None` if none of them told of any.
    #[must_use]
    pub fn models_there(&self) -> Option<Vec<String>> {
        let listing = self.deployments.iter().filter(|deployment| deployment.target.lists_models());
        let told = listing.filter_map(|d| Some((&d.target.model, d.station.as_ref()?.models()?)));
        let mut names: Option<Vec<String>> = None;
        for (pattern, models) in told {
            let names = names.get_or_insert_default();
            names.extend(models.iter().filter_map(|model| public_name(&self.name, pattern, model)));
        }
        // A list with nothing of ours in it is of no use.
        names.filter(|names| !names.is_empty()).map(|mut names| {
            names.sort_unstable();
            names.dedup();
            names
        })
    }

    /// Makes its deployments' limits hold.
    #[must_use]
    pub fn with_queue(mut self, queue: Option<GroupQueue>) -> Self {
        // Scarce quota is not for calls that are made twice.
        self.hedge = self.hedge.filter(|_| !queue.as_ref().is_some_and(GroupQueue::counts));
        self.queue = queue;
        self
    }

    /// The longest answer that one of its models gives, in tokens, as far as that is known.
    #[must_use]
    pub const fn max_output(&self) -> Option<u64> {
        self.max_output
    }

    /// How the next deployment is chosen.
    #[must_use]
    pub const fn choice(&self) -> Choice {
        self.chooser.choice
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
        self.expected_of(prompt, max_tokens, &Units::default())
    }

    /// The same for a call that also asks for what is not counted in tokens.
    #[must_use]
    pub fn expected_of(&self, prompt: u64, max_tokens: Option<u64>, units: &Units) -> Estimate {
        let small = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        let output =
            output_estimate(max_tokens.map(small), self.learned.longest(), self.max_output.map(small));
        let usage = Usage { prompt, completion: u64::from(output), ..Usage::default() };
        let unpriced = self.prices.iter().any(Option::is_none);
        let known = self.prices.iter().flatten().map(|prices| metering::bill(&usage, units, prices));
        let dearest = known.max().unwrap_or_default();
        let free = !unpriced && self.prices.iter().flatten().all(Prices::are_zero);
        let cost = if free { Expected::Free } else { Expected::About(dearest) };
        Estimate { tokens: prompt.saturating_add(u64::from(output)), cost, unpriced }
    }

    /// What an image of this size and quality costs at the dearest deployment that has prices of its own for them.
    #[must_use]
    pub fn image_price(&self, size: &str, quality: &str) -> Option<Money> {
        self.deployments.iter().filter_map(|deployment| deployment.image_price(size, quality)).max()
    }

    /// Writes down an answer, as far as a strategy wants to know of it.
    pub fn note_answer(&self, deployment: &Deployment, usage: &Usage, latencies: impl FnOnce() -> Latencies) {
        if self.notes == Notes::default() {
            return;
        }
        let (pace, now_ms) = (&deployment.state.pace, deployment.state.now_ms());
        if self.notes.usage {
            pace.tokens.add(now_ms, usage.total());
        }
        if self.notes.latency {
            let (samples, latencies) = (self.chooser.choice.args.samples, latencies());
            if let Some(first) = latencies.ttft {
                pace.first_token.note(now_ms, first.as_secs_f64(), samples);
            }
            if let Some(each) = latencies.tpot {
                pace.per_token.note(now_ms, each.as_secs_f64(), samples);
            }
        }
    }

    /// Writes down that nothing came for so long: a token takes at least that.
    pub fn note_silence(&self, deployment: &Deployment, lasted: Duration, stream: bool) {
        if self.notes.latency {
            let pace = &deployment.state.pace;
            let average = if stream { &pace.first_token } else { &pace.per_token };
            let samples = self.chooser.choice.args.samples;
            average.note(deployment.state.now_ms(), lasted.as_secs_f64(), samples);
        }
    }

    /// Writes down what an upstream says is left of its quota, and for how long that holds.
    pub fn note_quota(&self, deployment: &Deployment, left: f64, lasts: Duration) {
        if self.notes.usage {
            deployment.state.pace.left.note(deployment.state.now_ms(), left, lasts);
        }
    }

    /// Whether what upstreams say of their quota is of use.
    #[must_use]
    pub const fn notes_quota(&self) -> bool {
        self.notes.usage
    }

    /// Whether none of its deployments can be served.
    #[must_use]
    pub const fn is_unserved(&self) -> bool {
        !self.is_served
    }

    /// Whether a deployment other than this one is in rotation, and stays there when this one fails so: a used-up quota
    /// takes all that share it.
    #[must_use]
    pub fn has_other(&self, than: usize, class: UpstreamClass) -> bool {
        let Some(failed) = self.deployments.get(than) else { return false };
        let is_quota = class.fault() == FaultClass::Quota;
        let goes_too = |d: &Deployment| is_quota && d.state.shares(&failed.state, class);
        let stays = |d: &Deployment| d.state.cooled().is_none() && !goes_too(d);
        self.deployments.iter().enumerate().any(|(i, d)| i != than && d.target.unserved.is_none() && stays(d))
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
    pub(super) fn draw(&self) -> f64 {
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
