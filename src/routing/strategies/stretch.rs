//! The comparing of live numbers: the least of a stretch of usable deployments, ties by lot.

use super::{Look, STRETCH};
use smallvec::SmallVec;

/// The usable ones among `count` that a choice compares: all, or of a large group some from a random place on.
pub(super) fn usable(count: usize, look: &Look<'_>) -> SmallVec<[usize; STRETCH]> {
    let from = if count > STRETCH { place(look.draw, count) } else { 0 };
    (from..count).chain(0..from).filter(|at| look.sight.usable(*at)).take(STRETCH).collect()
}

/// One of those with the lowest score; `None` if there are none.
pub(super) fn least<S: PartialOrd + Copy>(
    among: &[usize],
    draw: f64,
    score: impl Fn(usize) -> S,
) -> Option<usize> {
    let mut best: Option<S> = None;
    let mut tied: SmallVec<[usize; STRETCH]> = SmallVec::new();
    for &at in among {
        let score = score(at);
        if best.is_none_or(|best| score < best) {
            best = Some(score);
            tied.clear();
        }
        if best.is_none_or(|best| score <= best) {
            tied.push(at);
        }
    }
    tied.get(place(draw, tied.len())).copied()
}

/// Which of `count` places a draw in [0, 1) means.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a draw is in [0, 1), and groups are small"
)]
pub(super) fn place(draw: f64, count: usize) -> usize {
    ((draw * count as f64) as usize).min(count.saturating_sub(1))
}
