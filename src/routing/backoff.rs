//! How long to wait before the next attempt.

use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(8);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
const FIRST: Duration = Duration::from_millis(500);
const JITTER: Duration = Duration::from_millis(750);

/// The wait before retry number `retry` (0 is the first), LiteLLM's rule: nothing while another
/// healthy deployment is there, else the upstream's `Retry-After` up to a minute, else doubling
/// from half a second up to eight, never less than `least`.
#[must_use]
pub fn backoff(retry: u32, another: bool, retry_after: Option<Duration>, least: Duration) -> Duration {
    if another {
        return Duration::ZERO;
    }
    if let Some(after) = retry_after.filter(|after| !after.is_zero() && *after <= LONGEST_RETRY_AFTER) {
        return after;
    }
    FIRST.saturating_mul(1 << retry.min(5)).max(least).min(LONGEST.max(least))
}

/// A wait with up to 0.75 s on top, so that callers that failed together do not return together.
/// `draw` is a uniform number in [0, 1).
#[must_use]
pub fn jitter(wait: Duration, draw: f64) -> Duration {
    if wait.is_zero() { wait } else { wait + JITTER.mul_f64(draw.clamp(0.0, 1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stop_at_eight_seconds() {
        let waits: Vec<u128> = (0..7).map(|n| backoff(n, false, None, Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert!(jitter(Duration::from_secs(1), 0.999) < Duration::from_millis(1750));
    }

    #[test]
    fn retry_after_is_honoured_up_to_a_minute_and_others_need_no_wait() {
        let after = |s| Some(Duration::from_secs(s));
        assert_eq!(backoff(0, false, after(7), Duration::ZERO), Duration::from_secs(7));
        assert_eq!(backoff(0, false, after(3600), Duration::ZERO), Duration::from_millis(500));
        assert_eq!(backoff(3, true, after(7), Duration::from_secs(5)), Duration::ZERO);
        assert_eq!(backoff(0, false, None, Duration::from_secs(20)), Duration::from_secs(20));
    }
}
