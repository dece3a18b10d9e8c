//! What a session used, from the events that its server sends.

use super::frames::{Malformed, Reader};
use crate::domain::Usage;
use serde::Deserialize;

/// Sums up what answers used.
#[derive(Debug)]
pub struct Meter {
    reader: Reader,
    usage: Usage,
    answers: u64,
    /// Whether an answer is under way.
    answering: bool,
}

impl Default for Meter {
    fn default() -> Self {
        Self { reader: Reader::new(is_wanted), usage: Usage::default(), answers: 0, answering: false }
    }
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Box<str>,
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    input_token_details: Details,
    #[serde(default)]
    output_token_details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: u64,
    #[serde(default)]
    audio_tokens: u64,
    #[serde(default)]
    cached_tokens_details: Cached,
}

#[derive(Default, Deserialize)]
struct Cached {
    #[serde(default)]
    audio_tokens: u64,
}

impl Meter {
    /// Reads what the server sends.
    ///
    /// # Errors
    /// [`Malformed`]: it speaks no WebSocket, so nothing can be counted.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let (usage, answers, answering) = (&mut self.usage, &mut self.answers, &mut self.answering);
        self.reader.push(bytes, &mut |text| {
            let Ok(event) = serde_json::from_slice::<Event>(text) else { return };
            match &*event.kind {
                "response.created" => *answering = true,
                "response.done" => {
                    *answering = false;
                    *answers += 1;
                    if let Some(counts) = event.response.and_then(|response| response.usage) {
                        add(usage, &counts);
                    }
                }
                _ => {}
            }
        })
    }

    /// What was used since this was last asked.
    pub fn take(&mut self) -> Usage {
        std::mem::take(&mut self.usage)
    }

    /// Whether something was used since then.
    #[must_use]
    pub fn has_usage(&self) -> bool {
        self.usage != Usage::default()
    }

    /// Answers that were ended so far.
    #[must_use]
    pub const fn answers(&self) -> u64 {
        self.answers
    }

    /// Whether nothing is under way: neither an answer nor a frame.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        !self.answering && self.reader.is_between_frames()
    }

    /// Whether a frame of ours can stand here.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        self.reader.is_between_frames()
    }

    /// Whether the server has said that it sends no more.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.reader.is_closed()
    }
}

/// Audio comes in many long events; of those no more than the beginning is kept.
fn is_wanted(beginning: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(beginning, word).is_some();
    // An event whose type does not stand at its beginning may be any.
    has(b"\"response.done\"") || has(b"\"response.created\"") || !has(b"\"type\"")
}

/// Cached audio is billed as cached: the parts of a whole must not overlap.
fn add(usage: &mut Usage, counts: &Counts) {
    let (input, output) = (&counts.input_token_details, &counts.output_token_details);
    let audio = input.audio_tokens.saturating_sub(input.cached_tokens_details.audio_tokens);
    usage.prompt = usage.prompt.saturating_add(counts.input_tokens);
    usage.completion = usage.completion.saturating_add(counts.output_tokens);
    usage.cached = usage.cached.saturating_add(input.cached_tokens);
    usage.audio_prompt = usage.audio_prompt.saturating_add(audio);
    usage.audio_completion = usage.audio_completion.saturating_add(output.audio_tokens);
}
