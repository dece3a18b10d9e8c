//! Google's Gemini API: `generateContent`, whole and streamed, as upstreams and as clients speak it. Embeddings are relayed to its OpenAI-compatible
//! endpoint.

mod answer;
mod chunks;
mod content;
mod error;
mod facts;
mod list;
mod media;
mod names;
mod read;
mod relay;
mod request;
mod schema;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod upstream_error;
mod vertex;
mod write;

pub use facts::{facts, usage_in_tail};
pub use list::List;
pub use relay::Relay;
pub(in crate::dialects) use request::in_path;
pub use vertex::OnVertex;

use super::hub::{Answer, Param, Request};
use super::stream::OfEvents;
use super::{Ask, Auth, Dialect, Encoded, Given, Inbound, StreamDecoder, StreamEncoder};
use crate::domain::{ApiError, EndpointKind, Failure};
use bytes::Bytes;
use std::borrow::Cow;
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

    fn relays_at(&self, kind: EndpointKind, model: &str) -> Option<String> {
        let how = match kind {
            EndpointKind::GenerateContent => request::WHOLE,
            EndpointKind::StreamContent => request::STREAMED,
            EndpointKind::CountContent => request::COUNTED,
            _ => return None,
        };
        Some(request::path(model, how))
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

/// What translation to another dialect may lose: clients send these without insisting on them.
const HINTS: &[Param] = &[Param::ReasoningEffort];

impl Inbound for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn hints(&self) -> &'static [Param] {
        HINTS
    }

    fn read(&self, members: &[(Cow<'_, str>, &[u8])]) -> Result<Request, ApiError> {
        read::read(members)
    }

    fn write(&self, answer: &Answer, given: &Given) -> Bytes {
        write::write(answer, given)
    }

    fn encoder(&self, given: Given) -> Box<dyn StreamEncoder> {
        Box::new(chunks::Chunks::new(given))
    }

    fn error(&self, error: &ApiError) -> String {
        error::body(error).to_string()
    }

    fn error_event(&self, error: &ApiError) -> Bytes {
        Bytes::from(format!("data: {}\n\n", error::body(error)))
    }
}
