//! How often a thread calls.

/// So many calls in so many milliseconds are often: only then it matters who waits for whom, and otherwise everybody
/// sees at once what is counted.
const OFTEN: u32 = 32;
const SPAN: i64 = 1000;

/// The pace of calls.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// In the present span.
    pub(super) calls: u32,
    began: i64,
    was_often: bool,
}

impl Pace {
    /// Counts a call at `now` (unix milliseconds); whether there were many lately.
    pub(super) const fn is_often(&mut self, now: i64) -> bool {
        let age = now.saturating_sub(self.began);
        if age < 0 || age >= SPAN {
            self.was_often = self.calls >= OFTEN && age >= 0 && age < 2 * SPAN;
            self.calls = 0;
            self.began = now;
        }
        self.calls += 1;
        self.was_often || self.calls >= OFTEN
    }
}
