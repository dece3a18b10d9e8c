//! OpenAI's format: requests, answers, event streams and errors.

mod about;
pub mod answer;
pub mod chat;
mod choices;
pub mod encode;
mod events;
mod fields;
pub mod forms;
mod lines;
pub mod media;
pub mod request;
pub mod stream;
pub mod tail;
mod tokens;
pub mod upstream_error;
mod wishes;

/// The dialect's name.
pub const NAME: &str = "openai";

pub use super::stream::{Produced, StreamEnd};
pub use answer::{AnswerFacts, rename_model};
pub use chat::OpenAi;
pub use encode::encode;
pub(super) use encode::unsupported;
pub use events::{error_event, whole_event};
pub use media::MediaFacts;
pub use request::{Controls, Request};
pub use stream::{StreamOptions, StreamRelay};
pub(super) use tail::last_object;
pub use tail::usage_in_tail;
pub(super) use tokens::read as read_usage;
pub use upstream_error::read_failure;
pub use wishes::{Wanted, Wish, Wishes};

#[cfg(test)]
mod tests;
