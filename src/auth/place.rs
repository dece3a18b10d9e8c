//! The headers that may carry a key, in LiteLLM's order; the first that is present decides.

use http::header::AsHeaderName;
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// What the request brought along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No header that carries keys.
    Nothing,
    /// `Authorization` without a scheme, or with nothing after it.
    Malformed,
    /// A key, as sent.
    Key(&'a str),
}

/// Headers with an optional `Bearer ` before the key.
const LENIENT: HeaderName = HeaderName::from_static("x-litellm-api-key");
/// Headers that hold the bare key.
const RAW: [&str; 4] = ["api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key"];

/// Finds the key. `extra` is the header named by `litellm_key_header_name`.
#[must_use]
pub fn presented<'a>(headers: &'a HeaderMap, extra: Option<&str>) -> Presented<'a> {
    let lenient = extra.and_then(|name| text(headers, name)).or_else(|| text(headers, LENIENT));
    if let Some(value) = lenient {
        return from_lenient(value);
    }
    if let Some(value) = headers.get(http::header::AUTHORIZATION) {
        return value.to_str().map_or(Presented::Malformed, from_authorization);
    }
    RAW.iter().find_map(|name| text(headers, *name)).map_or(Presented::Nothing, |key| {
        if key.trim().is_empty() { Presented::Malformed } else { Presented::Key(key.trim()) }
    })
}

/// The key that a query holds (`key=`).
#[must_use]
pub fn key_in_query(query: &str) -> Option<Cow<'_, str>> {
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    percent_decode_str(key).decode_utf8().ok().filter(|key| !key.trim().is_empty())
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn from_lenient(value: &str) -> Presented<'_> {
    match from_authorization(value) {
        Presented::Malformed if !value.trim().is_empty() => Presented::Key(value.trim()),
        found => found,
    }
}

fn from_authorization(value: &str) -> Presented<'_> {
    let Some((scheme, rest)) = value.trim().split_once(' ') else { return Presented::Malformed };
    let rest = rest.trim();
    let key = if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic") {
        rest
    } else if scheme.starts_with("AWS4-HMAC-SHA256") {
        rest.split("Credential=").nth(1).and_then(|c| c.split('/').next()).unwrap_or("")
    } else {
        ""
    };
    if key.is_empty() { Presented::Malformed } else { Presented::Key(key) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn every_place_is_read_and_the_first_wins() {
        for (name, value) in [
            ("authorization", "Bearer sk-1"),
            ("authorization", "bearer sk-1"),
            ("authorization", "Basic sk-1"),
            ("authorization", "AWS4-HMAC-SHA256 Credential=sk-1/20260101/eu/s3/aws4_request, Signature=x"),
            ("x-litellm-api-key", "sk-1"),
            ("x-litellm-api-key", "Bearer sk-1"),
            ("api-key", "sk-1"),
            ("x-api-key", "sk-1"),
            ("x-goog-api-key", "sk-1"),
            ("ocp-apim-subscription-key", "sk-1"),
            ("x-team-key", "sk-1"),
        ] {
            let found = headers(&[(name, value)]);
            assert_eq!(presented(&found, Some("x-team-key")), Presented::Key("sk-1"), "{name}: {value}");
        }
        let both = headers(&[("authorization", "Bearer sk-2"), ("x-litellm-api-key", "sk-1")]);
        assert_eq!(presented(&both, None), Presented::Key("sk-1"));
    }

    #[test]
    fn a_query_may_hold_a_key() {
        for (query, expected) in [
            ("key=sk-1", Some("sk-1")),
            ("alt=sse&key=sk%2D1", Some("sk-1")),
            ("key=", None),
            ("monkey=sk-1", None),
            ("key=%ff", None),
        ] {
            assert_eq!(key_in_query(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn a_header_without_a_key_is_malformed_and_none_is_nothing() {
        for value in ["Bearer ", "sk-1", "Bearer", "Negotiate abc", ""] {
            let sent = headers(&[]);
            let mut sent = sent;
            sent.insert("authorization", HeaderValue::from_str(value).unwrap());
            assert_eq!(presented(&sent, None), Presented::Malformed, "{value:?}");
        }
        assert_eq!(presented(&HeaderMap::new(), None), Presented::Nothing);
    }
}
