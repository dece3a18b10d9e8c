//! The `usage` object, to and from our own counts: Anthropic counts what its cache gave or took beside the
//! prompt, and we as parts of it.

use crate::domain::Usage;
use serde_json::{Map, Value, json};

/// The counts as sent. In a stream they come in pieces, and a later number replaces an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    input: u64,
    output: u64,
    read: u64,
    written: u64,
    thinking: u64,
    seen: bool,
}

impl Counts {
    /// Takes up what a `usage` object says.
    pub(super) fn take(&mut self, usage: &Value) {
        let Some(usage) = usage.as_object() else { return };
        let mut put = |name: &str, into: &mut u64| {
            if let Some(number) = count(usage, name) {
                *into = number;
                self.seen = true;
            }
        };
        put("input_tokens", &mut self.input);
        put("output_tokens", &mut self.output);
        put("cache_read_input_tokens", &mut self.read);
        put("cache_creation_input_tokens", &mut self.written);
        if let Some(Value::Object(details)) = usage.get("output_tokens_details") {
            self.thinking = count(details, "thinking_tokens").unwrap_or(self.thinking);
        }
    }

    /// In our own way of counting; `None` if nothing was said.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.seen.then(|| Usage {
            prompt: self.input.saturating_add(self.read).saturating_add(self.written),
            completion: self.output,
            cached: self.read,
            cache_write: self.written,
            reasoning: self.thinking,
            ..Usage::default()
        })
    }
}

fn count(map: &Map<String, Value>, name: &str) -> Option<u64> {
    map.get(name)?.as_u64()
}

/// Our counts in Anthropic's way.
pub(super) fn write(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt.saturating_sub(usage.cached).saturating_sub(usage.cache_write),
        "output_tokens": usage.completion,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
    })
}
