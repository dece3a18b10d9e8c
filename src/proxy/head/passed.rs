//! What is passed on of an upstream's head.

use crate::domain::Secret;
use crate::proxy::stage::PassedHeaders;
use crate::upstream::Deployment;
use http::{HeaderMap, HeaderName, HeaderValue};
use once_cell::sync::Lazy;

/// So many of an upstream's headers are passed on, each up to so many bytes.
const PASSED_AT_MOST: usize = 64;
const PASSED_BYTES: usize = 1024;
const PREFIX: &str = "llm_provider-";

/// Of the upstream's head: its rate limits as they are, everything else under LiteLLM's prefix.
/// Cookies, what belongs to the connection, and what repeats our credentials stay behind.
pub(in crate::proxy) fn passed(headers: &HeaderMap, deployment: &Deployment) -> PassedHeaders {
    let mut passed = Vec::with_capacity(headers.len() + 4);
    for (name, value) in headers.iter().take(PASSED_AT_MOST) {
        let usual = PREFIXED.get(name);
        if (usual.is_none() && is_private(name))
            || value.len() > PASSED_BYTES
            || names_secret(value, deployment)
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
/// a look-up. They are static, as a name that is counted would be counted by all threads.
static PREFIXED: Lazy<HeaderMap<HeaderName>> = Lazy::new(|| {
    let pair = |(name, prefixed)| (HeaderName::from_static(name), HeaderName::from_static(prefixed));
    USUAL.into_iter().map(pair).collect()
});

macro_rules! usual {
    ($($name:literal)*) => { [$(($name, concat!("llm_provider-", $name))),*] };
}

const USUAL: [(&str, &str); 32] = usual! {
    "access-control-expose-headers"
    "alt-svc"
    "cache-control"
    "cf-cache-status"
    "cf-ray"
    "content-encoding"
    "content-length"
    "content-type"
    "date"
    "etag"
    "expires"
    "openai-model"
    "openai-organization"
    "openai-processing-ms"
    "openai-project"
    "openai-version"
    "pragma"
    "request-id"
    "server"
    "strict-transport-security"
    "vary"
    "via"
    "x-content-type-options"
    "x-envoy-upstream-service-time"
    "x-frame-options"
    "x-ratelimit-limit-requests"
    "x-ratelimit-limit-tokens"
    "x-ratelimit-remaining-requests"
    "x-ratelimit-remaining-tokens"
    "x-ratelimit-reset-requests"
    "x-ratelimit-reset-tokens"
    "x-request-id"
};

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
