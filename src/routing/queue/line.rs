//! The order in which waiting calls are let through.
//!
//! Each call gets a tag: what its flow (a virtual key) has asked for so far, divided by its weight. Lower
//! tags go first, so that flows share by weight however many calls each sends. A lower priority number
//! goes first whatever the tags are, but every fourth grant goes by the tags alone, so that nobody waits
//! for ever. The first call that finds no room has a claim on the lane that has room for it soonest: later
//! calls may pass it by other lanes only, so that a large call is not starved by small ones.

use super::Demand;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap};

/// One grant in so many goes by the tags alone.
const FAIR_TURN: u32 = 4;
/// So many calls that find no room are looked at before the rest has to wait too.
const LOOK: usize = 16;
/// The cost of one request of a flow of weight 1.
const UNIT: u64 = 1 << 20;

/// Who waits, and for how much.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    /// Whose call it is.
    pub flow: u64,
    /// The flow's share, in thousandths; 0 counts as 1.
    pub weight: u32,
    /// Lower is sooner.
    pub priority: u8,
    /// What it takes.
    pub demand: Demand,
    /// Its cost compared with that of one request, in thousandths.
    pub cost: u64,
    /// It had its turn already and did not get its answer: it goes first.
    pub again: bool,
}

/// A place in the line. Lower is sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    priority: u8,
    tag: u64,
    number: u64,
}

/// Lanes that a call further ahead has a claim on.
#[derive(Clone, Debug, Default)]
pub struct Claims(SmallVec<[u64; 16]>);

impl Claims {
    /// Whether a lane may not be used.
    #[must_use]
    pub fn hold(&self, lane: u64) -> bool {
        self.0.contains(&lane)
    }
}

/// What came of trying to let a call through.
#[derive(Debug)]
pub enum Attempt<G> {
    /// It took what it needs.
    Granted(G),
    /// There is no room for it before `at`, and then on `lane` first; no lane if all it may use are claimed.
    Later {
        /// Milliseconds.
        at: u64,
        /// The lane that it has a claim on now.
        lane: Option<u64>,
    },
}

/// A call that waits.
pub trait Waits {
    /// What it gets when it may go.
    type Grant;

    /// Takes what it needs on a lane without a claim, if there is room.
    fn attempt(&mut self, now: u64, claims: &Claims) -> Attempt<Self::Grant>;
}

/// Calls that wait.
#[derive(Debug)]
pub struct Line<C> {
    waiting: BTreeMap<Place, Waiting<C>>,
    /// The last tag of each flow that is ahead of `clock`.
    flows: HashMap<u64, u64>,
    /// The highest tag that was let through.
    clock: u64,
    /// Grants to whoever was first.
    turn: u32,
    next: u64,
}

#[derive(Debug)]
struct Waiting<C> {
    call: C,
    demand: Demand,
    flow: u64,
    /// The flow's tag before this call.
    before: u64,
}

/// What came of moving the line on.
#[derive(Debug)]
pub struct Advance<C, G> {
    /// Those who may go, with what they got.
    pub granted: Vec<(C, G)>,
    /// When to look again, unless something is given back before; `None` if nobody waits.
    pub next: Option<u64>,
}

impl<C> Default for Line<C> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), flows: HashMap::new(), clock: 0, turn: 0, next: 0 }
    }
}

impl<C> Line<C> {
    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What those want who would go before a call of this rank.
    #[must_use]
    pub fn ahead(&self, rank: Rank) -> Demand {
        let place = self.place(rank);
        self.waiting.range(..place).fold(Demand::default(), |all, (_, waiting)| all.plus(waiting.demand))
    }

    /// Puts a call into the line.
    pub fn join(&mut self, rank: Rank, call: C) -> Place {
        let place = self.place(rank);
        let before = self.flows.get(&rank.flow).copied().unwrap_or_default();
        self.next += 1;
        if !rank.again {
            self.flows.insert(rank.flow, place.tag);
            if self.flows.len() > 2 * self.waiting.len() + 64 {
                let clock = self.clock;
                self.flows.retain(|_, tag| *tag > clock);
            }
        }
        self.waiting.insert(place, Waiting { call, demand: rank.demand, flow: rank.flow, before });
        place
    }

    /// Takes a call out of the line; `None` if it is no longer there. The last call of its flow was not asked for then.
    pub fn leave(&mut self, place: Place) -> Option<C> {
        let left = self.waiting.remove(&place);
        if let Some(waiting) = &left
            && let Some(tag) = self.flows.get_mut(&waiting.flow).filter(|tag| **tag == place.tag)
        {
            *tag = waiting.before;
        }
        self.rest();
        left.map(|waiting| waiting.call)
    }

    fn place(&self, rank: Rank) -> Place {
        let start = self.flows.get(&rank.flow).copied().unwrap_or_default().max(self.clock);
        let cost = UNIT.saturating_mul(rank.cost.max(1)) / u64::from(rank.weight.max(1));
        let tag = if rank.again { 0 } else { start.saturating_add(cost.max(1)) };
        let priority = if rank.again { 0 } else { rank.priority };
        Place { priority, tag, number: self.next }
    }

    /// Forgets the past when nobody waits: who comes then finds an even start.
    fn rest(&mut self) {
        if self.waiting.is_empty() {
            self.flows.clear();
            self.clock = 0;
        }
    }

    /// Who is first, apart from these.
    fn first(&self, apart: &[Place]) -> Option<Place> {
        let open = |from: Place| {
            let mut rest = self.waiting.range(from..).map(|(place, _)| *place);
            rest.find(|place| !apart.contains(place))
        };
        let mut first = open(Place { priority: 0, tag: 0, number: 0 })?;
        if self.turn % FAIR_TURN != FAIR_TURN - 1 {
            return Some(first);
        }
        let mut level = first;
        while let Some(priority) = level.priority.checked_add(1) {
            let Some(next) = open(Place { priority, tag: 0, number: 0 }) else { break };
            if (next.tag, next.number) < (first.tag, first.number) {
                first = next;
            }
            level = next;
        }
        Some(first)
    }
}

impl<C: Waits> Line<C> {
    /// Lets everybody through for whom there is room.
    pub fn advance(&mut self, now: u64) -> Advance<C, C::Grant> {
        let mut granted = Vec::new();
        let mut claims = Claims::default();
        let mut blocked: SmallVec<[Place; LOOK]> = SmallVec::new();
        let mut next = u64::MAX;
        while blocked.len() < LOOK
            && let Some(place) = self.first(&blocked)
        {
            let Some(waiting) = self.waiting.get_mut(&place) else { break };
            match waiting.call.attempt(now, &claims) {
                Attempt::Granted(grant) => {
                    self.clock = self.clock.max(place.tag);
                    self.turn = self.turn.wrapping_add(u32::from(blocked.is_empty()));
                    granted.extend(self.waiting.remove(&place).map(|waiting| (waiting.call, grant)));
                }
                Attempt::Later { at, lane } => {
                    next = next.min(at);
                    claims.0.extend(lane);
                    blocked.push(place);
                }
            }
        }
        self.rest();
        Advance { granted, next: (!self.waiting.is_empty()).then_some(next.max(now.saturating_add(1))) }
    }
}
