//! `headroom`: the largest share of its quota left, so that keys of any size run dry together.

use super::{Look, Strategy, stretch};

/// How many deployments there are.
pub(super) struct Headroom(pub(super) usize);

impl Strategy for Headroom {
    fn pick(&self, look: &Look<'_>) -> Option<usize> {
        let open = stretch::usable(self.0, look);
        stretch::least(&open, look.draw, |at| (-look.sight.headroom(at), look.sight.in_flight(at)))
    }

    fn score(&self, look: &Look<'_>, at: usize) -> f64 {
        look.sight.headroom(at)
    }
}
