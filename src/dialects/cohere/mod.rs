//! Cohere's chat, version 2, whole and streamed. Embeddings are relayed to its OpenAI-compatible endpoint.

mod answer;
mod events;
mod request;
#[cfg(test)]
mod tests;

use super::hub::{Answer, Param, Request};
use super::stream::OfEvents;
use super::{Ask, Auth, Dialect, Encoded, StreamDecoder};
use crate::domain::{ApiError, EndpointKind, Failure};

/// Cohere's dialect.
#[derive(Clone, Copy, Debug)]
pub struct Cohere;

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

impl Dialect for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn relays(&self) -> &'static [(EndpointKind, &'static str)] {
        &[(EndpointKind::Embeddings, "/compatibility/v1/embeddings"), (EndpointKind::Rerank, "/v2/rerank")]
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

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        request::encode(request, ask)
    }

    fn decode(&self, body: &[u8]) -> Result<Answer, Failure> {
        answer::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(OfEvents::new(events::Events::default()))
    }
}
