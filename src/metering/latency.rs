//! How fast an answer came.

use crate::domain::Timings;
use std::time::Duration;

/// The three latencies of an answer; `None` where one means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Time to the first token, of streams.
    pub ttft: Option<Duration>,
    /// Time for each produced token, over the whole upstream call.
    pub tpot: Option<Duration>,
    /// Time between tokens after the first, of streams with more than one.
    pub itl: Option<Duration>,
}

impl Latencies {
    /// The latencies of a call that produced `completion_tokens`.
    #[must_use]
    pub fn of(timings: &Timings, completion_tokens: u64, stream: bool) -> Self {
        let Some(start) = timings.upstream_start else { return Self::default() };
        let end = timings.upstream_end.unwrap_or(timings.end);
        let first = timings.first_token.filter(|_| stream);
        Self {
            ttft: first.map(|first| first.saturating_sub(start)),
            tpot: share(end.saturating_sub(start), completion_tokens),
            itl: first.and_then(|first| share(end.saturating_sub(first), completion_tokens.checked_sub(1)?)),
        }
    }
}

fn share(whole: Duration, parts: u64) -> Option<Duration> {
    let nanos = whole.as_nanos().checked_div(u128::from(parts))?;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn timings() -> Timings {
        Timings {
            upstream_start: Some(ms(10)),
            first_token: Some(ms(110)),
            upstream_end: Some(ms(1010)),
            end: ms(1020),
        }
    }

    #[test]
    fn a_stream_has_all_three() {
        let found = Latencies::of(&timings(), 10, true);
        assert_eq!(found, Latencies { ttft: Some(ms(100)), tpot: Some(ms(100)), itl: Some(ms(100)) });
    }

    #[test]
    fn a_single_token_has_no_gap_and_none_at_all_no_share() {
        assert_eq!(Latencies::of(&timings(), 1, true).itl, None);
        assert_eq!(Latencies::of(&timings(), 0, true).tpot, None);
        assert_eq!(Latencies::of(&timings(), 0, true).itl, None);
    }

    #[test]
    fn an_answer_in_one_piece_has_only_its_share() {
        let found = Latencies::of(&timings(), 10, false);
        assert_eq!(found, Latencies { ttft: None, tpot: Some(ms(100)), itl: None });
        assert_eq!(Latencies::of(&Timings::default(), 10, true), Latencies::default());
    }
}
