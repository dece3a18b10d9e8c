//! The strategies. Each is built once for the deployments of a group that share an `order`, and asked before
//! every attempt.
//!
//! A strategy is a file here and a line in [`ALL`]; the property suite in `tests.rs` runs on all lines. What it
//! may look at while it chooses is [`Sight`]. Those that compare live numbers look at [`STRETCH`] usable
//! deployments from a random place on, so that a choice among a thousand costs no more than one among sixty-four.

mod cost;
mod headroom;
mod latency;
mod least_busy;
mod levels;
mod prefix_affinity;
mod simple_shuffle;
mod stretch;
#[cfg(test)]
mod tests;
mod usage;

pub use levels::Chooser;

use std::fmt;
use std::time::Duration;

/// So many usable deployments are compared at most.
pub const STRETCH: usize = 64;

/// What a strategy may know of a deployment when the configuration is compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidate {
    /// A hash of its id, the same in every process.
    pub id: u64,
    /// `weight`.
    pub weight: Option<f64>,
    /// `rpm`.
    pub rpm: Option<u64>,
    /// `tpm`.
    pub tpm: Option<u64>,
    /// `order`: lower is tried first.
    pub order: i64,
    /// What a token of prompt and one of an answer cost together, in pico-dollars; `None` if nobody knows.
    pub price: Option<u64>,
}

/// `routing_strategy_args`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Args {
    /// Latencies up to this share above the lowest are as good as it.
    pub lowest_latency_buffer: f64,
    /// How long a latency is believed after its last sample.
    pub ttl: Duration,
    /// So many samples make about one average.
    pub samples: u32,
    /// A deployment may have this many times its even share of the calls under way before its sessions spill.
    pub load_factor: f64,
    /// With no more calls under way than this a deployment is never too loaded for its sessions.
    pub min_load: u64,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            lowest_latency_buffer: 0.0,
            ttl: Duration::from_secs(3600),
            samples: 10,
            load_factor: 1.25,
            min_load: 8,
        }
    }
}

/// The deployments at the moment of a choice, by their index.
pub trait Sight {
    /// Whether it may be chosen.
    fn usable(&self, at: usize) -> bool;
    /// Calls under way.
    fn in_flight(&self, at: usize) -> u64;
    /// Seconds for each token, or to the first one for a call that streams; `None` before any answer.
    fn latency(&self, at: usize) -> Option<f64>;
    /// Tokens of the last minute, with those that calls under way will likely take.
    fn tokens(&self, at: usize) -> f64;
    /// The share of its quota that is left, 1 for one without.
    fn headroom(&self, at: usize) -> f64;
}

/// One choice.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// A uniform number in [0, 1).
    pub draw: f64,
    /// What calls have in common that should meet the same deployment.
    pub affinity: Option<u64>,
    /// The deployments.
    pub sight: &'a dyn Sight,
}

/// Chooses among the deployments of one group and `order`.
pub trait Strategy: Send + Sync {
    /// The next deployment to try; `None` if none is usable.
    fn pick(&self, look: &Look<'_>) -> Option<usize>;

    /// The number by which this one is judged, in the unit that [`Entry::score`] names.
    fn score(&self, look: &Look<'_>, at: usize) -> f64;
}

/// What must be written down of calls for a strategy to see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Latencies.
    pub latency: bool,
    /// Requests, tokens, and what upstreams say of their quota.
    pub usage: bool,
}

impl Notes {
    /// What either wants.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self { latency: self.latency || other.latency, usage: self.usage || other.usage }
    }
}

/// A line of the table.
pub struct Entry {
    /// Its names; the first is its own.
    pub names: &'static [&'static str],
    /// What its scores are, and which are chosen.
    pub score: &'static str,
    /// Whether `rpm` and `tpm` are limits, as LiteLLM has it, and not weights.
    pub limits: bool,
    /// Whether it matters what calls have in common.
    pub by_affinity: bool,
    /// What it wants to see.
    pub notes: Notes,
    build: fn(&[Candidate], &Args) -> Box<dyn Strategy>,
}

const NOTHING: Notes = Notes { latency: false, usage: false };
const USAGE: Notes = Notes { latency: false, usage: true };
const BOTH: Notes = Notes { latency: true, usage: true };

/// All strategies.
pub static ALL: &[Entry] = &[
    Entry {
        names: &["simple-shuffle", "provider-budget-routing"],
        score: "share of the traffic; drawn",
        limits: false,
        by_affinity: false,
        notes: NOTHING,
        build: |candidates, _| Box::new(simple_shuffle::SimpleShuffle::new(candidates)),
    },
    Entry {
        names: &["least-busy"],
        score: "calls under way; fewest",
        limits: false,
        by_affinity: false,
        notes: NOTHING,
        build: |candidates, _| Box::new(least_busy::LeastBusy(candidates.len())),
    },
    Entry {
        names: &["latency-based-routing", "latency-based"],
        score: "seconds per token, of streams to the first token; lowest",
        limits: true,
        by_affinity: false,
        notes: BOTH,
        build: |candidates, args| Box::new(latency::Latency::new(candidates.len(), args)),
    },
    Entry {
        names: &["usage-based-routing", "usage-based-routing-v2"],
        score: "tokens of the last minute; fewest",
        limits: true,
        by_affinity: false,
        notes: USAGE,
        build: |candidates, _| Box::new(usage::Usage(candidates.len())),
    },
    Entry {
        names: &["cost-based-routing"],
        score: "US dollars for a million tokens each way; lowest",
        limits: true,
        by_affinity: false,
        notes: USAGE,
        build: |candidates, _| Box::new(cost::Cost::new(candidates)),
    },
    Entry {
        names: &["headroom"],
        score: "share of the quota that is left; highest",
        limits: true,
        by_affinity: false,
        notes: USAGE,
        build: |candidates, _| Box::new(headroom::Headroom(candidates.len())),
    },
    Entry {
        names: &["prefix-affinity"],
        score: "place in the hash order of the session; highest that is not too loaded",
        limits: false,
        by_affinity: true,
        notes: NOTHING,
        build: |candidates, args| Box::new(prefix_affinity::PrefixAffinity::new(candidates, args)),
    },
];

impl Entry {
    /// The line of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|entry| entry.names.contains(&name))
    }

    /// Its own name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A strategy as configured.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Which.
    pub entry: &'static Entry,
    /// Its arguments.
    pub args: Args,
}

impl Default for Choice {
    fn default() -> Self {
        Self { entry: &ALL[0], args: Args::default() }
    }
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        self.entry.name() == other.entry.name() && self.args == other.args
    }
}

/// Every name that a configuration may say.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|entry| entry.names.iter().copied())
}

/// A number for a text, the same in every process and version (FNV-1a, then mixed).
#[must_use]
pub fn hash(text: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    mix(text.iter().fold(0xCBF2_9CE4_8422_2325, fnv))
}

/// Spreads a number over all bits (the end of splitmix64).
pub(crate) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
