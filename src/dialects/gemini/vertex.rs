//! The same words on Vertex AI, which lists its models elsewhere and embeds in other words.

use super::{Gemini, TAKEN};
use crate::dialects::hub::{Answer, Param, Request};
use crate::dialects::{Ask, Auth, Dialect, Encoded, StreamDecoder};
use crate::domain::{ApiError, Failure};
use std::borrow::Cow;
use std::time::Duration;

/// Gemini's dialect as Vertex AI speaks it.
#[derive(Clone, Copy, Debug)]
pub struct OnVertex;

impl Dialect for OnVertex {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn models(&self) -> Option<&'static str> {
        None
    }

    fn takes(&self) -> &'static [Param] {
        TAKEN
    }

    fn auth(&self) -> Auth {
        Auth::Lent
    }

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        let mut encoded = Gemini.encode(request, ask)?;
        // A tuned model's base ends in its endpoint.
        if ask.model.bytes().all(|b| b.is_ascii_digit())
            && let Some((_, verb)) = encoded.path.split_once(':')
        {
            encoded.path = Cow::Owned(format!(":{verb}"));
        }
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
