//! Google's Gemini API: `generateContent`, whole and streamed. Embeddings are relayed to its OpenAI-compatible
//! endpoint.

mod answer;
mod media;
mod request;
mod schema;
mod stream;
#[cfg(test)]
mod tests;
mod upstream_error;

use super::hub::{Answer, Param, Request};
use super::stream::OfEvents;
use super::{Ask, Auth, Dialect, Encoded, StreamDecoder};
use crate::domain::{ApiError, EndpointKind, Failure};
use std::time::Duration;

/// Gemini's dialect.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

const TAKEN: &[Param] = &[
    Param::MaxTokens,
    Param::Temperature,
    Param::TopP,
    Param::Stop,
    Param::Tools,
    Param::ToolChoice,
    Param::ParallelToolCalls,
    Param::ResponseFormat,
    Param::ReasoningEffort,
    Param::Seed,
    Param::FrequencyPenalty,
    Param::PresencePenalty,
    Param::Modalities,
];

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn relays(&self) -> &'static [(EndpointKind, &'static str)] {
        &[
            (EndpointKind::Embeddings, "/openai/embeddings"),
            (EndpointKind::ImageGenerations, "/openai/images/generations"),
        ]
    }

    fn takes(&self) -> &'static [Param] {
        TAKEN
    }

    fn auth(&self) -> Auth {
        Auth::Header("x-goog-api-key")
    }

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        request::encode(request, ask)
    }

    fn decode(&self, body: &[u8]) -> Result<Answer, Failure> {
        answer::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(OfEvents::new(stream::Chunks::default()))
    }

    fn classify(&self, status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
        upstream_error::read(status, body, retry_after)
    }
}
