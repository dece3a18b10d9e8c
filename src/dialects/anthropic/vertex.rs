//! The same words on Vertex AI: the model stands in the path, and the version in the body.

use super::{Anthropic, TAKEN};
use crate::dialects::hub::{Answer, Param, Request};
use crate::dialects::{Ask, Auth, Dialect, Encoded, StreamDecoder, gemini};
use crate::domain::{ApiError, Failure};
use std::borrow::Cow;
use std::time::Duration;

/// Anthropic's dialect as Vertex AI speaks it.
#[derive(Clone, Copy, Debug)]
pub struct OnVertex;

const VERSION: &str = "vertex-2023-10-16";

impl Dialect for OnVertex {
    fn name(&self) -> &'static str {
        "anthropic"
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

    fn patch(&self, request: &mut Request) {
        Anthropic.patch(request);
    }

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        let verb = if request.stream { "streamRawPredict" } else { "rawPredict" };
        let mut encoded = Anthropic.encode(request, ask)?;
        encoded.body.shift_remove("model");
        encoded.body.insert("anthropic_version".to_owned(), VERSION.into());
        encoded.path = Cow::Owned(format!("/models/{}:{verb}", gemini::in_path(ask.model)));
        Ok(encoded)
    }

    fn decode(&self, body: &[u8]) -> Result<Answer, Failure> {
        Anthropic.decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Anthropic.decoder()
    }

    fn classify(&self, status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
        Anthropic.classify(status, body, retry_after)
    }
}
