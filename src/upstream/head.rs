//! The head of an upstream request: made once for deployments that differ in their keys only, copied for each attempt.
//!
//! It is built from the configuration alone, so nothing a client sent can reach an upstream by it.

use super::{Traits, USER_AGENT};
use crate::dialects::Auth;
use crate::dialects::translate::Translated;
use crate::domain::{Decimal, EndpointKind, HostPort};
use crate::providers::Target;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::http_req_header_to_wire;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// The heads of a deployment: what it has in common with others, and its key.
pub(super) struct Heads {
    common: Arc<Common>,
    /// What shows its key.
    key: Option<HeaderValue>,
}

/// One head for each API that a deployment takes as clients wrote it, and one for what is translated.
#[derive(Debug)]
struct Common {
    relayed: Vec<Relayed>,
    translated: Parts,
    /// The header that shows a key, which has a place in the others.
    key: Option<HeaderName>,
}

struct Relayed {
    kind: EndpointKind,
    parts: Parts,
    /// The same as it goes over the wire, without the key and up to the length of the body: to write it anew takes
    /// longer than all else that a short call needs to be sent.
    wire: Bytes,
}

impl fmt::Debug for Relayed {
    // What goes over the wire may show a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Relayed {
    fn new(kind: EndpointKind, head: RequestHeader, key: Option<&HeaderName>) -> Result<Self> {
        let mut bare = head.clone();
        bare.remove_header(&header::CONTENT_LENGTH);
        if let Some(key) = key {
            bare.remove_header(key);
        }
        let mut wire = http_req_header_to_wire(&bare).ok_or_else(|| bad("a head"))?;
        wire.truncate(wire.len() - END.len());
        Ok(Self { kind, parts: Parts::from(head), wire: wire.freeze() })
    }
}

/// Ends a line of a head, and the head.
const END: &[u8] = b"\r\n";
const LENGTH: &[u8] = b"Content-Length: ";

/// What deployments have in common, held once: of many keys for a model only what differs is then read from memory.
#[derive(Default)]
pub(super) struct Alike {
    heads: HashMap<(HostPort, String), Vec<Arc<Common>>>,
    traits: HashMap<String, Vec<Arc<Traits>>>,
    words: HashSet<Arc<str>>,
}

impl Alike {
    fn heads(&mut self, target: &Target, made: Common) -> Arc<Common> {
        let known = self.heads.entry((target.origin.clone(), target.base_path.clone())).or_default();
        if let Some(same) = known.iter().find(|known| known.is(&made)) {
            return Arc::clone(same);
        }
        let made = Arc::new(made);
        known.push(Arc::clone(&made));
        made
    }

    /// A text that others may have too.
    pub(super) fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.words.get(text) {
            return Arc::clone(known);
        }
        let word: Arc<str> = Arc::from(text);
        self.words.insert(Arc::clone(&word));
        word
    }

    /// What a target has in common with others.
    pub(super) fn traits(&mut self, target: &Target) -> Arc<Traits> {
        let known = self.traits.get(&target.model).and_then(|all| all.iter().find(|one| one.are_of(target)));
        if let Some(same) = known {
            return Arc::clone(same);
        }
        let made = Arc::new(Traits::new(target, self));
        self.traits.entry(target.model.clone()).or_default().push(Arc::clone(&made));
        made
    }
}

impl Common {
    fn is(&self, other: &Self) -> bool {
        let one = |a: &Parts, b: &Parts| a.method == b.method && a.uri == b.uri && a.headers == b.headers;
        let pairs = || self.relayed.iter().zip(&other.relayed);
        self.key == other.key
            && self.relayed.len() == other.relayed.len()
            && pairs().all(|(a, b)| a.kind == b.kind && one(&a.parts, &b.parts))
            && one(&self.translated, &other.translated)
    }
}

impl Heads {
    /// Makes the heads of a deployment.
    ///
    /// # Errors
    /// When a configured header, key or path cannot stand in a request.
    pub(super) fn new(target: &Target, alike: &mut Alike) -> Result<Self> {
        let (name, key) = key(target)?.unzip();
        let head =
            |(kind, path): &(EndpointKind, &str)| Relayed::new(*kind, head(target, path)?, name.as_ref());
        let relayed = target.relays().map(head).collect::<Result<_>>()?;
        let made = Common { relayed, translated: Parts::from(self::head(target, "/")?), key: name };
        Ok(Self { common: alike.heads(target, made), key })
    }

    /// Whether requests of an API are taken as clients wrote them.
    pub(super) fn relay(&self, kind: EndpointKind) -> bool {
        self.common.relayed.iter().any(|own| own.kind == kind)
    }

    /// The header that shows its key.
    fn key(&self) -> Option<(&HeaderName, &HeaderValue)> {
        self.common.key.as_ref().zip(self.key.as_ref())
    }

    fn with_key(&self, head: &Parts) -> Parts {
        let mut head = head.clone();
        if let Some((name, value)) = self.key() {
            head.headers.insert(name, value.clone());
        }
        head
    }

    /// The head for a body of so many bytes.
    pub(super) fn of(&self, kind: EndpointKind, length: usize) -> Option<RequestHeader> {
        let mut head = self.with_key(&self.common.relayed.iter().find(|own| own.kind == kind)?.parts);
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        Some(head.into())
    }

    /// The same head as it goes over the wire, with some lines more that it does not have, and room for the body behind it.
    pub(super) fn wire(&self, kind: EndpointKind, length: usize, more: &[u8]) -> Option<BytesMut> {
        let own = self.common.relayed.iter().find(|own| own.kind == kind)?;
        let digits = Decimal::new(length as u64, 0);
        let (name, value) = self
            .key()
            .map_or((&b""[..], &b""[..]), |(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let lines = own.wire.len() + name.len() + value.len() + LENGTH.len() + digits.as_str().len();
        let mut wire = BytesMut::with_capacity(lines + more.len() + 4 * END.len() + length);
        wire.extend_from_slice(&own.wire);
        if !name.is_empty() {
            [name, b": ", value, END].into_iter().for_each(|part| wire.extend_from_slice(part));
        }
        for part in [more, LENGTH, digits.as_str().as_bytes(), END, END] {
            wire.extend_from_slice(part);
        }
        Some(wire)
    }

    /// A head without a body, to ask for something else than an answer.
    pub(super) fn bare(&self) -> RequestHeader {
        let mut head = self.with_key(&self.common.translated);
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::CONTENT_TYPE);
        head.into()
    }

    /// The head for a translated request.
    ///
    /// # Errors
    /// When its path or one of its own headers cannot stand in a request.
    pub(super) fn translated(&self, target: &Target, sent: &Translated) -> Result<RequestHeader> {
        let mut head = self.with_key(&self.common.translated);
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

/// The header that shows a deployment's key, unless the configuration sets that header itself.
fn key(target: &Target) -> Result<Option<(HeaderName, HeaderValue)>> {
    let Some(key) = &target.api_key else { return Ok(None) };
    let (name, value) = match target.auth {
        Auth::Bearer => (header::AUTHORIZATION, secret(&format!("Bearer {}", key.expose()))?),
        Auth::Header(name) => (HeaderName::from_static(name), secret(key.expose())?),
        Auth::Signed(_) | Auth::Lent => return Ok(None),
    };
    let is_set = target.params.extra_headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name.as_str()));
    Ok(Some((name, value)).filter(|_| !is_set))
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
    // Its place, as for the length.
    if let Some((name, _)) = key(target)? {
        head.insert_header(name, HeaderValue::from_static(""))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Overrides, parse_and_compile};

    fn of(params: &[&str]) -> Vec<Heads> {
        let entry = |params: &&str| {
            format!("- {{model_name: m, litellm_params: {{api_base: 'http://127.0.0.1:9', {params}}}}}\n")
        };
        let yaml = format!("model_list:\n{}", params.iter().map(entry).collect::<String>());
        let config = parse_and_compile(&yaml, &Env::of(&[]), &Overrides::default()).unwrap().config;
        let mut alike = Alike::default();
        config.targets.iter().map(|target| Heads::new(target, &mut alike).unwrap()).collect()
    }

    fn shown(heads: &Heads, name: &str) -> String {
        let head = heads.of(EndpointKind::ChatCompletions, 7).unwrap_or_else(|| heads.bare());
        head.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_thousand_keys_have_one_head_and_each_shows_its_own() {
        let params: Vec<String> = (0..1000).map(|n| format!("model: openai/x, api_key: sk-{n}")).collect();
        let heads = of(&params.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(heads.iter().all(|other| Arc::ptr_eq(&heads[0].common, &other.common)));
        for (n, head) in heads.iter().enumerate() {
            assert_eq!(shown(head, "authorization"), format!("Bearer sk-{n}"));
            assert_eq!(shown(head, "content-length"), "7");
        }
        assert!(heads[0].key.as_ref().is_some_and(HeaderValue::is_sensitive));
    }

    #[test]
    fn a_head_is_the_same_over_the_wire() {
        let lines = |bytes: &[u8]| {
            let mut lines: Vec<_> = std::str::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
            lines[1..].sort();
            lines
        };
        for heads in of(&[
            "model: openai/x, api_key: k",
            "model: openai/x, api_key: k, extra_headers: {x-team: a}",
            "model: openai/x, api_key: k, extra_headers: {Authorization: mine}",
            "model: openai/x",
        ]) {
            for length in [0, 7, 123_456] {
                let kind = EndpointKind::ChatCompletions;
                let mut head = heads.of(kind, length).unwrap();
                head.insert_header("traceparent", "00-1-2-01").unwrap();
                let written = http_req_header_to_wire(&head).unwrap();
                let wire = heads.wire(kind, length, b"traceparent: 00-1-2-01\r\n").unwrap();
                assert!(wire.ends_with(b"\r\n\r\n"));
                assert_eq!(lines(&wire), lines(&written));
            }
        }
    }

    #[test]
    fn what_differs_is_not_shared_and_a_configured_header_stays() {
        let heads = of(&[
            "model: openai/x, api_key: k",
            "model: openai/x, api_key: k, extra_headers: {x-team: a}",
            "model: openai/x, api_key: k, extra_headers: {Authorization: mine}",
            "model: anthropic/x, api_key: k",
            "model: openai/x",
        ]);
        for (at, one) in heads.iter().enumerate() {
            assert!(heads[at + 1..].iter().all(|other| !Arc::ptr_eq(&one.common, &other.common)), "{at}");
        }
        assert_eq!(shown(&heads[1], "x-team"), "a");
        assert_eq!(shown(&heads[2], "authorization"), "mine");
        assert_eq!(
            (shown(&heads[3], "x-api-key"), shown(&heads[3], "authorization")),
            ("k".into(), "".into())
        );
        assert_eq!(heads[4].of(EndpointKind::ChatCompletions, 1).unwrap().headers.get("authorization"), None);
    }
}
