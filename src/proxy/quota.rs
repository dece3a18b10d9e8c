//! What an upstream's head says of its quota: the smaller share of requests and tokens that is left.

use super::Gateway;
use super::stage::Attempt;
use crate::domain::unix_ms;
use crate::routing::queue::{Side, Told};
use http::{HeaderMap, HeaderName};
use std::time::{Duration, SystemTime};

/// What is said without a time holds so long: quotas are by the minute.
const MINUTE: Duration = Duration::from_secs(60);

/// What an answer's head says of its quota.
pub(super) fn told(headers: &HeaderMap) -> Told {
    let header = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
    Told::read(header, unix_ms(SystemTime::now()))
}

/// The share of the quota that is left, and how long that holds at most; `None` if nothing is said of it.
pub(super) fn left(headers: &HeaderMap) -> Option<(f64, Duration)> {
    let told = told(headers);
    let kinds = [told.requests, told.tokens].into_iter().filter_map(share);
    kinds.min_by(|one, other| one.0.total_cmp(&other.0))
}

#[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
fn share(side: Side) -> Option<(f64, Duration)> {
    let limit = side.limit.filter(|limit| *limit > 0)?;
    let left = (side.remaining? as f64 / limit as f64).min(1.0);
    Some((left, side.reset.map_or(MINUTE, Duration::from_millis).min(MINUTE)))
}

/// Notes what the upstream says is left of its quota.
pub(super) fn note(gateway: &Gateway, attempt: &Attempt, headers: &HeaderMap) {
    const REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
    const TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
    // Looked for one by one: the hash of a name that is seldom there costs more than the few that are.
    let said = |wanted: &HeaderName| headers.iter().find(|(name, _)| *name == wanted);
    let number = |name: HeaderName| said(&name)?.1.to_str().ok()?.trim().parse::<f64>().ok();
    let (requests, tokens) = (number(REQUESTS), number(TOKENS));
    if requests.is_some() || tokens.is_some() {
        gateway.telemetry.metrics.remaining(&attempt.deployment.target.id, requests, tokens);
        let group = &attempt.admitted.resolution.group;
        if group.notes_quota()
            && let Some((left, lasts)) = left(headers)
        {
            group.note_quota(&attempt.deployment, left, lasts);
        }
    }
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
