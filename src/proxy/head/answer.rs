//! Heads of upstreams' answers, made from templates.

use super::{
    ACCEL, ALLOW_ORIGIN, API_BASE, CALL_ID, COST, COST_ORIGINAL, DISCOUNT, DURATION, EMPTY, FALLBACKS, GROUP,
    JSON, KEY_SPEND, MARGIN, MARGIN_PERCENT, MAX_RETRIES, MODEL_ID, OVERHEAD, RETRIES, VERSION, ZERO, count,
    is_cross_origin, milliseconds, money, text,
};
use crate::domain::{LITELLM_VERSION, Money};
use crate::proxy::route_report::ROUTE;
use crate::proxy::shape;
use crate::proxy::stage::{Attempt, Hold, PassedHeaders, Relay};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use once_cell::sync::Lazy;
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
pub(in crate::proxy) fn relayed(session: &Session, relay: &mut Relay) -> ResponseHeader {
    let common = common(&relay.attempt, relay.content_type.take());
    let stream = ["no-cache", "no", "chunked"].map(HeaderValue::from_static);
    let more = more(&mut relay.attempt, std::mem::take(&mut relay.passed));
    let head = shape::head(&TEMPLATES.stream, common.into_iter().chain(stream), more);
    answer(head, session, &relay.attempt)
}

/// The head of a whole answer.
pub(in crate::proxy) fn held(session: &Session, hold: &mut Hold, weighed: &Weighed) -> ResponseHeader {
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
    let (admitted, deployment) = (&attempt.admitted, &attempt.deployment);
    let words = deployment.traits.own_words();
    [
        content_type.unwrap_or(JSON),
        text(admitted.caller.call_id.as_str()),
        deployment.own_model_id(),
        words.api_base.clone(),
        HeaderValue::from_static(LITELLM_VERSION),
        words.group.clone(),
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
    if let Some(report) = &admitted.progress.report {
        head.insert(ROUTE, report.value());
    }
    if is_cross_origin(session) {
        head.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.headers = head;
    // Made so, and not with Pingora's own methods, which parse every name again.
    parts.into()
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
}
