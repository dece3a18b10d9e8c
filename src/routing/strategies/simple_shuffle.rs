//! `simple-shuffle`: weighted random, by `weight`, else `rpm`, else `tpm`, else evenly.
//!
//! As in LiteLLM the first deployment decides which of the three counts for all of them. The weights are summed up once,
//! with a table of where to look among the sums, so that a pick among a thousand deployments costs what one among two does.

use super::stretch::place;
use super::{Candidate, Look, Strategy};

/// How often a draw that hits an unusable deployment is tried again before all are looked at.
const REDRAWS: u32 = 8;

/// Some deployments, with running sums of their weights.
#[derive(Clone, Debug)]
pub(super) struct SimpleShuffle {
    /// By rising index; empty if they are all there are.
    members: Vec<usize>,
    weights: Vec<f64>,
    sums: Vec<f64>,
    /// For each of as many equal parts of the whole as there are members, the one that it begins in; empty if all are
    /// alike, and part and member the same.
    starts: Vec<u32>,
}

impl SimpleShuffle {
    /// Prepares the weights of a group.
    pub(super) fn new(candidates: &[Candidate]) -> Self {
        Self::weighted(Vec::new(), weights(candidates))
    }

    /// These members, all alike.
    pub(super) fn even(members: Vec<usize>) -> Self {
        let weights = vec![1.0; members.len()];
        Self::weighted(members, weights)
    }

    fn weighted(members: Vec<usize>, mut weights: Vec<f64>) -> Self {
        if weights.iter().all(|w| *w <= 0.0) {
            weights.fill(1.0);
        }
        let mut total = 0.0;
        let sums = weights.iter().map(|w| {
            total += w;
            total
        });
        let sums: Vec<f64> = sums.collect();
        let is_even = weights.windows(2).all(|pair| pair[0] == pair[1]);
        let starts = if is_even { Vec::new() } else { starts(&sums) };
        Self { members, weights, sums, starts }
    }

    /// The place of the member that a draw hits.
    fn hit(&self, draw: f64) -> usize {
        let part = place(draw, self.sums.len());
        let Some(start) = self.starts.get(part) else { return part };
        let aim = draw * self.sums.last().copied().unwrap_or_default();
        let rest = self.sums.iter().skip(*start as usize);
        (*start as usize + rest.take_while(|sum| **sum <= aim).count()).min(self.sums.len() - 1)
    }

    fn member(&self, place: usize) -> usize {
        self.members.get(place).copied().unwrap_or(place)
    }

    /// The exact way: sums over the usable only. Weightless ones come last.
    fn pick_among(&self, draw: f64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let open: Vec<usize> = (0..self.sums.len()).filter(|at| usable(self.member(*at))).collect();
        let total: f64 = open.iter().map(|at| self.weights[*at]).sum();
        let mut left = draw * total;
        for at in &open {
            left -= self.weights[*at];
            if left < 0.0 {
                return Some(self.member(*at));
            }
        }
        open.last().map(|at| self.member(*at))
    }
}

impl Strategy for SimpleShuffle {
    fn pick(&self, look: &Look<'_>) -> Option<usize> {
        let usable = |at: usize| look.sight.usable(at);
        if self.sums.is_empty() {
            return None;
        }
        let mut draw = look.draw;
        for _ in 0..REDRAWS {
            let at = self.hit(draw);
            let (member, has_weight) = (self.member(at), self.starts.is_empty() || self.weights[at] > 0.0);
            if has_weight && usable(member) {
                return Some(member);
            }
            // The fractional part of a stretched draw is as uniform as the draw was.
            draw = (draw * 7919.0 + 0.618_033_988_749_895).fract();
        }
        self.pick_among(draw, usable)
    }

    fn score(&self, _: &Look<'_>, at: usize) -> f64 {
        let own = if self.members.is_empty() { Some(at) } else { self.members.binary_search(&at).ok() };
        let weight = own.and_then(|own| self.weights.get(own)).copied().unwrap_or_default();
        weight / self.sums.last().copied().unwrap_or(1.0)
    }
}

/// The members that equal parts of the whole begin in; rounding must not let a part begin too late.
#[expect(clippy::cast_precision_loss, reason = "there are few members")]
fn starts(sums: &[f64]) -> Vec<u32> {
    let total = sums.last().copied().unwrap_or_default();
    let begin = |part: usize| part as f64 / sums.len() as f64 * total * (1.0 - 1e-12);
    let start = |part| sums.partition_point(|sum| *sum <= begin(part));
    (0..sums.len()).map(|part| u32::try_from(start(part)).unwrap_or_default()).collect()
}

/// One number for each deployment; those without the deciding key get zero.
#[expect(clippy::cast_precision_loss, reason = "requests and tokens a minute are far below 2^52")]
fn weights(candidates: &[Candidate]) -> Vec<f64> {
    let Some(first) = candidates.first() else { return Vec::new() };
    let number: fn(&Candidate) -> f64 = if first.weight.is_some() {
        |c| c.weight.unwrap_or(0.0)
    } else if first.rpm.is_some() {
        |c| c.rpm.unwrap_or(0) as f64
    } else if first.tpm.is_some() {
        |c| c.tpm.unwrap_or(0) as f64
    } else {
        |_| 1.0
    };
    candidates.iter().map(|c| number(c).max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::Seen;
    use super::*;

    fn by_weight(weights: &[f64]) -> SimpleShuffle {
        let candidates: Vec<Candidate> =
            weights.iter().map(|w| Candidate { weight: Some(*w), ..Candidate::default() }).collect();
        SimpleShuffle::new(&candidates)
    }

    fn pick(strategy: &SimpleShuffle, draw: f64, usable: &[bool]) -> Option<usize> {
        let sight = Seen { usable: usable.to_vec(), ..Seen::default() };
        strategy.pick(&Look { draw, affinity: None, sight: &sight })
    }

    fn shares(strategy: &SimpleShuffle, usable: &[bool]) -> Vec<f64> {
        let mut counts = vec![0.0; usable.len()];
        let draws = 20_000;
        for i in 0..draws {
            let draw = (f64::from(i) * 0.618_033_988_749_895).fract();
            counts[pick(strategy, draw, usable).unwrap()] += 1.0;
        }
        counts.iter().map(|c| c / f64::from(draws)).collect()
    }

    #[test]
    fn traffic_follows_the_weights() {
        let found = shares(&by_weight(&[1.0, 2.0, 3.0, 4.0]), &[true; 4]);
        for (share, expected) in found.iter().zip([0.1, 0.2, 0.3, 0.4]) {
            assert!((share - expected).abs() < 0.003, "{share} should be {expected}");
        }
    }

    #[test]
    fn a_hit_is_where_the_sums_say() {
        let weights: Vec<f64> = (0..1000).map(|n| f64::from(n * 7919 % 100)).collect();
        let strategy = by_weight(&weights);
        let total = *strategy.sums.last().unwrap();
        for i in 0..100_000 {
            let draw = f64::from(i) / 100_000.0;
            assert_eq!(
                strategy.hit(draw),
                strategy.sums.partition_point(|sum| *sum <= draw * total),
                "{draw}"
            );
        }
        let even = by_weight(&[2.0; 1000]);
        assert!((0..1000).all(|n| even.hit((f64::from(n) + 0.5) / 1000.0) == n as usize));
    }

    #[test]
    fn what_is_out_is_shared_by_the_others_in_proportion() {
        let found = shares(&by_weight(&[1.0, 1.0, 2.0]), &[true, true, false]);
        assert!(found[2] == 0.0 && (found[0] - 0.5).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn a_weightless_deployment_is_a_last_resort() {
        let strategy = by_weight(&[1.0, 0.0]);
        assert!(shares(&strategy, &[true; 2])[1] == 0.0);
        assert_eq!(pick(&strategy, 0.5, &[false, true]), Some(1));
        assert_eq!(pick(&strategy, 0.5, &[false; 2]), None);
    }

    #[test]
    fn the_first_deployment_decides_what_counts() {
        let rpm = |rpm| Candidate { rpm, ..Candidate::default() };
        assert_eq!(weights(&[rpm(Some(30)), rpm(None), rpm(Some(3))]), [30.0, 0.0, 3.0]);
        assert_eq!(weights(&[rpm(None), rpm(Some(30))]), [1.0, 1.0]);
    }
}
