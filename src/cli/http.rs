//! A small blocking client for commands that speak to a running gateway.
//!
//! It follows no redirect and knows no proxy, so that a key goes to the named host only.

use crate::domain::Secret;
use rustls::crypto::ring;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// No answer that is read whole may be longer, in bytes.
const MOST: u64 = 64 * 1024 * 1024;
/// No line of an answer that comes in lines may be longer, in bytes.
const LONGEST_LINE: u64 = 1024 * 1024;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// A client of one server.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    base: String,
    key: Option<Secret>,
}

/// An answer that was read whole.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) text: String,
}

/// Why there is no answer. No text holds a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// Nobody listens there.
    #[error("nothing listens at {0}")]
    Refused(String),
    /// The name of the host leads nowhere.
    #[error("{0}: no such host")]
    NoHost(String),
    /// It took too long.
    #[error("{0} did not answer in time")]
    Late(String),
    /// Anything else.
    #[error("{0}: {1}")]
    Other(String, String),
}

// === impl Client ===

impl Client {
    /// A client of `base` (`http://127.0.0.1:4000`), which waits so long for each answer.
    pub(super) fn new(base: &str, timeout: Duration) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT.min(timeout)))
            .timeout_global(Some(timeout))
            .tls_config(tls(base))
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: agent.into(), base: base.trim_end_matches('/').to_owned(), key: None }
    }

    /// The same, presenting a key.
    pub(super) fn with_key(&self, key: Secret) -> Self {
        Self { key: Some(key), ..self.clone() }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// # Errors
    /// [`HttpError`] without an answer; every status is an answer.
    pub(super) fn get(&self, path: &str) -> Result<Answer, HttpError> {
        let mut request = self.agent.get(self.url(path));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {}", key.expose()));
        }
        request.call().and_then(read).map_err(|error| self.fault(&error))
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer, HttpError> {
        self.send(path, body).and_then(read).map_err(|error| self.fault(&error))
    }

    /// Posts JSON and hands each `data:` line of the answer on as it comes. An answer that is no stream is
    /// returned whole instead.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(super) fn stream(
        &self,
        path: &str,
        body: &Value,
        mut each: impl FnMut(&str),
    ) -> Result<Answer, HttpError> {
        let response = self.send(path, body).map_err(|error| self.fault(&error))?;
        let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        if !kind.unwrap_or_default().starts_with("text/event-stream") {
            return read(response).map_err(|error| self.fault(&error));
        }
        let (parts, body) = response.into_parts();
        for line in BufReader::new(body.into_reader()).lines() {
            let line = line.map_err(|error| HttpError::Other(self.base.clone(), error.to_string()))?;
            if let Some(data) = line.strip_prefix("data:") {
                each(data.trim());
            }
        }
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, text: String::new() })
    }

    /// Posts JSON and hands each line of the answer on as it comes; an error is returned whole instead.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(super) fn lines(
        &self,
        path: &str,
        body: &Value,
        mut each: impl FnMut(&str),
    ) -> Result<Answer, HttpError> {
        let response = self.send(path, body).map_err(|error| self.fault(&error))?;
        if response.status() != 200 {
            return read(response).map_err(|error| self.fault(&error));
        }
        let (parts, body) = response.into_parts();
        let mut reader = BufReader::new(body.into_reader());
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            let read = read.map_err(|error| HttpError::Other(self.base.clone(), error.to_string()))?;
            if read == 0 {
                return Ok(Answer { status: 200, headers: parts.headers, text: String::new() });
            }
            each(String::from_utf8_lossy(&line).trim());
        }
    }

    fn send(&self, path: &str, body: &Value) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.post(self.url(path)).content_type("application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {}", key.expose()));
        }
        request.send(body.to_string())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn fault(&self, error: &ureq::Error) -> HttpError {
        let base = self.base.clone();
        match error {
            ureq::Error::Timeout(_) => HttpError::Late(base),
            ureq::Error::HostNotFound => HttpError::NoHost(base),
            ureq::Error::Io(fault) if fault.kind() == std::io::ErrorKind::ConnectionRefused => {
                HttpError::Refused(base)
            }
            ureq::Error::ConnectionFailed => HttpError::Refused(base),
            other => HttpError::Other(base, other.to_string()),
        }
    }
}

fn read(mut response: Response<Body>) -> Result<Answer, ureq::Error> {
    let text = response.body_mut().with_config().limit(MOST).lossy_utf8(true).read_to_string()?;
    Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), text })
}

/// The machine's own roots, so that a house's own authority is trusted here as it is everywhere else on it.
fn tls(base: &str) -> TlsConfig {
    let roots =
        if base.starts_with("https:") { rustls_native_certs::load_native_certs().certs } else { Vec::new() };
    let roots: Vec<_> = roots.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build()
}

// === impl Answer ===

impl Answer {
    /// The JSON of the body; null if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What an error says, in LiteLLM's shape or FastAPI's, else the beginning of the body.
    pub(super) fn complaint(&self) -> String {
        let body = self.json();
        let said = [&body["error"]["message"], &body["detail"], &body["error"], &body["message"]];
        let said = said.into_iter().find_map(Value::as_str).unwrap_or(&self.text);
        let words: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = words.chars().take(200).collect();
        if short.is_empty() { format!("status {}", self.status) } else { format!("{}: {short}", self.status) }
    }
}
