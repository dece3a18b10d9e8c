//! `least-busy`: the fewest calls under way.

use super::{Look, Strategy, stretch};

/// How many deployments there are.
pub(super) struct LeastBusy(pub(super) usize);

impl Strategy for LeastBusy {
    fn pick(&self, look: &Look<'_>) -> Option<usize> {
        let open = stretch::usable(self.0, look);
        stretch::least(&open, look.draw, |at| look.sight.in_flight(at))
    }

    #[expect(clippy::cast_precision_loss, reason = "calls under way are few")]
    fn score(&self, look: &Look<'_>, at: usize) -> f64 {
        look.sight.in_flight(at) as f64
    }
}
