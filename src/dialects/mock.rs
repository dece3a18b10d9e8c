//! `mock_response`: an answer that is given in the place of an upstream's, as LiteLLM has it.

use super::hub::{Answer, Body, Event, Stop};
use super::{Given, Inbound};
use crate::domain::{UpstreamClass, Usage};
use bytes::Bytes;
use serde_json::json;

/// What every such answer is said to have used.
fn used() -> Usage {
    Usage { prompt: 10, completion: 20, ..Usage::default() }
}

/// What a text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mock<'a> {
    /// An answer of this text.
    Says(&'a str),
    /// A failure of this class, and its words.
    Fails(UpstreamClass, &'a str),
}

impl<'a> Mock<'a> {
    /// LiteLLM's words for failures are failures; any other text is an answer.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        match text {
            "litellm.RateLimitError" => {
                Self::Fails(UpstreamClass::RateLimit, "this is a mock rate limit error")
            }
            "litellm.ContextWindowExceededError" => {
                Self::Fails(UpstreamClass::ContextWindow, "this is a mock context window exceeded error")
            }
            "litellm.InternalServerError" => {
                Self::Fails(UpstreamClass::Internal, "this is a mock internal server error")
            }
            _ if text.starts_with("Exception: content_filter_policy") => {
                Self::Fails(UpstreamClass::ContentPolicy, text)
            }
            _ => Self::Says(text),
        }
    }
}

/// The whole answer as clients of a dialect have it.
#[must_use]
pub fn whole(text: &str, inbound: &dyn Inbound, given: &Given) -> Bytes {
    let content = vec![Body::Text(text.to_owned())];
    let model = given.model.to_string();
    inbound.write(&Answer { id: id(given), model, content, stop: Stop::End, usage: Some(used()) }, given)
}

/// The same as a stream, with its usage.
#[must_use]
pub fn events(text: &str, inbound: &dyn Inbound, given: Given) -> Bytes {
    let start = Event::Start { id: id(&given), model: given.model.to_string() };
    let said = text.split_inclusive(' ').map(|piece| Event::Text(piece.to_owned()));
    let end = [Event::Stop(Stop::End), Event::Usage(used()), Event::End];
    let mut encoder = inbound.encoder(Given { usage: true, ..given });
    let mut out = Vec::new();
    [start].into_iter().chain(said).chain(end).for_each(|event| encoder.push(&event, &mut out));
    encoder.finish(&mut out);
    Bytes::from(out)
}

/// The whole answer of OpenAI's older API for texts, or the events of its stream.
#[must_use]
pub fn completion(text: &str, stream: bool, given: &Given) -> Bytes {
    let used = used();
    let usage = json!({
        "prompt_tokens": used.prompt, "completion_tokens": used.completion, "total_tokens": used.total(),
    });
    let choice = |text: &str, reason: Option<&str>| json!([{ "text": text, "index": 0, "logprobs": null, "finish_reason": reason }]);
    let object = |choices| {
        json!({
            "id": format!("cmpl-{}", given.id), "object": "text_completion", "created": given.created,
            "model": *given.model, "choices": choices,
        })
    };
    if !stream {
        let mut whole = object(choice(text, Some("stop")));
        whole["usage"] = usage;
        return Bytes::from(whole.to_string());
    }
    let pieces = text.split_inclusive(' ').map(|piece| object(choice(piece, None)));
    let mut last = object(json!([]));
    last["usage"] = usage;
    let mut out = String::new();
    for event in pieces.chain([object(choice("", Some("stop"))), last]) {
        out.push_str(&format!("data: {event}\n\n"));
    }
    out.push_str("data: [DONE]\n\n");
    Bytes::from(out)
}

fn id(given: &Given) -> String {
    format!("chatcmpl-{}", given.id)
}
