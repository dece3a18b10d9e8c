//! OpenAI's format: requests, answers, event streams and errors.

mod about;
pub mod answer;
mod choices;
pub mod encode;
mod fields;
pub mod request;
pub mod stream;
pub mod tail;
mod tokens;
pub mod upstream_error;

pub use answer::{AnswerFacts, rename_model};
pub use encode::{Shape, ShapeParams, encode};
pub use request::{Controls, Request};
pub use stream::{Produced, StreamEnd, StreamOptions, StreamRelay, error_event, whole_event};
pub use tail::usage_in_tail;
pub use upstream_error::read_failure;

#[cfg(test)]
mod tests;
