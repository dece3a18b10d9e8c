//! Heads of answers: LiteLLM's headers, and what is passed on of the upstream's.

use super::stage::{Attempt, PassedHeaders, Relay};
use crate::domain::{LITELLM_VERSION, Money, Secret};
use crate::providers::Target;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use once_cell::sync::Lazy;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use std::collections::HashMap;
use std::time::Duration;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ZERO: HeaderValue = HeaderValue::from_static("0.0");

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
        if is_private(name) || value.len() > PASSED_BYTES || names_secret(value, target) {
            continue;
        }
        if name.as_str().starts_with("x-ratelimit-") {
            passed.push((name.clone(), value.clone()));
        }
        if let Some(name) = PREFIXED.get(name).cloned().or_else(|| prefixed(name)) {
            passed.push((name, value.clone()));
        }
    }
    passed
}

fn prefixed(name: &HeaderName) -> Option<HeaderName> {
    HeaderName::try_from(format!("{PREFIX}{name}")).ok()
}

/// The prefixed forms of what providers usually send: making one anew costs ten times a look-up.
static PREFIXED: Lazy<HashMap<HeaderName, HeaderName>> = Lazy::new(|| {
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
    let fits = |secret: &&Secret| secret.expose().len() <= value.len();
    let mut secrets = target.secrets().filter(fits);
    secrets.any(|secret| memchr::memmem::find(value.as_bytes(), secret.expose().as_bytes()).is_some())
}

fn is_private(name: &HeaderName) -> bool {
    const PRIVATE: [&str; 11] = [
        "set-cookie",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "trailer",
        "te",
        "proxy-authenticate",
        "proxy-connection",
        "authorization",
        "www-authenticate",
    ];
    PRIVATE.contains(&name.as_str())
}

/// What a whole answer's head says beyond what every answer says.
pub(super) struct Weighed {
    pub(super) length: usize,
    pub(super) cost: Money,
    pub(super) key_spend: Money,
    pub(super) total: Duration,
    pub(super) upstream: Duration,
}

/// The head of an answer that is sent as it comes.
pub(super) fn relayed(session: &Session, relay: &Relay) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(StatusCode::OK, Some(16 + relay.passed.len()))?;
    head.insert_header(CONTENT_TYPE, relay.content_type.clone().unwrap_or(JSON))?;
    common(&mut head, session, &relay.attempt)?;
    head.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))?;
    head.insert_header(ACCEL, HeaderValue::from_static("no"))?;
    head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    append(&mut head, &relay.passed)?;
    Ok(head)
}

/// The head of a whole answer.
pub(super) fn held(
    session: &Session,
    attempt: &Attempt,
    content_type: Option<HeaderValue>,
    passed: &PassedHeaders,
    weighed: &Weighed,
) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(StatusCode::OK, Some(24 + passed.len()))?;
    head.insert_header(CONTENT_TYPE, content_type.unwrap_or(JSON))?;
    head.insert_header(CONTENT_LENGTH, weighed.length)?;
    common(&mut head, session, attempt)?;
    if !weighed.cost.is_zero() {
        let cost = text(&weighed.cost.to_string());
        head.insert_header(COST, cost.clone())?;
        head.insert_header(COST_ORIGINAL, cost)?;
        head.insert_header(DISCOUNT, ZERO)?;
        head.insert_header(MARGIN, ZERO)?;
        head.insert_header(MARGIN_PERCENT, ZERO)?;
    }
    head.insert_header(KEY_SPEND, text(&weighed.key_spend.to_string()))?;
    head.insert_header(DURATION, milliseconds(weighed.total))?;
    head.insert_header(OVERHEAD, milliseconds(weighed.total.saturating_sub(weighed.upstream)))?;
    append(&mut head, passed)?;
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
    if let Some(timeout) = refused.timeout {
        head.insert_header(TIMEOUT, text(&format!("{:?}", timeout.as_secs_f64())))?;
    }
    allow_origin(&mut head, session)?;
    Ok(head)
}

fn common(head: &mut ResponseHeader, session: &Session, attempt: &Attempt) -> Result<()> {
    let admitted = &attempt.admitted;
    head.insert_header(CALL_ID, text(admitted.caller.call_id.as_str()))?;
    head.insert_header(MODEL_ID, attempt.deployment.labels.model_id.clone())?;
    head.insert_header(API_BASE, attempt.deployment.labels.api_base.clone())?;
    head.insert_header(VERSION, HeaderValue::from_static(LITELLM_VERSION))?;
    head.insert_header(GROUP, attempt.deployment.labels.group.clone())?;
    head.insert_header(RETRIES, HeaderValue::from(admitted.progress.retries))?;
    head.insert_header(FALLBACKS, HeaderValue::from_static("0"))?;
    if admitted.progress.retries > 0 {
        head.insert_header(MAX_RETRIES, HeaderValue::from(admitted.max_retries()))?;
    }
    allow_origin(head, session)
}

/// Browsers may call the gateway; the key, not the origin, decides.
pub(super) fn allow_origin(head: &mut ResponseHeader, session: &Session) -> Result<()> {
    if session.get_header(ORIGIN).is_none() {
        return Ok(());
    }
    head.insert_header(ALLOW_ORIGIN, HeaderValue::from_static("*"))
}

fn append(head: &mut ResponseHeader, passed: &PassedHeaders) -> Result<()> {
    passed.iter().try_for_each(|(name, value)| head.append_header(name.clone(), value.clone()).map(|_| ()))
}

fn milliseconds(duration: Duration) -> HeaderValue {
    let micros = duration.as_micros();
    text(&format!("{}.{:03}", micros / 1000, micros % 1000))
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))
}
