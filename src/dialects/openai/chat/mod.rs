//! Chats of OpenAI's form, to and from the hub: as clients send them, and as upstreams take them.

mod chunks;
mod decode;
mod encode;
mod events;
mod message;
mod param;
mod write;

pub(in crate::dialects) use param::thinking;
pub use param::{has, set};

use super::events::error_event;
use crate::dialects::hub::{Answer, Param, Request};
use crate::dialects::stream::OfEvents;
use crate::dialects::{Ask, Auth, Dialect, Encoded, Given, Inbound, StreamDecoder, StreamEncoder};
use crate::domain::{ApiError, EndpointKind, Failure};
use bytes::Bytes;
use std::borrow::Cow;

/// OpenAI's dialect.
#[derive(Clone, Copy, Debug)]
pub struct OpenAi;

/// Everything but what only some of its models take.
const TAKEN: &[Param] = &[
    Param::MaxTokens,
    Param::Temperature,
    Param::TopP,
    Param::Stop,
    Param::Tools,
    Param::ToolChoice,
    Param::ParallelToolCalls,
    Param::ResponseFormat,
    Param::Seed,
    Param::N,
    Param::FrequencyPenalty,
    Param::PresencePenalty,
    Param::LogitBias,
    Param::Logprobs,
    Param::TopLogprobs,
    Param::Modalities,
    Param::Audio,
    Param::Prediction,
    Param::WebSearchOptions,
    Param::ServiceTier,
    Param::Verbosity,
    Param::SafetyIdentifier,
    Param::PromptCacheKey,
    Param::PromptCacheRetention,
    Param::Store,
    Param::Metadata,
];

impl Dialect for OpenAi {
    fn name(&self) -> &'static str {
        super::NAME
    }

    fn relays(&self) -> &'static [(EndpointKind, &'static str)] {
        &[
            (EndpointKind::ChatCompletions, "/chat/completions"),
            (EndpointKind::Completions, "/completions"),
            (EndpointKind::Embeddings, "/embeddings"),
            (EndpointKind::Speech, "/audio/speech"),
            (EndpointKind::Transcriptions, "/audio/transcriptions"),
            (EndpointKind::Translations, "/audio/translations"),
            (EndpointKind::ImageGenerations, "/images/generations"),
            (EndpointKind::ImageEdits, "/images/edits"),
            (EndpointKind::ImageVariations, "/images/variations"),
            (EndpointKind::Moderations, "/moderations"),
            (EndpointKind::Rerank, "/rerank"),
            (EndpointKind::Files, "/files"),
            (EndpointKind::Batches, "/batches"),
            (EndpointKind::Responses, "/responses"),
        ]
    }

    fn takes(&self) -> &'static [Param] {
        TAKEN
    }

    fn auth(&self) -> Auth {
        Auth::Bearer
    }

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        encode::encode(request, ask)
    }

    fn decode(&self, body: &[u8]) -> Result<Answer, Failure> {
        decode::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(OfEvents::new(events::Chunks::default()))
    }
}

impl Inbound for OpenAi {
    fn name(&self) -> &'static str {
        super::NAME
    }

    fn read(&self, members: &[(Cow<'_, str>, &[u8])]) -> Result<Request, ApiError> {
        let mut request = Request::default();
        for (name, value) in members {
            let value = serde_json::from_slice(value).map_err(|error| param::not_json(name, &error))?;
            set(&mut request, name, value)?;
        }
        Ok(request)
    }

    fn write(&self, answer: &Answer, given: &Given) -> Bytes {
        write::write(answer, given)
    }

    fn encoder(&self, given: Given) -> Box<dyn StreamEncoder> {
        Box::new(chunks::Chunks::new(given))
    }

    fn error(&self, error: &ApiError) -> String {
        error.to_json()
    }

    fn error_event(&self, error: &ApiError) -> Bytes {
        error_event(error)
    }
}
