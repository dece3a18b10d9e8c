//! OpenAI's responses, as clients speak them: relayed where the upstream has them, else translated.
//!
//! Nothing is kept here, so what needs a memory (`previous_response_id`, `store`, `background`) is refused where an
//! answer is translated, and left to the upstream where it is relayed.

mod events;
mod item;
mod object;
mod read;
mod relay;
mod tools;
mod turns;
mod write;

pub use relay::{Relay, facts, failed};

use super::hub::{Answer, Param, Request};
use super::{Given, Inbound, StreamEncoder, openai};
use crate::domain::ApiError;
use bytes::Bytes;
use std::borrow::Cow;

/// The dialect of OpenAI's responses.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

/// What translation to another dialect may lose: clients send these without insisting on them.
const HINTS: &[Param] =
    &[Param::ReasoningEffort, Param::ParallelToolCalls, Param::User, Param::Verbosity, Param::Metadata];

impl Inbound for Responses {
    fn name(&self) -> &'static str {
        "responses"
    }

    fn hints(&self) -> &'static [Param] {
        HINTS
    }

    fn droppable(&self) -> &'static [&'static str] {
        &["store", "include", "top_logprobs"]
    }

    fn read(&self, members: &[(Cow<'_, str>, &[u8])]) -> Result<Request, ApiError> {
        read::read(members)
    }

    fn write(&self, answer: &Answer, given: &Given) -> Bytes {
        write::write(answer, given)
    }

    fn echo(&self, request: &openai::Request) -> Bytes {
        object::echo(request)
    }

    fn encoder(&self, given: Given) -> Box<dyn StreamEncoder> {
        Box::new(events::Events::new(given))
    }

    fn error(&self, error: &ApiError) -> String {
        error.to_json()
    }

    fn error_event(&self, error: &ApiError) -> Bytes {
        let mut out = Vec::new();
        object::error_event(error, 0, &mut out);
        Bytes::from(out)
    }
}

#[cfg(test)]
mod tests;
