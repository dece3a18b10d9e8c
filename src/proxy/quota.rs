//! What an upstream's head says of its quota: the smaller share of requests and tokens that is left.

use http::HeaderMap;
use std::time::Duration;

/// What is said without a time holds so long: quotas are by the minute.
const MINUTE: Duration = Duration::from_secs(60);

/// The share of the quota that is left, and how long that holds at most; `None` if nothing is said of it.
pub(super) fn left(headers: &HeaderMap) -> Option<(f64, Duration)> {
    let kinds = ["requests", "tokens"].into_iter().filter_map(|kind| share(headers, kind));
    kinds.min_by(|one, other| one.0.total_cmp(&other.0))
}

fn share(headers: &HeaderMap, kind: &str) -> Option<(f64, Duration)> {
    let text = |what: &str| headers.get(format!("x-ratelimit-{what}-{kind}"))?.to_str().ok().map(str::trim);
    let number = |what| text(what)?.parse::<f64>().ok().filter(|n| n.is_finite());
    let limit = number("limit").filter(|limit| *limit > 0.0)?;
    let left = (number("remaining")? / limit).clamp(0.0, 1.0);
    Some((left, text("reset").and_then(time).unwrap_or(MINUTE).min(MINUTE)))
}

/// `1s`, `6m0s`, `20ms`, or seconds.
fn time(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.or_else(|| humantime::parse_duration(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn read(pairs: &[(&str, &str)]) -> Option<(f64, Duration)> {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(format!("x-ratelimit-{name}")).unwrap(), value.parse().unwrap())
        };
        left(&pairs.iter().map(pair).collect())
    }

    #[test]
    fn the_scarcer_of_the_two_decides() {
        let requests = [("limit-requests", "10"), ("remaining-requests", "5"), ("reset-requests", "20ms")];
        assert_eq!(read(&requests), Some((0.5, Duration::from_millis(20))));
        let tokens = [("limit-tokens", "1000"), ("remaining-tokens", "100"), ("reset-tokens", "0m6s")];
        assert_eq!(read(&[requests, tokens].concat()), Some((0.1, Duration::from_secs(6))));
        let bare = [("limit-requests", "10"), ("remaining-requests", "10")];
        assert_eq!(read(&bare), Some((1.0, MINUTE)));
    }

    #[test]
    fn what_is_no_number_says_nothing() {
        assert_eq!(read(&[]), None);
        for (limit, remaining) in [("0", "0"), ("x", "1"), ("10", ""), ("NaN", "1"), ("1", "inf")] {
            assert_eq!(read(&[("limit-requests", limit), ("remaining-requests", remaining)]), None);
        }
        let odd = [("limit-requests", "1"), ("remaining-requests", "-5"), ("reset-requests", "1e99")];
        assert_eq!(read(&odd), Some((0.0, MINUTE)));
    }
}
