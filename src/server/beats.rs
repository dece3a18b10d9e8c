//! Whether the data-plane threads live: each leaves a mark now and then, and who looks sees how old the oldest is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest time between two marks.
const EVERY: Duration = Duration::from_secs(1);

/// The marks of all threads.
#[derive(Clone, Debug)]
pub(super) struct Beats {
    since: Instant,
    every: Option<Duration>,
    marks: Arc<[AtomicU64]>,
}

/// The mark of one thread.
#[derive(Debug)]
pub(super) struct Beat {
    all: Beats,
    every: Duration,
    index: usize,
}

impl Beats {
    /// Marks that tell within this time whether a thread stands still; without one none are left.
    pub(super) fn of(threads: usize, within: Option<Duration>) -> Self {
        let every = within.map(|within| (within / 4).clamp(Duration::from_millis(1), EVERY));
        let marks = (0..threads).map(|_| AtomicU64::new(0)).collect();
        Self { since: Instant::now(), every, marks }
    }

    /// The mark of the thread of this number, if any are left.
    pub(super) fn beat(&self, index: usize) -> Option<Beat> {
        self.every.map(|every| Beat { all: self.clone(), every, index })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The age of the oldest mark.
    pub(super) fn oldest(&self) -> Duration {
        let oldest = self.marks.iter().map(|mark| mark.load(Ordering::Relaxed)).min();
        Duration::from_millis(self.now_ms().saturating_sub(oldest.unwrap_or_default()))
    }
}

impl Beat {
    /// Leaves marks for ever.
    pub(super) async fn keep(self) {
        let mut tick = tokio::time::interval(self.every);
        loop {
            tick.tick().await;
            if let Some(mark) = self.all.marks.get(self.index) {
                mark.store(self.all.now_ms(), Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_stands_still_is_noticed() {
        let beats = Beats::of(2, Some(Duration::from_millis(40)));
        let lively = tokio::spawn(beats.beat(0).unwrap().keep());
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(beats.oldest() >= Duration::from_millis(30), "the second one never beat");
        let second = tokio::spawn(beats.beat(1).unwrap().keep());
        while beats.oldest() >= Duration::from_millis(30) {
            tokio::task::yield_now().await;
        }
        lively.abort();
        second.abort();
    }
}
