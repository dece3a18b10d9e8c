//! Ollama's own API: `/api/chat`, whole and as lines of JSON. What it takes in OpenAI's words besides is relayed.

mod answer;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use super::hub::{Answer, Param, Request};
use super::{Ask, Auth, Dialect, Encoded, StreamDecoder};
use crate::domain::{ApiError, EndpointKind, Failure};

/// Ollama's dialect.
#[derive(Clone, Copy, Debug)]
pub struct Ollama;

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
];

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    fn relays(&self) -> &'static [(EndpointKind, &'static str)] {
        &[(EndpointKind::Embeddings, "/v1/embeddings"), (EndpointKind::Completions, "/v1/completions")]
    }

    fn models(&self) -> Option<&'static str> {
        Some("/v1/models")
    }

    fn takes(&self) -> &'static [Param] {
        TAKEN
    }

    fn auth(&self) -> Auth {
        Auth::Bearer
    }

    fn stream_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        request::encode(request, ask)
    }

    fn decode(&self, body: &[u8]) -> Result<Answer, Failure> {
        answer::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Lines::default())
    }
}
