//! Anthropic's messages: requests, answers, event streams and errors, as upstreams and as clients speak them.

mod answer;
mod blocks;
mod decode;
mod encode;
mod error;
mod events;
mod message;
mod model;
mod read;
mod relay;
mod tokens;
mod vertex;
mod write;

pub use answer::facts;
pub use relay::Relay;
pub use vertex::OnVertex;

use super::hub::{Answer, Param, Request};
use super::stream::OfEvents;
use super::{Ask, Auth, Dialect, Encoded, Given, Inbound, StreamDecoder, StreamEncoder};
use crate::domain::{ApiError, EndpointKind, Failure};
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;

/// Anthropic's dialect.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic;

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
    Param::User,
    Param::WebSearchOptions,
];

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn relays(&self) -> &'static [(EndpointKind, &'static str)] {
        &[(EndpointKind::Messages, "/messages"), (EndpointKind::CountTokens, "/messages/count_tokens")]
    }

    fn takes(&self) -> &'static [Param] {
        TAKEN
    }

    fn auth(&self) -> Auth {
        Auth::Header("x-api-key")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn patch(&self, request: &mut Request) {
        request.begin_with_client();
        request.declare_a_function();
    }

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        encode::encode(request, ask)
    }

    fn decode(&self, body: &[u8]) -> Result<Answer, Failure> {
        decode::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(OfEvents::new(events::Events::default()))
    }

    fn classify(&self, status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
        error::classify(status, body, retry_after)
    }
}

/// What translation to another dialect may lose: clients send these without insisting on them.
const HINTS: &[Param] = &[Param::ReasoningEffort, Param::ParallelToolCalls, Param::User];

impl Inbound for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn relayed_headers(&self) -> &'static [&'static str] {
        &["anthropic-version", "anthropic-beta"]
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
        Box::new(blocks::Blocks::new(given))
    }

    fn error(&self, error: &ApiError) -> String {
        error::body(error).to_string()
    }

    fn error_event(&self, error: &ApiError) -> Bytes {
        Bytes::from(format!("event: error\ndata: {}\n\n", error::body(error)))
    }
}

#[cfg(test)]
mod tests;
