//! `cost-based-routing`: the lowest price of a token of prompt and one of answer together, evenly among those
//! that cost the same. What nobody knows the price of comes last.

use super::simple_shuffle::SimpleShuffle;
use super::{Candidate, Look, Strategy};

/// The deployments by price, the cheapest first.
pub(super) struct Cost {
    tiers: Vec<SimpleShuffle>,
    prices: Vec<Option<u64>>,
}

/// A price is in pico-dollars for one token, and told in dollars for a million.
const PICO_PER_MILLION: f64 = 1e6;

impl Cost {
    pub(super) fn new(candidates: &[Candidate]) -> Self {
        let prices: Vec<Option<u64>> = candidates.iter().map(|candidate| candidate.price).collect();
        let mut known: Vec<u64> = prices.iter().map(|price| price.unwrap_or(u64::MAX)).collect();
        known.sort_unstable();
        known.dedup();
        let tier = |price: u64| {
            let members = (0..prices.len()).filter(|at| prices[*at].unwrap_or(u64::MAX) == price);
            SimpleShuffle::even(members.collect())
        };
        Self { tiers: known.into_iter().map(tier).collect(), prices }
    }
}

impl Strategy for Cost {
    fn pick(&self, look: &Look<'_>) -> Option<usize> {
        self.tiers.iter().find_map(|tier| tier.pick(look))
    }

    #[expect(clippy::cast_precision_loss, reason = "a price is told, not billed, from this")]
    fn score(&self, _: &Look<'_>, at: usize) -> f64 {
        let price = self.prices.get(at).copied().flatten();
        price.map_or(f64::INFINITY, |price| price as f64 / PICO_PER_MILLION)
    }
}
