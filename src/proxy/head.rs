//! Heads of answers: LiteLLM's headers, and what is passed on of the upstream's.

use super::shape;
use super::stage::{Attempt, Caller, Hold, PassedHeaders, Relay};
use super::trace::ROUTE;
use crate::domain::{Decimal, LITELLM_VERSION, Money, Secret};
use crate::providers::Target;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use once_cell::sync::Lazy;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use std::time::Duration;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ZERO: HeaderValue = HeaderValue::from_static("0.0");
const EMPTY: HeaderValue = HeaderValue::from_static("");

macro_rules! names {
    ($($name:ident = $text:literal;)*) => { $(const $name: HeaderName = HeaderName::from_static($text);)* };
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

/// So many of an upstream's headers are passed on, each up to so many bytes.
const PASSED_AT_MOST: usize = 64;
const PASSED_BYTES: usize = 1024;
const PREFIX: &str = "llm_provider-";

/// Of the upstream's head: its rate limits as they are, everything else under LiteLLM's prefix.
/// Cookies, what belongs to the connection, and what repeats our credentials stay behind.
pub(super) fn passed(headers: &HeaderMap, target: &Target) -> PassedHeaders {
    let mut passed = Vec::with_capacity(headers.len() + 4);
    for (name, value) in headers.iter().take(PASSED_AT_MOST) {
        let usual = PREFIXED.get(name);
        if (usual.is_none() && is_private(name)) || value.len() > PASSED_BYTES || names_secret(value, target)
        {
            continue;
        }
        if name.as_str().starts_with("x-ratelimit-") {
            passed.push((name.clone(), value.clone()));
        }
        if let Some(name) = usual.cloned().or_else(|| prefixed(name)) {
            passed.push((name, value.clone()));
        }
    }
    passed
}

fn prefixed(name: &HeaderName) -> Option<HeaderName> {
    HeaderName::try_from(format!("{PREFIX}{name}")).ok()
}

/// The prefixed forms of what providers usually send, none of it private: making one anew costs ten times
/// a look-up.
static PREFIXED: Lazy<HeaderMap<HeaderName>> = Lazy::new(|| {
    let name = |name: &&'static str| HeaderName::from_static(name);
    USUAL.iter().map(name).filter_map(|name| Some((name.clone(), prefixed(&name)?))).collect()
});

const USUAL: [&str; 32] = [
    "access-control-expose-headers",
    "alt-svc",
    "cache-control",
    "cf-cache-status",
    "cf-ray",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "expires",
    "openai-model",
    "openai-organization",
    "openai-processing-ms",
    "openai-project",
    "openai-version",
    "pragma",
    "request-id",
    "server",
    "strict-transport-security",
    "vary",
    "via",
    "x-content-type-options",
    "x-envoy-upstream-service-time",
    "x-frame-options",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-request-id",
];

fn names_secret(value: &HeaderValue, target: &Target) -> bool {
    repeats(value, target.secrets().map(Secret::expose))
}

/// Whether a header repeats one of these secrets.
pub(super) fn repeats<'a>(value: &HeaderValue, secrets: impl Iterator<Item = &'a str>) -> bool {
    let mut secrets = secrets.filter(|secret| secret.len() <= value.len());
    secrets.any(|secret| memchr::memmem::find(value.as_bytes(), secret.as_bytes()).is_some())
}

/// Headers that belong to one connection.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    const HOP_BY_HOP: [&str; 8] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    HOP_BY_HOP.contains(&name.as_str())
}

fn is_private(name: &HeaderName) -> bool {
    const PRIVATE: [&str; 3] = ["set-cookie", "authorization", "www-authenticate"];
    is_hop_by_hop(name) || PRIVATE.contains(&name.as_str())
}

/// What a whole answer's head says beyond what every answer says.
pub(super) struct Weighed {
    pub(super) length: usize,
    pub(super) cost: Money,
    pub(super) key_spend: Money,
    pub(super) total: Duration,
    pub(super) upstream: Duration,
}

/// The headers of every answered call; their values follow in this order.
const COMMON: [HeaderName; 8] =
    [CONTENT_TYPE, CALL_ID, MODEL_ID, API_BASE, VERSION, GROUP, RETRIES, FALLBACKS];
const STREAM: [HeaderName; 3] = [CACHE_CONTROL, ACCEL, TRANSFER_ENCODING];
const WHOLE: [HeaderName; 4] = [CONTENT_LENGTH, KEY_SPEND, DURATION, OVERHEAD];
const PRICED: [HeaderName; 5] = [COST, COST_ORIGINAL, DISCOUNT, MARGIN, MARGIN_PERCENT];

/// Heads without values. A copy of one takes a fraction of the time in which its names can be hashed.
struct Templates {
    stream: HeaderMap,
    whole: HeaderMap,
    priced: HeaderMap,
}

static TEMPLATES: Lazy<Templates> = Lazy::new(|| Templates {
    stream: template(&[&COMMON, &STREAM]),
    whole: template(&[&COMMON, &WHOLE]),
    priced: template(&[&COMMON, &WHOLE, &PRICED]),
});

/// Room for what a head gets beyond its template, so that a copy need not grow its index.
const ROOM: usize = 48;

fn template(names: &[&[HeaderName]]) -> HeaderMap {
    let mut head = HeaderMap::with_capacity(ROOM);
    head.extend(names.iter().copied().flatten().map(|name| (name.clone(), EMPTY)));
    head
}

/// The head of an answer that is sent as it comes.
pub(super) fn relayed(session: &Session, relay: &mut Relay) -> ResponseHeader {
    let common = common(&relay.attempt, relay.content_type.take());
    let stream = ["no-cache", "no", "chunked"].map(HeaderValue::from_static);
    let more = more(&mut relay.attempt, std::mem::take(&mut relay.passed));
    let head = shape::head(&TEMPLATES.stream, common.into_iter().chain(stream), more);
    answer(head, session, &relay.attempt)
}

/// The head of a whole answer.
pub(super) fn held(session: &Session, hold: &mut Hold, weighed: &Weighed) -> ResponseHeader {
    let common = common(&hold.attempt, hold.content_type.take());
    let whole = [
        HeaderValue::from(weighed.length),
        money(weighed.key_spend),
        milliseconds(weighed.total),
        milliseconds(weighed.total.saturating_sub(weighed.upstream)),
    ];
    let values = common.into_iter().chain(whole);
    let more = more(&mut hold.attempt, std::mem::take(&mut hold.passed));
    let head = if weighed.cost.is_zero() {
        shape::head(&TEMPLATES.whole, values, more)
    } else {
        let cost = money(weighed.cost);
        shape::head(&TEMPLATES.priced, values.chain([cost.clone(), cost, ZERO, ZERO, ZERO]), more)
    };
    answer(head, session, &hold.attempt)
}

/// What is said of the caller's limits, and what is passed on.
fn more(attempt: &mut Attempt, passed: PassedHeaders) -> PassedHeaders {
    let mut more = std::mem::take(&mut attempt.admitted.limits);
    more.extend(passed);
    more
}

fn common(attempt: &Attempt, content_type: Option<HeaderValue>) -> [HeaderValue; 8] {
    let (admitted, labels) = (&attempt.admitted, &attempt.deployment.labels);
    [
        content_type.unwrap_or(JSON),
        text(admitted.caller.call_id.as_str()),
        labels.model_id.clone(),
        labels.api_base.clone(),
        HeaderValue::from_static(LITELLM_VERSION),
        labels.group.clone(),
        count(admitted.progress.retries),
        count(admitted.progress.fallbacks()),
    ]
}

/// Completes a head with what only some answers say.
fn answer(mut head: HeaderMap, session: &Session, attempt: &Attempt) -> ResponseHeader {
    let admitted = &attempt.admitted;
    if admitted.progress.retries > 0 {
        head.insert(MAX_RETRIES, HeaderValue::from(admitted.progress.max_retries));
    }
    if let Some(trace) = &admitted.progress.trace {
        head.insert(ROUTE, trace.value());
    }
    if is_cross_origin(session) {
        head.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.headers = head;
    // Made so, and not with Pingora's own methods, which parse every name again.
    parts.into()
}

/// The head of a stream of which nothing is known yet: who will answer it, and what is left of which limit.
pub(super) fn begun(session: &Session, caller: &Caller) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(200, Some(8))?;
    head.insert_header(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))?;
    head.insert_header(CALL_ID, text(caller.call_id.as_str()))?;
    head.insert_header(VERSION, HeaderValue::from_static(LITELLM_VERSION))?;
    head.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))?;
    head.insert_header(ACCEL, HeaderValue::from_static("no"))?;
    head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    allow_origin(&mut head, session)?;
    Ok(head)
}

/// The head of an answer that costs nothing and asked nobody.
pub(super) fn counted(session: &Session, caller: &Caller, length: usize) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(http::StatusCode::OK, Some(8))?;
    head.insert_header(CONTENT_TYPE, JSON)?;
    head.insert_header(CONTENT_LENGTH, length)?;
    head.insert_header(CALL_ID, text(caller.call_id.as_str()))?;
    head.insert_header(VERSION, HeaderValue::from_static(LITELLM_VERSION))?;
    allow_origin(&mut head, session)?;
    Ok(head)
}

/// The head of what a search found.
pub(super) fn searched(
    session: &Session,
    caller: &Caller,
    length: usize,
    (cost, key_spend): (Money, Money),
) -> Result<ResponseHeader> {
    let mut head = counted(session, caller, length)?;
    head.insert_header(COST, money(cost))?;
    head.insert_header(KEY_SPEND, money(key_spend))?;
    Ok(head)
}

/// The head of an error of ours.
pub(super) fn refusal(
    session: &Session,
    refused: &super::stage::Refused,
    length: usize,
) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(refused.error.status(), Some(16))?;
    head.insert_header(CONTENT_TYPE, JSON)?;
    head.insert_header(CONTENT_LENGTH, length)?;
    head.insert_header(CALL_ID, text(refused.caller.call_id.as_str()))?;
    head.insert_header(VERSION, HeaderValue::from_static(LITELLM_VERSION))?;
    head.insert_header(COST, HeaderValue::from_static("0"))?;
    if let Some(after) = refused.error.retry_after {
        let seconds = after.as_millis().div_ceil(1000).max(1);
        head.insert_header(http::header::RETRY_AFTER, text(&seconds.to_string()))?;
    }
    if let Some(deployment) = &refused.deployment {
        head.insert_header(MODEL_ID, text(deployment.target.id.as_str()))?;
    }
    if refused.retries > 0 {
        head.insert_header(RETRIES, HeaderValue::from(refused.retries))?;
        head.insert_header(MAX_RETRIES, HeaderValue::from(refused.max_retries))?;
    }
    if refused.fallbacks > 0 {
        head.insert_header(FALLBACKS, HeaderValue::from(refused.fallbacks))?;
    }
    if let Some(timeout) = refused.timeout {
        head.insert_header(TIMEOUT, text(&format!("{:?}", timeout.as_secs_f64())))?;
    }
    for (name, value) in &refused.headers {
        head.append_header(name.clone(), value.clone())?;
    }
    allow_origin(&mut head, session)?;
    Ok(head)
}

/// Browsers may call the gateway; the key, not the origin, decides.
pub(super) fn allow_origin(head: &mut ResponseHeader, session: &Session) -> Result<()> {
    if !is_cross_origin(session) {
        return Ok(());
    }
    head.insert_header(ALLOW_ORIGIN, HeaderValue::from_static("*"))
}

fn is_cross_origin(session: &Session) -> bool {
    session.req_header().headers.contains_key(ORIGIN)
}

pub(super) fn money(amount: Money) -> HeaderValue {
    if amount.is_zero() { ZERO } else { text(&amount.to_string()) }
}

fn count(number: u32) -> HeaderValue {
    if number == 0 { HeaderValue::from_static("0") } else { HeaderValue::from(number) }
}

/// With three decimals.
fn milliseconds(duration: Duration) -> HeaderValue {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    text(Decimal::new(micros, 3).as_str())
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_takes_its_values_in_the_order_of_its_names() {
        let names = || COMMON.into_iter().chain(WHOLE).chain(PRICED);
        let head = shape::head(&TEMPLATES.priced, names().map(|name| text(name.as_str())), Vec::new());
        assert_eq!(head.len(), names().count());
        assert!(head.iter().all(|(name, value)| name.as_str() == value));
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        for (micros, shown) in [(0, "0.000"), (7, "0.007"), (1_000, "1.000"), (12_345_678, "12345.678")] {
            assert_eq!(milliseconds(Duration::from_micros(micros)), shown);
        }
    }
}
