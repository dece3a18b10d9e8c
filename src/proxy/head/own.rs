//! Heads of answers that no upstream gave: errors of ours, and streams that still wait.

use super::words::{
    ACCEL, CALL_ID, COST, FALLBACKS, JSON, KEY_SPEND, MAX_RETRIES, MODEL_ID, RETRIES, TIMEOUT, VERSION,
    allow_origin, ends_by_close, money, text,
};
use crate::domain::{LITELLM_VERSION, Money};
use crate::proxy::stage::{Caller, Refused};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

/// The head of a stream of which nothing is known yet: who will answer it, and what is left of which limit.
pub(in crate::proxy) fn begun(session: &mut Session, caller: &Caller) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(200, Some(8))?;
    head.insert_header(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))?;
    head.insert_header(CALL_ID, text(caller.call_id.as_str()))?;
    head.insert_header(VERSION, HeaderValue::from_static(LITELLM_VERSION))?;
    head.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))?;
    head.insert_header(ACCEL, HeaderValue::from_static("no"))?;
    if !ends_by_close(session) {
        head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    allow_origin(&mut head, session)?;
    Ok(head)
}

/// The head of an answer that costs nothing and asked nobody.
pub(in crate::proxy) fn counted(session: &Session, caller: &Caller, length: usize) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(http::StatusCode::OK, Some(8))?;
    head.insert_header(CONTENT_TYPE, JSON)?;
    head.insert_header(CONTENT_LENGTH, length)?;
    head.insert_header(CALL_ID, text(caller.call_id.as_str()))?;
    head.insert_header(VERSION, HeaderValue::from_static(LITELLM_VERSION))?;
    allow_origin(&mut head, session)?;
    Ok(head)
}

/// The head of what a search found.
pub(in crate::proxy) fn searched(
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
pub(in crate::proxy) fn refusal(
    session: &Session,
    refused: &Refused,
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
