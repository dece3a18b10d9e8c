//! `usage-based-routing`: the fewest tokens in the last minute.

use super::{Look, Strategy, stretch};

/// How many deployments there are.
pub(super) struct Usage(pub(super) usize);

impl Strategy for Usage {
    fn pick(&self, look: &Look<'_>) -> Option<usize> {
        let open = stretch::usable(self.0, look);
        stretch::least(&open, look.draw, |at| (look.sight.tokens(at), look.sight.in_flight(at)))
    }

    fn score(&self, look: &Look<'_>, at: usize) -> f64 {
        look.sight.tokens(at)
    }
}
