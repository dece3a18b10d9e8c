//! What a client says when it asks for a session, and what it is answered.

use crate::domain::{ApiError, ErrorKind, LITELLM_VERSION};
use crate::proxy::stage::Attempt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

/// By this browsers, which can set no header, show their key.
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";
/// Longest name of a model, in bytes.
const LONGEST: usize = 256;
/// Most protocols that are offered on.
const PROTOCOLS: usize = 8;
const BETA: HeaderName = HeaderName::from_static("openai-beta");

/// A client's wish for a session.
pub(super) struct Hello {
    /// The model that is asked for.
    pub(super) model: String,
    /// What the upstream is told of the client's handshake: nothing by which the client shows who it is.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether it only wants to have speech written down.
    pub(super) transcribes: bool,
    /// The protocol to answer with if the upstream names none; a browser insists on one.
    protocol: Option<HeaderValue>,
}

impl Hello {
    /// Reads the head of a request. A key that came as a protocol is put where keys are looked for, unless one is
    /// there; as a protocol it is gone after this.
    pub(super) fn read(session: &mut Session) -> std::result::Result<Self, ApiError> {
        let protocols = protocols(&session.req_header().headers);
        let key = protocols.iter().find_map(|protocol| protocol.strip_prefix(KEY_PROTOCOL));
        let offered: Vec<&str> = protocols
            .iter()
            .map(String::as_str)
            .filter(|protocol| is_offered(protocol))
            .take(PROTOCOLS)
            .collect();
        let head = session.req_header_mut();
        head.remove_header(&header::SEC_WEBSOCKET_PROTOCOL);
        if let Some(key) = key.filter(|_| !head.headers.contains_key(header::AUTHORIZATION))
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {key}"))
        {
            value.set_sensitive(true);
            // A key that a header can carry is all that can be one.
            drop(head.insert_header(header::AUTHORIZATION, value));
        }
        let head = session.req_header();
        let wrong = |words: &str| Err(ApiError::new(ErrorKind::InvalidRequest, words));
        let says = |name: &HeaderName, word: &str| {
            let values = head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
        };
        let key = head.headers.get(header::SEC_WEBSOCKET_KEY);
        let is_asked = head.method == Method::GET
            && head.version == Version::HTTP_11
            && says(&header::CONNECTION, "upgrade")
            && says(&header::UPGRADE, "websocket");
        let Some(key) = key.filter(|_| is_asked) else {
            return wrong("a realtime session is a WebSocket: GET over HTTP/1.1 with Upgrade: websocket");
        };
        let query = head.uri.query().unwrap_or_default();
        let Some(model) = parameter(query, "model").or_else(|| parameter(query, "deployment")) else {
            return wrong("model is required: /v1/realtime?model=…");
        };
        if model.is_empty() || model.len() > LONGEST {
            return wrong("model: wants 1 to 256 bytes");
        }
        let mut headers = vec![
            (header::SEC_WEBSOCKET_KEY, key.clone()),
            (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        ];
        let offer = HeaderValue::from_str(&offered.join(", ")).ok().filter(|_| !offered.is_empty());
        headers.extend(offer.map(|offer| (header::SEC_WEBSOCKET_PROTOCOL, offer)));
        headers.extend(head.headers.get(&BETA).map(|beta| (BETA, beta.clone())));
        let protocol = offered.first().and_then(|first| HeaderValue::from_str(first).ok());
        let transcribes = parameter(query, "intent").as_deref() == Some("transcription");
        Ok(Self { model, headers, transcribes, protocol })
    }

    /// The head that tells the client that there is a session.
    pub(super) fn answer(&self, attempt: &Attempt, headers: &HeaderMap) -> Result<ResponseHeader> {
        const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
        const MODEL_ID: HeaderName = HeaderName::from_static("x-litellm-model-id");
        const VERSION: HeaderName = HeaderName::from_static("x-litellm-version");
        let mut head = ResponseHeader::build_no_case(101, Some(8))?;
        head.insert_header(header::CONNECTION, HeaderValue::from_static("Upgrade"))?;
        head.insert_header(header::UPGRADE, HeaderValue::from_static("websocket"))?;
        if let Some(accept) = headers.get(header::SEC_WEBSOCKET_ACCEPT) {
            head.insert_header(header::SEC_WEBSOCKET_ACCEPT, accept.clone())?;
        }
        if let Some(chosen) = headers.get(header::SEC_WEBSOCKET_PROTOCOL).or(self.protocol.as_ref()) {
            head.insert_header(header::SEC_WEBSOCKET_PROTOCOL, chosen.clone())?;
        }
        head.insert_header(CALL_ID, attempt.admitted.caller.call_id.as_str())?;
        head.insert_header(MODEL_ID, attempt.deployment.own_model_id())?;
        head.insert_header(VERSION, HeaderValue::from_static(LITELLM_VERSION))?;
        Ok(head)
    }
}

fn protocols(headers: &HeaderMap) -> Vec<String> {
    let values =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|value| value.trim().to_owned()).collect()
}

/// Protocols by which something is asked for; others may name who asks.
fn is_offered(protocol: &str) -> bool {
    protocol == "realtime" || protocol.starts_with("openai-beta.")
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let plain = value.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&plain).decode_utf8().ok()?.into_owned())
}
