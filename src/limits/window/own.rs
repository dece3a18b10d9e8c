//! What one thread does with the room that it was lent.

use super::hold::RateHold;
use crate::domain::RateTerms;
use crate::limits::lending::Part;
use crate::limits::pace::Pace;
use crate::limits::{Left, Load};

/// What a thread was lent, and what it counted.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Which window the room is of.
    pub(super) generation: u64,
    /// The times between which that window runs, in unix milliseconds.
    pub(super) after: i64,
    pub(super) before: i64,
    /// Under which terms it was lent.
    pub(super) terms: RateTerms,
    pub(super) lent: Counts,
    pub(super) used: Counts,
    /// What was counted by all when it was lent.
    pub(super) base: Load,
    pub(super) pace: Pace,
}

/// What is less than before is below zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: i64,
    pub(super) tokens: i64,
    pub(super) parallel: i64,
}

impl Part<Own> {
    pub(super) fn admit(&self, now: i64, terms: &RateTerms, tokens: u64) -> Option<(RateHold, Left)> {
        let mut own = self.own();
        let is_lent = own.after < now && now < own.before && own.terms == *terms;
        let asked = Counts { requests: 1, tokens: i64::try_from(tokens).ok()?, parallel: 1 };
        let used = own.used.plus(&asked);
        if !is_lent || !used.is_within(&own.lent) {
            return None;
        }
        own.used = used;
        own.pace.calls += 1;
        let left = |limit: Option<u64>, base: u64, used: i64| {
            limit.map_or(u64::MAX, |limit| limit.saturating_sub(base.saturating_add_signed(used)))
        };
        let left = Left {
            requests: left(terms.rpm, own.base.requests, used.requests),
            tokens: left(terms.tpm, own.base.tokens, used.tokens),
        };
        Some((RateHold { generation: own.generation, tokens }, left))
    }

    /// Whether the end of a call could be noted here: it took no more than there is room for.
    pub(super) fn settle(&self, hold: &RateHold, tokens: u64) -> bool {
        let mut own = self.own();
        if hold.generation == own.generation {
            let Some(more) = difference(tokens, hold.tokens) else { return false };
            if more > 0 && more > own.lent.tokens.saturating_sub(own.used.tokens) {
                return false;
            }
            own.used.tokens += more;
        }
        own.used.parallel -= 1;
        true
    }
}

impl Counts {
    pub(super) const fn plus(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
            parallel: self.parallel.saturating_add(other.parallel),
        }
    }

    const fn is_within(&self, room: &Self) -> bool {
        self.requests <= room.requests && self.tokens <= room.tokens && self.parallel <= room.parallel
    }
}

fn difference(now: u64, before: u64) -> Option<i64> {
    i64::try_from(now).ok()?.checked_sub(i64::try_from(before).ok()?)
}
