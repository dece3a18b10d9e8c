//! The head of an upstream request: made once for each deployment, copied for each attempt.
//!
//! It is built from the configuration alone, so nothing a client sent can reach an upstream by it.

use crate::domain::EndpointKind;
use crate::providers::Target;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use pingora::http::RequestHeader;

/// One head for each operation.
pub(super) struct Heads([(EndpointKind, Parts); 3]);

impl Heads {
    /// Makes the heads of a deployment.
    ///
    /// # Errors
    /// When a configured header, key or path cannot stand in a request.
    pub(super) fn new(target: &Target) -> pingora::Result<Self> {
        let head = |kind| head(target, kind).map(|head| (kind, Parts::from(head)));
        Ok(Self([
            head(EndpointKind::ChatCompletions)?,
            head(EndpointKind::Completions)?,
            head(EndpointKind::Embeddings)?,
        ]))
    }

    /// The head for a body of so many bytes, or for none.
    pub(super) fn of(&self, kind: EndpointKind, length: Option<usize>) -> Option<RequestHeader> {
        let mut head = self.0.iter().find(|(own, _)| *own == kind)?.1.clone();
        match length {
            Some(length) => head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length)),
            None => head.headers.remove(header::CONTENT_LENGTH),
        };
        Some(head.into())
    }
}

fn head(target: &Target, kind: EndpointKind) -> pingora::Result<RequestHeader> {
    let path = format!("{}{}", target.base_path, kind.upstream_path());
    let mut head = RequestHeader::build_no_case(Method::POST, path.as_bytes(), Some(8))?;
    head.insert_header(header::HOST, target.origin.to_string())?;
    head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    head.insert_header(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"))?;
    // A compressed answer could not be metered.
    head.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    head.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
    if let Some(key) = &target.api_key {
        head.insert_header(header::AUTHORIZATION, secret(&format!("Bearer {}", key.expose()))?)?;
    }
    // Its place: the value comes with the body.
    head.insert_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"))?;
    for (name, value) in &target.params.extra_headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("a header name"))?;
        head.insert_header(name, secret(value.expose())?)?;
    }
    Ok(head)
}

fn secret(value: &str) -> pingora::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| bad("a header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn bad(what: &'static str) -> pingora::BError {
    pingora::Error::explain(pingora::ErrorType::InvalidHTTPHeader, format!("{what} cannot be sent"))
}

const USER_AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));
