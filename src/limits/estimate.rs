//! What a call will take, guessed before it is made.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

const REMEMBERED: usize = 64;
/// Completion tokens of a model that says nothing of its limit.
const UNKNOWN_MODEL: u32 = 4096;

/// How long the last 64 answers of a model group were.
#[derive(Debug)]
pub struct Learned {
    /// Completion tokens plus one; 0 where there was no answer yet.
    answers: [AtomicU32; REMEMBERED],
    next: AtomicUsize,
}

impl Default for Learned {
    fn default() -> Self {
        Self { answers: [const { AtomicU32::new(0) }; REMEMBERED], next: AtomicUsize::new(0) }
    }
}

impl Learned {
    /// Takes note of an answer's completion tokens.
    pub fn record(&self, completion_tokens: u32) {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % REMEMBERED;
        if let Some(place) = self.answers.get(at) {
            place.store(completion_tokens.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Remembers what another one remembers.
    pub fn take_over(&self, other: &Self) {
        for (own, known) in self.answers.iter().zip(&other.answers) {
            own.store(known.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The completion tokens of the longest remembered answer; `None` before the first.
    #[must_use]
    pub fn longest(&self) -> Option<u32> {
        let longest = self.answers.iter().map(|answer| answer.load(Ordering::Relaxed)).max();
        longest.and_then(|tokens| tokens.checked_sub(1))
    }

    /// The mean completion tokens of the remembered answers; `None` before the first. Of many calls together it
    /// promises neither too much nor too little.
    #[must_use]
    pub fn mean(&self) -> Option<u32> {
        let answers = self.answers.iter().map(|answer| u64::from(answer.load(Ordering::Relaxed)));
        let (count, sum) =
            answers.filter(|answer| *answer > 0).fold((0, 0), |(n, sum), answer| (n + 1, sum + answer - 1));
        let mean = u64::checked_div(sum, count)?;
        u32::try_from(mean).ok()
    }
}

/// The completion tokens to reserve for: what is learned, or else the model's limit (4096 if it has none), but
/// never more than the client asked for.
#[must_use]
pub fn output_estimate(max_tokens: Option<u32>, learned: Option<u32>, model_max: Option<u32>) -> u32 {
    let likely = learned.or(model_max).unwrap_or(UNKNOWN_MODEL);
    max_tokens.map_or(likely, |asked| asked.min(likely))
}
