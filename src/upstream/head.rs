//! The head of an upstream request: made once for each deployment, copied for each attempt.
//!
//! It is built from the configuration alone, so nothing a client sent can reach an upstream by it.

use super::USER_AGENT;
use crate::dialects::Auth;
use crate::dialects::translate::Translated;
use crate::domain::{Decimal, EndpointKind};
use crate::providers::Target;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::http_req_header_to_wire;

/// One head for each API that the deployment takes as clients wrote it, and one for what is translated.
pub(super) struct Heads {
    relayed: Vec<Relayed>,
    translated: Parts,
}

struct Relayed {
    kind: EndpointKind,
    parts: Parts,
    /// The same as it goes over the wire, up to the length of the body: to write it anew takes longer than all else
    /// that a short call needs to be sent.
    wire: Bytes,
}

impl Relayed {
    fn new(kind: EndpointKind, head: RequestHeader) -> Result<Self> {
        let mut bare = head.clone();
        bare.remove_header(&header::CONTENT_LENGTH);
        let mut wire = http_req_header_to_wire(&bare).ok_or_else(|| bad("a head"))?;
        wire.truncate(wire.len() - END.len());
        wire.extend_from_slice(b"content-length: ");
        Ok(Self { kind, parts: Parts::from(head), wire: wire.freeze() })
    }
}

/// Ends a line of a head, and the head.
const END: &[u8] = b"\r\n";

impl Heads {
    /// Makes the heads of a deployment.
    ///
    /// # Errors
    /// When a configured header, key or path cannot stand in a request.
    pub(super) fn new(target: &Target) -> Result<Self> {
        let relays = target.relays();
        let head = |(kind, path): &(EndpointKind, &str)| Relayed::new(*kind, head(target, path)?);
        let relayed = relays.map(head).collect::<Result<_>>()?;
        Ok(Self { relayed, translated: Parts::from(self::head(target, "/")?) })
    }

    /// Whether requests of an API are taken as clients wrote them.
    pub(super) fn relay(&self, kind: EndpointKind) -> bool {
        self.relayed.iter().any(|own| own.kind == kind)
    }

    /// The head for a body of so many bytes.
    pub(super) fn of(&self, kind: EndpointKind, length: usize) -> Option<RequestHeader> {
        let mut head = self.relayed.iter().find(|own| own.kind == kind)?.parts.clone();
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        Some(head.into())
    }

    /// The same head as it goes over the wire, with room for the body behind it.
    pub(super) fn wire(&self, kind: EndpointKind, length: usize) -> Option<BytesMut> {
        let own = self.relayed.iter().find(|own| own.kind == kind)?;
        let digits = Decimal::new(length as u64, 0);
        let mut wire =
            BytesMut::with_capacity(own.wire.len() + digits.as_str().len() + 2 * END.len() + length);
        for part in [&own.wire, digits.as_str().as_bytes(), END, END] {
            wire.extend_from_slice(part);
        }
        Some(wire)
    }

    /// A head without a body, to ask for something else than an answer.
    pub(super) fn bare(&self) -> RequestHeader {
        let mut head = self.translated.clone();
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::CONTENT_TYPE);
        head.into()
    }

    /// The head for a translated request.
    ///
    /// # Errors
    /// When its path or one of its own headers cannot stand in a request.
    pub(super) fn translated(&self, target: &Target, sent: &Translated) -> Result<RequestHeader> {
        let mut head = self.translated.clone();
        let path = format!("{}{}{}", target.base_path, sent.path, target.query);
        head.uri = path.parse().map_err(|_| bad("a path"))?;
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent.body.len()));
        for (name, value) in &sent.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("a header name"))?;
            head.headers.insert(name, HeaderValue::from_str(value).map_err(|_| bad("a header value"))?);
        }
        Ok(head.into())
    }
}

fn head(target: &Target, path: &str) -> Result<RequestHeader> {
    let path = format!("{}{path}{}", target.base_path, target.query);
    let mut head = RequestHeader::build_no_case(Method::POST, path.as_bytes(), Some(8))?;
    head.insert_header(header::HOST, target.origin.to_string())?;
    head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    head.insert_header(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"))?;
    // A compressed answer could not be metered.
    head.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    head.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
    if let Some(key) = &target.api_key {
        match target.auth {
            Auth::Bearer => {
                head.insert_header(header::AUTHORIZATION, secret(&format!("Bearer {}", key.expose()))?)?;
            }
            Auth::Header(name) => head.insert_header(name, secret(key.expose())?)?,
            Auth::Signed(_) | Auth::Lent => {}
        }
    }
    for (name, value) in target.dialect.headers() {
        head.insert_header(*name, *value)?;
    }
    // Its place: the value comes with the body.
    head.insert_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"))?;
    for (name, value) in &target.params.extra_headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("a header name"))?;
        head.insert_header(name, secret(value.expose())?)?;
    }
    Ok(head)
}

fn secret(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| bad("a header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn bad(what: &'static str) -> pingora::BError {
    pingora::Error::explain(pingora::ErrorType::InvalidHTTPHeader, format!("{what} cannot be sent"))
}
