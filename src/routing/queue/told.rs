//! What an upstream says about its limits: `x-ratelimit-limit-requests` and its like.

use std::time::Duration;

/// What was said of requests and of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Of requests.
    pub requests: Side,
    /// Of tokens.
    pub tokens: Side,
}

/// What was said of one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// The limit.
    pub limit: Option<u64>,
    /// What is left.
    pub remaining: Option<u64>,
    /// Milliseconds until all of it is there again.
    pub reset: Option<u64>,
}

/// Numbers from here on are moments, in unix seconds; from [`MILLIS`] on in milliseconds.
const MOMENTS: f64 = 1e9;
const MILLIS: f64 = 1e12;
/// No reset is believed to be further away.
const LONGEST: Duration = Duration::from_hours(31 * 24);

impl Told {
    /// Reads the values that `header` finds by name; `unix_ms` is the time of day.
    pub fn read<'a>(header: impl Fn(&'static str) -> Option<&'a str>, unix_ms: i64) -> Self {
        let side = |limit, remaining, reset| Side {
            limit: header(limit).and_then(count),
            remaining: header(remaining).and_then(count),
            reset: header(reset).and_then(|text| wait(text, unix_ms)),
        };
        Self {
            requests: side(
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ),
            tokens: side(
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ),
        }
    }

    /// After a 429: how long until there is quota again. What has nothing left decides, else what does not say how much
    /// is left.
    #[must_use]
    pub fn refused_for(&self) -> Option<Duration> {
        let resets = |left: Option<u64>| {
            let sides = [self.requests, self.tokens].into_iter();
            sides.filter(move |side| side.remaining == left).filter_map(|side| side.reset).max()
        };
        resets(Some(0)).or_else(|| resets(None)).map(Duration::from_millis)
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// A whole number; below zero is zero.
fn count(text: &str) -> Option<u64> {
    let number: f64 = text.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (number.is_finite() && number < 1e15).then_some(number.max(0.0) as u64)
}

/// Milliseconds: of a number of seconds, a moment in unix time, or pieces such as `6m0s`, `1.5s`, `120ms`.
fn wait(text: &str, unix_ms: i64) -> Option<u64> {
    let text = text.trim();
    let milliseconds = match text.parse::<f64>() {
        Ok(seconds) => from_number(seconds, unix_ms),
        Err(_) => from_pieces(text)?,
    };
    let longest = LONGEST.as_secs_f64() * 1e3;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    milliseconds.is_finite().then_some(milliseconds.clamp(0.0, longest).ceil() as u64)
}

#[expect(clippy::cast_precision_loss, reason = "unix milliseconds fit a double exactly")]
fn from_number(number: f64, unix_ms: i64) -> f64 {
    match number {
        moment if moment >= MILLIS => moment - unix_ms as f64,
        moment if moment >= MOMENTS => moment * 1e3 - unix_ms as f64,
        seconds => seconds * 1e3,
    }
}

fn from_pieces(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let milliseconds = match unit {
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            "d" => 8.64e7,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * milliseconds;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn resets_are_read_as_vendors_write_them() {
        for (text, milliseconds) in [
            ("6m0s", Some(360_000)),
            ("120ms", Some(120)),
            ("1.5s", Some(1500)),
            ("1h2m3s", Some(3_723_000)),
            ("20", Some(20_000)),
            ("0.25", Some(250)),
            ("1700000005", Some(5000)),
            ("1700000005000", Some(5000)),
            ("1699999999", Some(0)),
            ("-3", Some(0)),
            ("", None),
            ("soon", None),
            ("5x", None),
            ("s", None),
        ] {
            assert_eq!(wait(text, NOW), milliseconds, "{text}");
        }
    }

    #[test]
    fn a_refusal_lasts_until_what_is_used_up_is_back() {
        let told = |requests: (&'static str, &'static str), tokens: (&'static str, &'static str)| {
            let header = |name: &'static str| {
                let (remaining, reset) = if name.ends_with("requests") { requests } else { tokens };
                Some(if name.contains("remaining") { remaining } else { reset })
            };
            Told::read(|name| header(name).filter(|text| !text.is_empty()), NOW).refused_for()
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(told(("0", "20s"), ("500", "40s")), seconds(20));
        assert_eq!(told(("0", "20s"), ("0", "40s")), seconds(40));
        assert_eq!(told(("3", "1h"), ("", "7")), seconds(7), "what is left does not keep a call out");
        assert_eq!(told(("3", "1h"), ("500", "40s")), None);
        assert_eq!(told(("0", ""), ("", "")), None);
    }

    proptest! {
        /// Whatever an upstream says, what is made of it is bounded.
        #[test]
        fn nothing_said_is_too_strange(text in "\\PC{0,24}", number in any::<f64>()) {
            for text in [text, number.to_string()] {
                prop_assert!(wait(&text, NOW).is_none_or(|ms| u128::from(ms) <= LONGEST.as_millis()));
                prop_assert!(count(&text).is_none_or(|n| n < 1_000_000_000_000_000));
            }
        }
    }
}
