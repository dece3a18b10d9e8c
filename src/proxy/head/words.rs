//! Names of headers, and values in their forms.

use crate::domain::{Decimal, Money};
use http::header::ORIGIN;
use http::{HeaderValue, Version};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use std::time::Duration;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const ZERO: HeaderValue = HeaderValue::from_static("0.0");
pub(super) const EMPTY: HeaderValue = HeaderValue::from_static("");

macro_rules! names {
    ($($name:ident = $text:literal;)*) => { $(pub(super) const $name: &str = $text;)* };
}

names! {
    CALL_ID = "x-litellm-call-id";
    MODEL_ID = "x-litellm-model-id";
    API_BASE = "x-litellm-model-api-base";
    VERSION = "x-litellm-version";
    COST = "x-litellm-response-cost";
    COST_ORIGINAL = "x-litellm-response-cost-original";
    DISCOUNT = "x-litellm-response-cost-discount-amount";
    MARGIN = "x-litellm-response-cost-margin-amount";
    MARGIN_PERCENT = "x-litellm-response-cost-margin-percent";
    KEY_SPEND = "x-litellm-key-spend";
    DURATION = "x-litellm-response-duration-ms";
    OVERHEAD = "x-litellm-overhead-duration-ms";
    GROUP = "x-litellm-model-group";
    RETRIES = "x-litellm-attempted-retries";
    MAX_RETRIES = "x-litellm-max-retries";
    FALLBACKS = "x-litellm-attempted-fallbacks";
    TIMEOUT = "x-litellm-timeout";
    ACCEL = "x-accel-buffering";
    ALLOW_ORIGIN = "access-control-allow-origin";
}

/// Browsers may call the gateway; the key, not the origin, decides.
pub(in crate::proxy) fn allow_origin(head: &mut ResponseHeader, session: &Session) -> Result<()> {
    if !is_cross_origin(session) {
        return Ok(());
    }
    head.insert_header(ALLOW_ORIGIN, HeaderValue::from_static("*"))
}

/// Whether a body without a length is to end with the connection: chunks came with HTTP/1.1.
pub(in crate::proxy) fn ends_by_close(session: &mut Session) -> bool {
    let is_old = session.req_header().version < Version::HTTP_11;
    if is_old {
        session.set_keepalive(None);
    }
    is_old
}

pub(super) fn is_cross_origin(session: &Session) -> bool {
    session.req_header().headers.contains_key(ORIGIN)
}

pub(in crate::proxy) fn money(amount: Money) -> HeaderValue {
    if amount.is_zero() { ZERO } else { text(amount.text().as_str()) }
}

/// With three decimals.
pub(super) fn milliseconds(duration: Duration) -> Decimal {
    Decimal::new(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), 3)
}

pub(super) fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_three_decimals() {
        for (micros, shown) in [(0, "0.000"), (7, "0.007"), (1_000, "1.000"), (12_345_678, "12345.678")] {
            assert_eq!(milliseconds(Duration::from_micros(micros)).as_str(), shown);
        }
    }
}
