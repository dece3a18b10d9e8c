//! When a call would get its turn.

/// How much is wanted, or there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
}

impl Demand {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    /// Whether this much fits into that.
    #[must_use]
    pub const fn fits(self, room: Self) -> bool {
        self.requests <= room.requests && self.tokens <= room.tokens
    }
}

/// No wait is looked for beyond this, in milliseconds: a day.
const HORIZON: u64 = 86_400_000;

/// The first moment from `least` on by which there was room for all of `need`, where `room` says how much can be
/// begun up to a moment, never less for a later one. `None` if that is more than a day away.
pub fn soonest(least: u64, need: Demand, room: impl Fn(u64) -> Demand) -> Option<u64> {
    if need.fits(room(least)) {
        return Some(least);
    }
    let (mut early, mut late) = (least, least.saturating_add(HORIZON));
    if !need.fits(room(late)) {
        return None;
    }
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        if need.fits(room(middle)) { late = middle } else { early = middle }
    }
    Some(late)
}
