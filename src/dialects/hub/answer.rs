//! What a model answered.

use super::Body;
use crate::domain::Usage;

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The upstream's id of it; empty if it gave none.
    pub id: String,
    /// The model that the upstream says it is of; empty if it did not.
    pub model: String,
    /// What was said, in order: text, reasoning, calls.
    pub content: Vec<Body>,
    /// Why it ended.
    pub stop: Stop,
    /// The upstream's own counts.
    pub usage: Option<Usage>,
}

impl Answer {
    /// How many bytes were said, thought and called, for an estimate.
    #[must_use]
    pub fn said_bytes(&self) -> u64 {
        let length = |body: &Body| match body {
            Body::Text(text) | Body::Refusal(text) | Body::Reasoning { text, .. } => text.len(),
            Body::Call(call) => call.arguments.len(),
            _ => 0,
        };
        self.content.iter().map(length).sum::<usize>() as u64
    }

    /// All its text.
    #[must_use]
    pub fn text(&self) -> String {
        self.content.iter().filter_map(Body::text).collect()
    }
}

/// Why an answer ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// All is said.
    #[default]
    End,
    /// A text of `stop` came; which, if the upstream said.
    Sequence(Option<String>),
    /// The bound of tokens, or of the context, is met.
    Length,
    /// Functions are to be called.
    Calls,
    /// The provider's filter stepped in.
    Filter,
    /// The model refuses.
    Refusal,
    /// The provider paused a long turn, to be continued by the client.
    Pause,
}
