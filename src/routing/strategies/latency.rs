//! `latency-based-routing`: the fastest, or one at random of those that are about as fast.
//!
//! One that nobody has seen yet is tried first, by one call at a time: were it slow, only that call would know.

use super::{Args, Look, STRETCH, Strategy, stretch};
use smallvec::SmallVec;

pub(super) struct Latency {
    count: usize,
    buffer: f64,
}

impl Latency {
    pub(super) fn new(count: usize, args: &Args) -> Self {
        Self { count, buffer: args.lowest_latency_buffer.max(0.0) }
    }
}

impl Strategy for Latency {
    fn pick(&self, look: &Look<'_>) -> Option<usize> {
        let open = stretch::usable(self.count, look);
        let known: SmallVec<[(usize, Option<f64>); STRETCH]> =
            open.iter().map(|at| (*at, look.sight.latency(*at))).collect();
        let unseen = |seen: &&(usize, Option<f64>)| seen.1.is_none();
        let untried: SmallVec<[usize; STRETCH]> = known
            .iter()
            .filter(unseen)
            .map(|seen| seen.0)
            .filter(|at| look.sight.in_flight(*at) == 0)
            .collect();
        if let Some(at) = untried.get(stretch::place(look.draw, untried.len())) {
            return Some(*at);
        }
        let Some(lowest) = known.iter().filter_map(|seen| seen.1).reduce(f64::min) else {
            return stretch::least(&open, look.draw, |at| look.sight.in_flight(at));
        };
        let most = lowest * (1.0 + self.buffer);
        let fast: SmallVec<[usize; STRETCH]> = known
            .iter()
            .filter(|seen| seen.1.is_some_and(|latency| latency <= most))
            .map(|seen| seen.0)
            .collect();
        fast.get(stretch::place(look.draw, fast.len())).copied()
    }

    fn score(&self, look: &Look<'_>, at: usize) -> f64 {
        look.sight.latency(at).unwrap_or_default()
    }
}
