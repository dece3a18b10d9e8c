//! `prefix-affinity`: calls that belong together meet the same deployment, so that its prompt cache is warm.
//!
//! Each session has an order of the deployments; the first one that is not too loaded gets the call. So a deployment
//! that leaves moves its own sessions only, and one whose sessions are busy gives the overflow to each session's next.
//! "Too loaded" is more than `load_factor` times the even share of the calls under way, as in consistent hashing with
//! bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2016).
//!
//! Up to [`STRETCH`] deployments the order is that of a hash of session and deployment, which spreads sessions as evenly
//! as can be. More of them stand on a ring, so that a session finds its own without a look at all; the even share is
//! then that of a stretch of them.

use super::{Args, Candidate, Look, STRETCH, Strategy, mix, stretch};

/// Each deployment stands on the ring so many times.
const POINTS: u64 = 64;
/// So many points are passed by before all deployments are looked at.
const STEPS: usize = 256;

pub(super) struct PrefixAffinity {
    ids: Vec<u64>,
    /// Places on the ring and whose they are, by place; empty in a small group.
    ring: Vec<(u64, u32)>,
    load_factor: f64,
    min_load: u64,
}

impl PrefixAffinity {
    pub(super) fn new(candidates: &[Candidate], args: &Args) -> Self {
        let ids: Vec<u64> = candidates.iter().map(|candidate| candidate.id).collect();
        let ring = if ids.len() > STRETCH { ring(&ids) } else { Vec::new() };
        Self { ids, ring, load_factor: args.load_factor.max(1.0), min_load: args.min_load }
    }

    /// A call without anything in common with others is a session of its own.
    fn session(look: &Look<'_>) -> u64 {
        look.affinity.unwrap_or_else(|| mix(look.draw.to_bits()))
    }

    /// How early a deployment is in the session's order: the higher, the earlier.
    fn place(&self, look: &Look<'_>, at: usize) -> u64 {
        let session = Self::session(look);
        let id = self.ids.get(at).copied().unwrap_or_default();
        if self.ring.is_empty() {
            // Entries may have the same id; their index tells them apart.
            return mix(session ^ id).wrapping_sub(at as u64);
        }
        let from = mix(session);
        u64::MAX - points(id).map(|point| point.wrapping_sub(from)).min().unwrap_or(u64::MAX)
    }

    /// The first in the session's order of which this is true.
    fn first(&self, look: &Look<'_>, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let from = mix(Self::session(look));
        let (before, after) = self.ring.split_at(self.ring.partition_point(|(place, _)| *place < from));
        let mut walk = after.iter().chain(before).take(STEPS).map(|(_, at)| *at as usize);
        let found = walk.find(|at| fits(*at));
        let all = || (0..self.ids.len()).filter(|at| fits(*at));
        found.or_else(|| all().max_by_key(|at| self.place(look, *at)))
    }

    /// How many calls under way make one too loaded for another.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "calls under way are few"
    )]
    fn bound(&self, look: &Look<'_>) -> u64 {
        let open = stretch::usable(self.ids.len(), look);
        let under_way: u64 = open.iter().map(|at| look.sight.in_flight(*at)).sum();
        let share = self.load_factor * (under_way + 1) as f64 / open.len().max(1) as f64;
        (share.ceil() as u64).max(self.min_load)
    }
}

/// Where a deployment stands on the ring.
fn points(id: u64) -> impl Iterator<Item = u64> {
    (1..=POINTS).map(move |point| mix(id ^ mix(point)))
}

/// The points of all, by place.
fn ring(ids: &[u64]) -> Vec<(u64, u32)> {
    let of = |(at, id): (u32, &u64)| points(*id).map(move |point| (point, at));
    let mut ring: Vec<(u64, u32)> = (0..).zip(ids).flat_map(of).collect();
    ring.sort_unstable();
    ring
}

impl Strategy for PrefixAffinity {
    fn pick(&self, look: &Look<'_>) -> Option<usize> {
        let usable = |at: usize| look.sight.usable(at);
        let first = self.first(look, usable)?;
        if look.sight.in_flight(first) < self.min_load.max(1) {
            return Some(first);
        }
        let bound = self.bound(look);
        if look.sight.in_flight(first) < bound {
            return Some(first);
        }
        self.first(look, |at| look.sight.in_flight(at) < bound && usable(at)).or(Some(first))
    }

    #[expect(clippy::cast_precision_loss, reason = "a place is told roughly")]
    fn score(&self, look: &Look<'_>, at: usize) -> f64 {
        self.place(look, at) as f64 / u64::MAX as f64
    }
}
