//! What `choices` holds, found in one pass over its strings and without regard to its depth.

use crate::dialects::json::{skip_space, skip_string};

/// What one `choices` value says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChoiceFacts {
    /// Bytes of text produced, as escaped.
    pub(super) text_bytes: u64,
    /// Text, reasoning or a tool call is there.
    pub(super) output: bool,
    /// A finish reason is there.
    pub(super) finished: bool,
    /// A delta says something, if only a role.
    pub(super) delta: bool,
}

impl ChoiceFacts {
    /// Whether a client would miss it.
    pub(super) const fn matters(self) -> bool {
        self.output || self.finished || self.delta
    }
}

/// Reads a `choices` value. What is broken in it counts as not there.
pub(super) fn read(choices: &[u8]) -> ChoiceFacts {
    let mut facts = ChoiceFacts::default();
    let mut at = 0;
    while let Some(found) = choices.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let start = at + found;
        let Ok(end) = skip_string(choices, start) else { break };
        at = skip_space(choices, end);
        if choices.get(at) != Some(&b':') {
            continue;
        }
        at = skip_space(choices, at + 1);
        let Some(key) = choices.get(start + 1..end - 1) else { break };
        if let Some(next) = facts.take(key, choices, at) {
            at = next;
        }
    }
    facts
}

impl ChoiceFacts {
    /// Notes the member whose value begins at `at`; where the value ends, if that was looked for.
    fn take(&mut self, key: &[u8], choices: &[u8], at: usize) -> Option<usize> {
        let first = *choices.get(at)?;
        match key {
            b"content" | b"text" | b"reasoning_content" | b"reasoning" | b"refusal" | b"arguments"
            | b"thinking" | b"transcript" => {
                if first != b'"' {
                    return None;
                }
                let end = skip_string(choices, at).ok()?;
                let length = end - at - 2;
                self.text_bytes += length as u64;
                self.output |= length > 0;
                return Some(end);
            }
            b"tool_calls" | b"function_call" | b"audio" | b"images" => self.output |= holds(choices, at),
            b"finish_reason" => self.finished |= first == b'"',
            b"delta" => self.delta |= holds(choices, at),
            _ => {}
        }
        if first == b'"' { skip_string(choices, at).ok() } else { None }
    }
}

/// Whether the value at `at` is an object or array that is not empty.
fn holds(bytes: &[u8], at: usize) -> bool {
    if !matches!(bytes.get(at), Some(b'{' | b'[')) {
        return false;
    }
    !matches!(bytes.get(skip_space(bytes, at + 1)), Some(b'}' | b']') | None)
}
