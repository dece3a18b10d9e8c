//! Heads of upstreams' answers.

use super::lines::Lines;
use super::words::{
    ACCEL, ALLOW_ORIGIN, API_BASE, CALL_ID, COST, COST_ORIGINAL, DISCOUNT, DURATION, FALLBACKS, GROUP, JSON,
    KEY_SPEND, MARGIN, MARGIN_PERCENT, MAX_RETRIES, MODEL_ID, OVERHEAD, RETRIES, VERSION, ends_by_close,
    is_cross_origin, milliseconds, text,
};
use crate::domain::{Decimal, LITELLM_VERSION, Money};
use crate::proxy::route_report::ROUTE;
use crate::proxy::splice;
use crate::proxy::stage::{Attempt, Hold, Relay};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use std::time::Duration;

/// What a whole answer's head says beyond what every answer says.
pub(in crate::proxy) struct Weighed {
    pub(in crate::proxy) length: usize,
    pub(in crate::proxy) cost: Money,
    pub(in crate::proxy) key_spend: Money,
    pub(in crate::proxy) total: Duration,
    pub(in crate::proxy) upstream: Duration,
}

/// The head of an answer that is sent as it comes.
pub(in crate::proxy) fn relayed(session: &mut Session, relay: &mut Relay) -> ResponseHeader {
    let end = (!ends_by_close(session)).then(|| (TRANSFER_ENCODING, HeaderValue::from_static("chunked")));
    let mut lines = common(session, &mut relay.attempt, relay.content_type.as_ref());
    lines.text("Cache-Control", "no-cache");
    lines.text(ACCEL, "no");
    lines.add(&std::mem::take(&mut relay.passed));
    head(session, end, lines)
}

/// The head of a whole answer.
pub(in crate::proxy) fn held(session: &Session, hold: &mut Hold, weighed: &Weighed) -> ResponseHeader {
    let mut lines = common(session, &mut hold.attempt, hold.content_type.as_ref());
    lines.money(KEY_SPEND, weighed.key_spend);
    lines.text(DURATION, milliseconds(weighed.total).as_str());
    lines.text(OVERHEAD, milliseconds(weighed.total.saturating_sub(weighed.upstream)).as_str());
    if !weighed.cost.is_zero() {
        let cost = weighed.cost.text();
        lines.text(COST, cost.as_str());
        lines.text(COST_ORIGINAL, cost.as_str());
        for name in [DISCOUNT, MARGIN, MARGIN_PERCENT] {
            lines.text(name, "0.0");
        }
    }
    lines.add(&std::mem::take(&mut hold.passed));
    let length = Decimal::new(weighed.length as u64, 0);
    head(session, Some((CONTENT_LENGTH, text(length.as_str()))), lines)
}

/// What is said of the caller's limits, and what every answer says.
fn common(session: &Session, attempt: &mut Attempt, content_type: Option<&HeaderValue>) -> Lines {
    let mut lines = std::mem::take(&mut attempt.admitted.limits);
    let (admitted, deployment) = (&attempt.admitted, &attempt.deployment);
    let words = deployment.traits.own_words();
    let progress = &admitted.progress;
    lines.make_room();
    lines.value("Content-Type", content_type.unwrap_or(&JSON));
    lines.text(CALL_ID, admitted.caller.call_id.as_str());
    lines.value(MODEL_ID, &deployment.own_model_id());
    lines.value(API_BASE, &words.api_base);
    lines.text(VERSION, LITELLM_VERSION);
    lines.value(GROUP, &words.group);
    lines.number(RETRIES, progress.retries.into());
    lines.number(FALLBACKS, progress.fallbacks().into());
    if progress.retries > 0 {
        lines.number(MAX_RETRIES, progress.max_retries.into());
    }
    if let Some(report) = &progress.report {
        lines.value(ROUTE.as_str(), &report.value());
    }
    if is_cross_origin(session) {
        lines.text(ALLOW_ORIGIN, "*");
    }
    lines
}

/// Pingora must know how the body ends; the rest goes by it, where it can.
fn head(session: &Session, end: Option<(HeaderName, HeaderValue)>, lines: Lines) -> ResponseHeader {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    match splice::of(session) {
        Some(client) => {
            parts.headers = HeaderMap::with_capacity(MOST_OF_PINGORA);
            client.put(lines.into_text());
        }
        None => lines.headers().for_each(|(name, value)| _ = parts.headers.append(name, value)),
    }
    if let Some((name, value)) = end {
        parts.headers.insert(name, value);
    }
    // Made so, and not with Pingora's own methods, which parse every name again.
    parts.into()
}

/// How the body ends, the date, and what becomes of the connection.
const MOST_OF_PINGORA: usize = 3;
