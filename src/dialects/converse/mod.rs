//! Amazon Bedrock's Converse, whole and as a binary event stream; requests are signed ([`sign`]).

mod answer;
mod content;
mod events;
mod frame;
mod request;
mod settings;
pub mod sign;
#[cfg(test)]
mod tests;

use super::hub::{Answer, Param, Request};
use super::{Ask, Auth, Dialect, Encoded, StreamDecoder, openai};
use crate::domain::{ApiError, Failure};
use std::time::Duration;

/// Converse's dialect.
#[derive(Clone, Copy, Debug)]
pub struct Converse;

/// The media type of a stream.
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

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
];

impl Dialect for Converse {
    fn name(&self) -> &'static str {
        "converse"
    }

    fn models(&self) -> Option<&'static str> {
        None
    }

    fn takes(&self) -> &'static [Param] {
        TAKEN
    }

    fn auth(&self) -> Auth {
        Auth::Signed(&sign::SigV4)
    }

    fn stream_type(&self) -> &'static str {
        EVENT_STREAM
    }

    fn patch(&self, request: &mut Request) {
        request.begin_with_client();
        request.declare_a_function();
    }

    fn encode(&self, request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
        request::encode(request, ask)
    }

    fn decode(&self, body: &[u8]) -> Result<Answer, Failure> {
        answer::decode(body)
    }

    fn classify(&self, status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
        // The model broke, not the request.
        openai::read_failure(if status == 424 { 500 } else { status }, body, retry_after)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(events::Decoder::default())
    }
}
