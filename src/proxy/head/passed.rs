//! What is passed on of an upstream's head.

use super::lines::Lines;
use crate::domain::Secret;
use crate::upstream::Deployment;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};

/// So many of an upstream's headers are passed on, each up to so many bytes.
const PASSED_AT_MOST: usize = 64;
const PASSED_BYTES: usize = 1024;
const PREFIX: &str = "llm_provider-";
/// Room for a header as most upstreams send them, in bytes.
const ROOM: usize = 64;

/// Of the upstream's head: its rate limits as they are, everything else under LiteLLM's prefix.
/// Cookies, what belongs to the connection, and what repeats our credentials stay behind.
pub(in crate::proxy) fn passed(headers: &HeaderMap, deployment: &Deployment) -> Lines {
    let mut passed = Lines::with_room(headers.len().min(PASSED_AT_MOST) * ROOM);
    for (name, value) in headers.iter().take(PASSED_AT_MOST) {
        if is_private(name) || value.len() > PASSED_BYTES || names_secret(value, deployment) {
            continue;
        }
        if name.as_str().starts_with("x-ratelimit-") {
            passed.prefixed("", name, value);
        }
        passed.prefixed(PREFIX, name, value);
    }
    passed
}

fn names_secret(value: &HeaderValue, deployment: &Deployment) -> bool {
    repeats(value, deployment.secrets().map(Secret::expose))
}

/// Whether a header repeats one of these secrets.
pub(in crate::proxy) fn repeats<'a>(value: &HeaderValue, secrets: impl Iterator<Item = &'a str>) -> bool {
    let mut secrets = secrets.filter(|secret| secret.len() <= value.len());
    secrets.any(|secret| memchr::memmem::find(value.as_bytes(), secret.as_bytes()).is_some())
}

/// Headers that belong to one connection.
pub(in crate::proxy) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The headers that the others of one connection are told of as belonging to it, too.
pub(in crate::proxy) fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok())
}

fn is_private(name: &HeaderName) -> bool {
    is_hop_by_hop(name) || matches!(name.as_str(), "set-cookie" | "authorization" | "www-authenticate")
}
