//! When a second attempt is worth it: how long the first token usually takes, and how many calls may be made twice.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How calls of a group are hedged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HedgeTerms {
    /// A first token is late after so long; `None` is later than 95 of 100 were.
    pub after: Option<Duration>,
    /// The share of calls that may be made twice, from 0 to 1.
    pub share: f64,
}

/// So many answers are remembered.
const REMEMBERED: usize = 128;
/// With fewer nobody knows what is late.
const LEAST: usize = 20;
/// A call that is made twice takes so much of what all calls together saved.
const WHOLE: u64 = 1_000_000;
/// So many calls may be made twice in a row after a quiet time.
const BURST: u64 = 10;

/// What is learned of a group's answers, and what its calls have saved for second attempts.
#[derive(Debug)]
pub struct HedgeMemory {
    streams: Waits,
    whole: Waits,
    saved: AtomicU64,
}

/// How long the last answers took until they began, in milliseconds plus one; 0 where there was none yet.
#[derive(Debug)]
struct Waits {
    waits: [AtomicU32; REMEMBERED],
    next: AtomicUsize,
}

impl Default for HedgeMemory {
    fn default() -> Self {
        let waits = || Waits { waits: [const { AtomicU32::new(0) }; REMEMBERED], next: AtomicUsize::new(0) };
        Self { streams: waits(), whole: waits(), saved: AtomicU64::new(0) }
    }
}

impl HedgeMemory {
    /// A call began: it saves its share.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
    pub fn called(&self, terms: HedgeTerms) {
        let share = (terms.share.clamp(0.0, 1.0) * WHOLE as f64) as u64;
        let more = |saved: u64| Some(saved.saturating_add(share).min(BURST * WHOLE));
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Takes what a second attempt costs; false if calls have not saved it.
    pub fn spend(&self) -> bool {
        let less = |saved: u64| saved.checked_sub(WHOLE);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// An answer began after so long, or had not begun when it was given up.
    pub fn note(&self, stream: bool, wait: Duration) {
        let waits = self.of(stream);
        let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let at = waits.next.fetch_add(1, Ordering::Relaxed) % REMEMBERED;
        if let Some(place) = waits.waits.get(at) {
            place.store(millis.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// After how long an answer that has not begun is late; `None` while nobody knows.
    #[must_use]
    pub fn late_after(&self, terms: HedgeTerms, stream: bool) -> Option<Duration> {
        if terms.after.is_some() {
            return terms.after;
        }
        let mut waits = [0; REMEMBERED];
        let seen = waits.iter_mut().zip(&self.of(stream).waits);
        seen.for_each(|(wait, seen)| *wait = seen.load(Ordering::Relaxed));
        waits.sort_unstable();
        let known = waits.split_at(waits.partition_point(|wait| *wait == 0)).1;
        let late = known.get((known.len() * 19) / 20).filter(|_| known.len() >= LEAST)?;
        Some(Duration::from_millis(u64::from(*late)))
    }

    /// Remembers what another one remembers.
    pub fn take_over(&self, other: &Self) {
        for stream in [true, false] {
            for (own, known) in self.of(stream).waits.iter().zip(&other.of(stream).waits) {
                own.store(known.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        self.saved.store(other.saved.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    const fn of(&self, stream: bool) -> &Waits {
        if stream { &self.streams } else { &self.whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert, proptest};

    const LEARNED: HedgeTerms = HedgeTerms { after: None, share: 0.05 };

    #[test]
    fn late_is_what_19_of_20_were_not() {
        let memory = HedgeMemory::default();
        for millis in 1..=100 {
            let known = memory.late_after(LEARNED, true);
            assert_eq!(known.is_some(), millis > 20, "after {} answers", millis - 1);
            memory.note(true, Duration::from_millis(millis));
        }
        assert_eq!(memory.late_after(LEARNED, true), Some(Duration::from_millis(97)));
        assert_eq!(memory.late_after(LEARNED, false), None, "whole answers are another matter");
        let fixed = HedgeTerms { after: Some(Duration::from_millis(7)), ..LEARNED };
        assert_eq!(memory.late_after(fixed, false), fixed.after);
        let next = HedgeMemory::default();
        next.take_over(&memory);
        assert_eq!(next.late_after(LEARNED, true), memory.late_after(LEARNED, true));
    }

    proptest! {
        /// Never more than the share of the calls so far.
        #[test]
        fn no_more_calls_are_made_twice_than_may_be(
            steps in prop::collection::vec(any::<bool>(), 0..2000),
            share in 0.0f64..1.0,
        ) {
            let (memory, terms) = (HedgeMemory::default(), HedgeTerms { share, ..LEARNED });
            let (mut calls, mut twice) = (0.0, 0.0);
            for called in steps {
                if called {
                    memory.called(terms);
                    calls += 1.0;
                } else if memory.spend() {
                    twice += 1.0;
                }
                prop_assert!(twice <= calls * share);
            }
        }
    }
}
