//! The strategies. Each is built once for a group and asked before every attempt.

mod simple_shuffle;

pub use simple_shuffle::SimpleShuffle;

/// What a strategy may know of a deployment when the configuration is compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidate {
    /// `weight`.
    pub weight: Option<f64>,
    /// `rpm`.
    pub rpm: Option<u64>,
    /// `tpm`.
    pub tpm: Option<u64>,
    /// `order`: lower is tried first.
    pub order: i64,
}

/// Chooses among the deployments of one group, by their index in it.
pub trait Strategy: Send + Sync {
    /// The next deployment to try among those that `usable` says yes to; `None` if it never does.
    /// `draw` is a uniform number in [0, 1).
    fn pick(&self, draw: f64, usable: &dyn Fn(usize) -> bool) -> Option<usize>;
}

/// The whole order that repeated picks give: each usable deployment once.
#[must_use]
pub fn order(strategy: &dyn Strategy, mut draw: impl FnMut() -> f64, usable: &[bool]) -> Vec<usize> {
    let mut taken = vec![false; usable.len()];
    let mut order = Vec::with_capacity(usable.len());
    while let Some(next) = strategy.pick(draw(), &|i| usable[i] && !taken[i]) {
        taken[next] = true;
        order.push(next);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    proptest! {
        /// Every strategy: a duplicate-free order of exactly the usable.
        #[test]
        fn an_order_holds_each_usable_deployment_once(
            rows in prop::collection::vec((prop::option::of(0.0f64..9.0), 0i64..3, any::<bool>()), 0..24),
            seed in any::<u64>(),
        ) {
            let candidates: Vec<Candidate> = rows
                .iter()
                .map(|(weight, order, _)| Candidate { weight: *weight, order: *order, ..Candidate::default() })
                .collect();
            let usable: Vec<bool> = rows.iter().map(|row| row.2).collect();
            let strategies: [Box<dyn Strategy>; 1] = [Box::new(SimpleShuffle::new(&candidates))];
            for strategy in strategies {
                let mut rng = fastrand::Rng::with_seed(seed);
                let mut found = order(strategy.as_ref(), || rng.f64(), &usable);
                let levels: Vec<i64> = found.iter().map(|i| candidates[*i].order).collect();
                prop_assert_eq!(levels.is_sorted(), true, "lower orders come first");
                found.sort_unstable();
                let expected: Vec<usize> = (0..usable.len()).filter(|i| usable[*i]).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
