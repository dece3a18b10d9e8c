//! The same words on Vertex AI, which lists its models elsewhere and embeds in other words.

use super::{Gemini, TAKEN};
use crate::dialects::hub::{Answer, Param, Request};
use crate::dialects::{Ask, Auth, Dialect, Encoded, StreamDecoder};
use crate::domain::{ApiError, EndpointKind, Failure};
use std::borrow::Cow;
use std::time::Duration;

/// Gemini's dialect as Vertex AI speaks it.
#[derive(Clone, Copy, Debug)]
pub struct OnVertex;

/// A tuned model, which is a number, has a base that ends in its endpoint: its paths begin with the verb.
fn at_endpoint(model: &str, path: String) -> String {
    match path.split_once(':') {
        Some((_, verb)) if model.bytes().all(|b| b.is_ascii_digit()) => format!(":{verb}"),
        _ => path,
    }
}

impl Dialect for OnVertex {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn models(&self) -> Option<&'static str> {
        None
    }

    fn relays_at(&self, kind: EndpointKind, model: &str) -> Option<String> {
        Gemini.relays_at(kind, model).map(|path| at_endpoint(model, path))
    }

    fn takes(&self) -> &'static [Param] {
        TAKEN
    }

    fn auth(&self) -> Auth {
        Auth::Lent
    }

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        let mut encoded = Gemini.encode(request, ask)?;
        encoded.path = Cow::Owned(at_endpoint(ask.model, encoded.path.into_owned()));
        Ok(encoded)
    }

    fn decode(&self, body: &[u8]) -> Result<Answer, Failure> {
        Gemini.decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Gemini.decoder()
    }

    fn classify(&self, status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
        Gemini.classify(status, body, retry_after)
    }
}
