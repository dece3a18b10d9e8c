//! When an origin as a whole is in trouble, whichever of its deployments is asked.

use crate::domain::UpstreamClass;

/// What an origin's calls came to since one was last answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct OriginBreaker {
    silent: u32,
    first: u64,
    several: bool,
}

impl OriginBreaker {
    /// Counts a failed call of the deployment `who`; whether the origin is in trouble now: `allowed` calls (at least two),
    /// and more than one deployment, met no answer at all since somebody was last answered. A refusal of whatever kind
    /// is an answer.
    pub fn failed(&mut self, class: UpstreamClass, who: u64, allowed: u32) -> bool {
        if !matches!(class, UpstreamClass::Connection | UpstreamClass::Timeout) {
            self.answered();
            return false;
        }
        if self.silent == 0 {
            self.first = who;
        }
        self.silent = self.silent.saturating_add(1);
        self.several |= who != self.first;
        self.several && self.silent >= allowed.max(2)
    }

    /// A call was answered.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// Whether nothing is counted.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        self.silent == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use UpstreamClass::{Connection, Internal, Timeout};

    #[test]
    fn silence_to_several_is_trouble_and_to_one_is_not() {
        let mut origin = OriginBreaker::default();
        assert!((0..10).all(|_| !origin.failed(Timeout, 1, 3)));
        assert!(origin.failed(Connection, 2, 3), "the eleventh, and another one");
        let mut origin = OriginBreaker::default();
        assert!(
            !origin.failed(Timeout, 1, 3) && !origin.failed(Timeout, 2, 3) && origin.failed(Timeout, 1, 3)
        );
    }

    #[test]
    fn whoever_is_answered_or_refused_ends_it() {
        let mut origin = OriginBreaker::default();
        assert!(!origin.failed(Connection, 1, 0) && !origin.is_clear());
        assert!(!origin.failed(Internal, 2, 0) && origin.is_clear());
        assert!(!origin.failed(Connection, 2, 0));
        origin.answered();
        assert!(!origin.failed(Connection, 1, 0) && origin.failed(Connection, 2, 0));
    }
}
