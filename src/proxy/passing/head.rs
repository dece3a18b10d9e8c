//! What is said to the target, and what of its answer's head is passed on.

use super::Passing;
use crate::dialects::Unsigned;
use crate::domain::{LITELLM_VERSION, Secret, unix_ms};
use crate::providers::Vendor;
use crate::proxy::head::{ends_by_close, is_hop_by_hop, money, nominated, repeats};
use http::{HeaderName, HeaderValue, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::time::SystemTime;

const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
const API_BASE: HeaderName = HeaderName::from_static("x-litellm-model-api-base");
const KEY_SPEND: HeaderName = HeaderName::from_static("x-litellm-key-spend");
const VERSION: HeaderName = HeaderName::from_static("x-litellm-version");

/// What describes the body and the answer that is wanted; it goes on whether or not other headers do.
const ABOUT: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::RANGE,
    header::CONTENT_LENGTH,
];
/// How a body ends.
const FRAMING: [HeaderName; 2] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
/// By these a client shows who it is to us; they are for nobody else.
const CREDENTIALS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-litellm-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "x-auth-token",
];

/// The head for the target: made anew, with no credential of the client in it.
pub(in crate::proxy) fn request(passing: &Passing, head: &mut RequestHeader) -> Result<()> {
    let passage = &passing.passage;
    let mut new = RequestHeader::build_no_case(head.method.clone(), passing.target.as_bytes(), Some(16))?;
    new.insert_header(header::HOST, passage.origin.to_string())?;
    let key_header = passing.snapshot.config.server.key_header.as_deref().unwrap_or_default();
    for (name, value) in &head.headers {
        let about = ABOUT.contains(name);
        let wanted = passage.forwards_headers
            && !is_hop_by_hop(name)
            && !CREDENTIALS.contains(&name.as_str())
            && !name.as_str().eq_ignore_ascii_case(key_header)
            && !matches!(*name, header::HOST | header::EXPECT);
        if *name == header::CONTENT_LENGTH {
            // One is enough.
            new.insert_header(name.clone(), value.clone())?;
        } else if about || wanted {
            new.append_header(name.clone(), value.clone())?;
        }
    }
    if let (Some(vendor), Some(asked)) = (&passage.vendor, &passing.asked) {
        as_vendor_wants(vendor, asked.body.as_deref(), head, &mut new, passing)?;
    }
    if !new.headers.contains_key(header::CONTENT_LENGTH)
        && !head.headers.contains_key(header::CONTENT_LENGTH)
        && sends_body(head)
    {
        new.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    for (name, value) in &passage.headers {
        new.insert_header(name.clone(), value.clone())?;
    }
    *head = new;
    Ok(())
}

/// What a provider is to have of the client's head, its length, and its signature if it wants one.
fn as_vendor_wants(
    vendor: &Vendor,
    body: Option<&[u8]>,
    head: &RequestHeader,
    new: &mut RequestHeader,
    passing: &Passing,
) -> Result<()> {
    for name in RELAYED {
        if let Some(value) = head.headers.get(name) {
            new.insert_header(name, value.clone())?;
        }
    }
    if let Some(body) = body.filter(|_| sends_body(head) || head.headers.contains_key(header::CONTENT_LENGTH))
    {
        new.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    // A compressed answer could not be metered.
    new.insert_header(header::ACCEPT_ENCODING, "identity")?;
    let (Some((signer, key)), Some(body)) = (&vendor.signer, body) else { return Ok(()) };
    let host = passing.passage.origin.to_string();
    let unsigned = Unsigned { host: &host, path: &passing.target, body };
    let signed = signer.sign(&unsigned, key, unix_ms(SystemTime::now()));
    let signed = signed.map_err(|error| Error::explain(ErrorType::InternalError, error.message))?;
    for (name, value) in signed {
        new.insert_header(name, value)?;
    }
    Ok(())
}

/// Headers that say how a provider is to be understood.
const RELAYED: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];

/// HTTP/2 announces no body; a method that takes none has none.
fn sends_body(head: &RequestHeader) -> bool {
    let by_method = !matches!(head.method, http::Method::GET | http::Method::HEAD | http::Method::DELETE);
    head.headers.contains_key(header::TRANSFER_ENCODING)
        || (head.version == http::Version::HTTP_2 && by_method)
}

/// Notes the answer's head.
pub(in crate::proxy) fn receive(passing: &mut Passing, response: &ResponseHeader) {
    if response.status.is_informational() {
        return;
    }
    passing.status = response.status.as_u16();
    if let (Some(asked), Some(vendor)) = (&mut passing.asked, &passing.passage.vendor) {
        asked.answered(vendor, passing.status, &response.headers);
    }
}

/// Completes the answer's head; what repeats our credentials stays behind, and what is of the target's connection alone.
pub(in crate::proxy) fn respond(
    passing: &Passing,
    session: &mut Session,
    response: &mut ResponseHeader,
) -> Result<()> {
    let is_telling = |value: &HeaderValue| repeats(value, passing.passage.secrets.iter().map(Secret::expose));
    let headers = &response.headers;
    let own = headers.iter().filter(|(name, value)| is_hop_by_hop(name) || is_telling(value));
    let own = own.map(|(name, _)| name.clone()).chain(nominated(headers));
    let own: Vec<HeaderName> = own.filter(|name| !FRAMING.contains(name)).collect();
    for name in own {
        response.remove_header(&name);
    }
    if let Some(length) = response.headers.get(header::CONTENT_LENGTH).cloned() {
        // Said twice, it is refused by some.
        response.insert_header(header::CONTENT_LENGTH, length)?;
    } else if ends_by_close(session) {
        response.remove_header(&header::TRANSFER_ENCODING);
    }
    response.insert_header(CALL_ID, passing.caller.call_id.as_str())?;
    response.insert_header(VERSION, LITELLM_VERSION)?;
    response.insert_header(API_BASE, passing.passage.target.as_str())?;
    if let Some(who) = &passing.who {
        response.insert_header(KEY_SPEND, money(who.standing.spent(unix_ms(SystemTime::now()))))?;
    }
    Ok(())
}
