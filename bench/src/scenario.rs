//! What is measured. All are bounded: by time, by count, by both.

use std::time::Duration;

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub load: Load,
    /// The model asked for, which tells the simulator what to answer.
    pub model: &'static str,
    pub prompt_bytes: usize,
    /// The most the subject may cost, as a multiple of the bare pass-through.
    pub budget: Option<f64>,
    /// With virtual keys: how many there are, and how many of them are used in turn.
    pub keys: Option<Keys>,
}

/// Virtual keys.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    pub stored: Stored,
    pub used: usize,
}

/// How many keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    One,
    Million,
}

impl Stored {
    pub const fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Million => 1_000_000,
        }
    }
}

/// How a scenario loads its target.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    Closed { clients: usize },
    Open { clients: usize, rate: f64 },
    Streams { clients: usize, events: u64 },
    Held { clients: usize },
}

impl Scenario {
    /// What one unit of work is.
    pub const fn unit(&self) -> &'static str {
        match self.load {
            Load::Closed { .. } | Load::Open { .. } => "request",
            Load::Streams { .. } => "chunk",
            Load::Held { .. } => "open stream",
        }
    }

    /// Whether latencies say more than throughput does: not where clients wait for a busy processor.
    pub const fn latency(&self) -> bool {
        matches!(
            self.load,
            Load::Closed { clients: 1 } | Load::Open { .. } | Load::Streams { clients: ..=64, .. }
        )
    }

    pub const fn streams(&self) -> bool {
        matches!(self.load, Load::Streams { .. } | Load::Held { .. })
    }
}

/// The scenarios, in the order of the table.
pub fn all() -> Vec<Scenario> {
    let small = "sim-ok";
    let closed = |name, clients, model, prompt_bytes, budget| Scenario {
        name,
        load: Load::Closed { clients },
        model,
        prompt_bytes,
        budget,
        keys: None,
    };
    let keyed = |name, stored, used, load| Scenario {
        name,
        load,
        model: small,
        prompt_bytes: 20,
        budget: Some(PER_REQUEST),
        keys: Some(Keys { stored, used }),
    };
    let c16 = Load::Closed { clients: 16 };
    vec![
        closed("chat-c1", 1, small, 20, Some(PER_REQUEST)),
        closed("chat-c16", 16, small, 20, Some(PER_REQUEST)),
        closed("chat-c128", 128, small, 20, Some(PER_REQUEST)),
        Scenario {
            name: "chat-open-1000",
            load: Load::Open { clients: 64, rate: 1000.0 },
            model: small,
            prompt_bytes: 20,
            budget: Some(PER_REQUEST),
            keys: None,
        },
        // The same as chat-c16 but for the size of the group: the cost is to be the same.
        closed("group-1000-c16", 16, MANY, 20, Some(PER_REQUEST)),
        closed("request-1k", 16, small, 1 << 10, Some(PER_REQUEST)),
        // The same as request-1k and streams-64-fast but for the upstream's dialect: what they cost more is translation.
        closed("translated-1k", 16, TRANSLATED, 1 << 10, None),
        Scenario {
            name: "translated-streams-64-fast",
            load: Load::Streams { clients: 64, events: 1003 },
            model: TRANSLATED_STREAM,
            prompt_bytes: 20,
            budget: None,
            keys: None,
        },
        closed("request-16k", 16, small, 16 << 10, None),
        closed("request-100k", 16, small, 100 << 10, Some(PER_100_KB)),
        closed("request-1m", 8, small, 1 << 20, None),
        closed("response-1k", 16, "sim-bytes=1024", 20, Some(PER_REQUEST)),
        closed("response-16k", 16, "sim-bytes=16384", 20, None),
        closed("response-100k", 16, "sim-bytes=102400", 20, Some(PER_100_KB)),
        closed("response-1m", 8, "sim-bytes=1048576", 20, None),
        Scenario {
            name: "streams-64",
            load: Load::Streams { clients: 64, events: 203 },
            model: "sim-chunks=200+gap=10",
            prompt_bytes: 20,
            budget: Some(PER_CHUNK),
            keys: None,
        },
        Scenario {
            name: "streams-64-fast",
            load: Load::Streams { clients: 64, events: 1003 },
            model: "sim-chunks=1000+gap=1",
            prompt_bytes: 20,
            budget: Some(PER_CHUNK),
            keys: None,
        },
        Scenario {
            name: "streams-500",
            load: Load::Streams { clients: 500, events: 53 },
            model: "sim-chunks=50+gap=50",
            prompt_bytes: 20,
            budget: Some(PER_CHUNK),
            keys: None,
        },
        Scenario {
            name: "idle-streams-2000",
            load: Load::Held { clients: 2000 },
            model: "sim-gap=600000",
            prompt_bytes: 20,
            budget: None,
            keys: None,
        },
        keyed("keys-c1", Stored::One, 1, Load::Closed { clients: 1 }),
        keyed("keys-c16", Stored::One, 1, c16),
        keyed("keys-c128", Stored::One, 1, Load::Closed { clients: 128 }),
        keyed("keys-open-1000", Stored::One, 1, Load::Open { clients: 64, rate: 1000.0 }),
        keyed("keys-1m-c16", Stored::Million, 1, c16),
        keyed("keys-1m-1k-c16", Stored::Million, 1_000, c16),
        keyed("keys-1m-100k-c16", Stored::Million, 100_000, c16),
    ]
}

/// A model with so many deployments; it is answered as `sim-ok` is.
pub const MANY: &str = "sim-ok+ok";
pub const MANY_DEPLOYMENTS: usize = 1_000;

/// Models of which the gateway asks in Anthropic's words; asked directly they are as `sim-ok` and `sim-chunks` are.
pub const TRANSLATED: &str = "sim-ok+ok+ok";
pub const TRANSLATED_STREAM: &str = "sim-chunks=1000+gap=1+ok";

/// How long and how often: (rounds, time of each).
pub const fn pace(quick: bool) -> (usize, Duration) {
    if quick { (1, Duration::from_millis(700)) } else { (3, Duration::from_secs(3)) }
}

/// The gateway's budgets, as multiples of the bare pass-through's cost.
const PER_REQUEST: f64 = 1.35;
/// With a virtual key, limits and budgets of key, user and team, and each call booked in a database.
pub const PER_KEYED_REQUEST: f64 = 1.5;
/// Resident when nothing was asked yet but one call, in bytes.
pub const IDLE: f64 = 25.0 * 1024.0 * 1024.0;
/// For each open stream above the bare pass-through's memory, in bytes.
pub const MORE_PER_STREAM: f64 = 8.0 * 1024.0;
const PER_CHUNK: f64 = 1.3;
const PER_100_KB: f64 = 1.4;
