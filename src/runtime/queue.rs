//! A group's way to scarce quota: who waits in which queue, for how long, and what a call takes.

use super::{Bar, Group, Standing, Wish};
use crate::config::Config;
use crate::dialects::openai::Request;
use crate::domain::QueueTerms;
use crate::limits::output_estimate;
use crate::routing::queue::{Demand, Limits, Rank};
use crate::upstream::{Ask, Deployment, Granted, NoTurn, Queue, Ticket, Upstreams};
use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Completion tokens of a model that was never asked, unless its limit is lower. What is taken too much
/// keeps others waiting until the call ends, so this is what most answers have at the most.
const UNKNOWN_ANSWER: u64 = 1024;
/// The weight of those of whom nobody says another, in thousandths.
const WEIGHT: u32 = 1000;

/// A group whose deployments' `rpm` and `tpm` are limits.
pub struct GroupQueue {
    queue: Arc<Queue>,
    candidates: Arc<[Arc<Deployment>]>,
    /// How long a call may wait where nobody says another time; zero is not at all.
    pub max_wait: Duration,
    /// How often a stream that waits is sent a comment; `None` is never.
    pub keep_alive: Option<Duration>,
    max_depth: usize,
    priority: u8,
    /// A request is worth so many tokens: those of a window divided by its requests.
    tokens_per_request: Option<u64>,
}

/// What a client says of its waiting.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurnWish {
    /// How long it wants to wait at the most.
    pub max_wait: Option<Duration>,
    /// Lower is sooner.
    pub priority: Option<u8>,
}

impl TurnWish {
    /// What the client says of its waiting. A header beats the body.
    #[must_use]
    pub fn read(headers: &HeaderMap, request: &Request) -> Self {
        const MAX_WAIT: HeaderName = HeaderName::from_static("x-tollgate-max-wait");
        const PRIORITY: HeaderName = HeaderName::from_static("x-tollgate-priority");
        let said = |name: &HeaderName| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is clamped")]
        let level = |number: f64| number.clamp(0.0, 255.0) as u8;
        Self {
            max_wait: said(&MAX_WAIT).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            priority: said(&PRIORITY).map(level).or_else(|| request.priority()),
        }
    }
}

/// What a call that comes now has before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// A deployment can be asked.
    Open,
    /// It has its turn after about so long.
    Waits(Duration),
    /// It cannot have its turn in time.
    NoTurn(NoTurn),
    /// No deployment can be asked, and waiting does not help.
    Barred(Bar),
}

impl Group {
    /// What a call may do to get its turn; `None` where nothing is limited.
    #[must_use]
    pub fn turn(&self, standing: &Standing, request: &Request, wish: TurnWish) -> Option<Turn> {
        let queue = self.queue.as_ref()?;
        let tokens = GroupQueue::tokens(self, request.prompt_estimate(), request.max_tokens());
        Some(queue.turn(standing, wish, tokens))
    }

    /// What a call has before it; nothing is counted.
    #[must_use]
    pub fn outlook(&self, wish: &Wish<'_>, turn: Option<Turn>) -> Outlook {
        let bar = self.nobody(wish);
        let Some((turn, queue)) = turn.zip(self.queue.as_ref()).filter(|_| self.must_wait(bar)) else {
            return bar.map_or(Outlook::Open, Outlook::Barred);
        };
        match queue.outlook(turn, self.ruled_out(wish)) {
            Ok(wait) => Outlook::Waits(wait),
            Err(why) => Outlook::NoTurn(why),
        }
    }

    /// Whether a call has to wait for its turn: time alone bars all deployments, or others wait already.
    #[must_use]
    pub fn must_wait(&self, bar: Option<Bar>) -> bool {
        match bar {
            None => self.queue.as_ref().is_some_and(GroupQueue::is_busy),
            Some(Bar::Cooled(_) | Bar::Quota(_)) => true,
            Some(_) => false,
        }
    }
}

/// What a call does until it has its turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// How long it may wait in all.
    pub patience: Duration,
    rank: Rank,
}

impl Turn {
    /// About how many tokens the call takes.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.rank.demand.tokens
    }
}

impl GroupQueue {
    /// The queue of a group, if its limits hold. Groups that share a quota share the queue of the first of them.
    pub(super) fn of(
        group: &str,
        deployments: &[Arc<Deployment>],
        config: &Config,
        queue: Arc<Queue>,
    ) -> Option<Self> {
        let max_wait = config.max_wait_of(group)?;
        // Limits may have been raised.
        queue.changed();
        let sum = |limit: fn(Limits) -> Option<u64>| -> u64 {
            deployments.iter().filter_map(|d| limit(d.quota.limits())).sum()
        };
        Some(Self {
            queue,
            candidates: deployments.into(),
            max_wait,
            keep_alive: config.queue.keep_alive,
            max_depth: config.queue.max_depth,
            priority: config.queue.priority,
            tokens_per_request: sum(|l| l.tokens).checked_div(sum(|l| l.requests)).filter(|n| *n > 0),
        })
    }

    /// The same for some of the group's deployments.
    #[must_use]
    pub(super) fn among(&self, deployments: &[Arc<Deployment>]) -> Self {
        Self { queue: Arc::clone(&self.queue), candidates: deployments.into(), ..*self }
    }

    /// Whether something is counted: a deployment has a limit. Where none has, calls only wait for those that are out.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.candidates.iter().any(|deployment| deployment.quota.is_configured())
    }

    /// About how many tokens a call takes of a quota.
    #[must_use]
    pub fn tokens(group: &Group, prompt: u64, max_tokens: Option<u64>) -> u64 {
        let small = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        let unknown = group.max_output().unwrap_or(UNKNOWN_ANSWER).min(UNKNOWN_ANSWER);
        let output = output_estimate(max_tokens.map(small), group.learned.mean(), Some(small(unknown)));
        prompt.saturating_add(u64::from(output))
    }

    /// Whether somebody waits.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.queue.depth() > 0
    }

    /// Takes a turn at once, unless others wait or there is no room.
    #[must_use]
    pub fn take(&self, index: usize, tokens: u64) -> Option<Ticket> {
        if self.is_busy() {
            return None;
        }
        self.queue.take(&self.candidates.get(index)?.quota, tokens)
    }

    /// What a caller's call may do here: its own terms bound what its client wishes.
    #[must_use]
    pub fn turn(&self, standing: &Standing, wish: TurnWish, tokens: u64) -> Turn {
        let QueueTerms { weight, max_wait, priority } = standing.queue();
        let bound = max_wait.unwrap_or(self.max_wait);
        let best = priority.unwrap_or(self.priority);
        // A call costs what it takes of the scarcer limit.
        let cost = self.tokens_per_request.map_or(1000, |worth| tokens.saturating_mul(1000) / worth);
        let rank = Rank {
            flow: flow_of(&standing.key_hash),
            weight: weight.unwrap_or(WEIGHT),
            priority: wish.priority.unwrap_or(best).max(best),
            demand: Demand { requests: 1, tokens },
            cost: cost.max(1000),
            again: false,
        };
        Turn { patience: wish.max_wait.map_or(bound, |wish| wish.min(bound)), rank }
    }

    fn ask(&self, turn: Turn, barred: SmallVec<[usize; 8]>, tried: SmallVec<[usize; 8]>) -> Ask {
        Ask { candidates: Arc::clone(&self.candidates), barred, tried, rank: turn.rank }
    }

    /// How long a call would wait if it came now; `None` if that is more than a day.
    #[must_use]
    pub fn estimate(&self, turn: Turn, barred: SmallVec<[usize; 8]>) -> Option<Duration> {
        self.queue.estimate(&self.ask(turn, barred, SmallVec::new()))
    }

    /// How long a call will about wait for its turn.
    ///
    /// # Errors
    /// Why it cannot get one in time.
    pub fn outlook(&self, turn: Turn, barred: SmallVec<[usize; 8]>) -> Result<Duration, NoTurn> {
        let estimate = self.estimate(turn, barred);
        let Some(wait) = estimate.filter(|wait| *wait <= turn.patience) else {
            return Err(NoTurn::TooLate(estimate));
        };
        let full = self.queue.depth() >= self.max_depth && !wait.is_zero();
        if full { Err(NoTurn::Full(estimate)) } else { Ok(wait) }
    }

    /// Waits for a turn, up to `patience`. A call that had one goes first.
    ///
    /// # Errors
    /// [`NoTurn`]; nothing is taken then.
    pub async fn wait(
        &self,
        mut turn: Turn,
        barred: SmallVec<[usize; 8]>,
        tried: SmallVec<[usize; 8]>,
    ) -> Result<Granted, NoTurn> {
        turn.rank.again = !tried.is_empty();
        self.queue.wait(self.ask(turn, barred, tried), turn.patience, self.max_depth).await
    }
}

/// The same number for a key wherever it waits.
fn flow_of(key_hash: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key_hash.hash(&mut hasher);
    hasher.finish()
}

/// Tells each quota its limits: the least of those of the deployments that share it. Where nothing is limited it has
/// none.
pub(super) fn configure(deployments: &[Arc<Deployment>], config: &Config) {
    let mut limits: HashMap<u64, Limits> = HashMap::new();
    let limited = |d: &&Arc<Deployment>| config.max_wait_of(&d.target.group).is_some();
    for deployment in deployments.iter().filter(limited) {
        let weights = &deployment.target.weights;
        let own = Limits { requests: weights.rpm, tokens: weights.tpm };
        let all = limits.entry(deployment.quota.number()).or_default();
        *all = all.least(own);
    }
    for deployment in deployments {
        let of_lane = limits.get(&deployment.quota.number()).copied().unwrap_or_default();
        deployment.quota.configure(of_lane, config.queue.window);
    }
}

/// Gives each group its queue; those that share a quota share one.
pub(super) struct Queues<'a> {
    config: &'a Config,
    upstreams: &'a Upstreams,
    /// The queue in which each quota's calls wait.
    by_quota: HashMap<u64, Arc<Queue>>,
}

impl<'a> Queues<'a> {
    pub(super) fn new(config: &'a Config, upstreams: &'a Upstreams) -> Self {
        Self { config, upstreams, by_quota: HashMap::new() }
    }

    pub(super) fn of(&mut self, group: &str, deployments: &[Arc<Deployment>]) -> Option<GroupQueue> {
        self.config.max_wait_of(group)?;
        let shared = deployments.iter().find_map(|d| self.by_quota.get(&d.quota.number()).cloned());
        let queue = shared.unwrap_or_else(|| self.upstreams.queue(group));
        for deployment in deployments {
            self.by_quota.entry(deployment.quota.number()).or_insert_with(|| Arc::clone(&queue));
        }
        GroupQueue::of(group, deployments, self.config, queue)
    }
}
