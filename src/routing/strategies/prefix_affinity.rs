//! `prefix-affinity`: calls that belong together meet the same deployment, so that its prompt cache is warm.
//!
//! Each deployment has a place in the order that hashing it with the session gives; the first one that is not
//! too loaded gets the call. So a deployment that leaves moves its own sessions only, and one whose sessions are
//! busy gives the overflow to each session's next. "Too loaded" is more than `load_factor` times the even share of
//! the calls under way, as in consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2016).

use super::{Args, Candidate, Look, Strategy, mix};

pub(super) struct PrefixAffinity {
    ids: Vec<u64>,
    load_factor: f64,
    min_load: u64,
}

impl PrefixAffinity {
    pub(super) fn new(candidates: &[Candidate], args: &Args) -> Self {
        let ids = candidates.iter().map(|candidate| candidate.id).collect();
        Self { ids, load_factor: args.load_factor.max(1.0), min_load: args.min_load }
    }

    /// A call without anything in common with others is a session of its own.
    fn place(&self, look: &Look<'_>, at: usize) -> u64 {
        let session = look.affinity.unwrap_or_else(|| mix(look.draw.to_bits()));
        // Entries may have the same id; their index tells them apart.
        mix(session ^ self.ids.get(at).copied().unwrap_or_default()).wrapping_sub(at as u64)
    }

    /// How many calls under way make one too loaded for another.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "calls under way are few"
    )]
    fn bound(&self, under_way: u64, usable: usize) -> u64 {
        let share = self.load_factor * (under_way + 1) as f64 / usable.max(1) as f64;
        (share.ceil() as u64).max(self.min_load)
    }
}

impl Strategy for PrefixAffinity {
    fn pick(&self, look: &Look<'_>) -> Option<usize> {
        let open = || (0..self.ids.len()).filter(|at| look.sight.usable(*at));
        let first = open().max_by_key(|at| self.place(look, *at))?;
        if look.sight.in_flight(first) < self.min_load.max(1) {
            return Some(first);
        }
        let (under_way, usable) =
            open().fold((0, 0), |(calls, count), at| (calls + look.sight.in_flight(at), count + 1));
        let bound = self.bound(under_way, usable);
        let light = open().filter(|at| look.sight.in_flight(*at) < bound);
        light.max_by_key(|at| self.place(look, *at)).or(Some(first))
    }

    #[expect(clippy::cast_precision_loss, reason = "a place is told roughly")]
    fn score(&self, look: &Look<'_>, at: usize) -> f64 {
        self.place(look, at) as f64 / u64::MAX as f64
    }
}
