//! The end of an answer that is too large to hold: its usage stands there.

use super::tokens;
use crate::dialects::json::Span;
use crate::domain::Usage;
use memchr::memmem;

/// The last `usage` object in the end of a JSON answer.
#[must_use]
pub fn usage_in_tail(tail: &[u8]) -> Option<Usage> {
    let span = last_object(tail, b"\"usage\"")?;
    tokens::read(tail, span)
}

/// Where the object is that stands last under this name, quotes included.
pub(in crate::dialects) fn last_object(tail: &[u8], name: &[u8]) -> Option<Span> {
    let at = memmem::rfind(tail, name)? + name.len();
    let open = at + tail.get(at..)?.iter().position(|byte| *byte == b'{')?;
    let between = tail.get(at..open)?;
    if between.iter().any(|byte| !matches!(byte, b':' | b' ' | b'\n' | b'\r' | b'\t')) {
        return None;
    }
    let mut values =
        serde_json::Deserializer::from_slice(tail.get(open..)?).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(Span { start: open, end: open + values.byte_offset() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_usage_is_found_and_a_cut_one_is_not() {
        let tail = br#"...,1.0]}],"usage": {"prompt_tokens":7,"total_tokens":7},"model":"e"}"#;
        assert_eq!(usage_in_tail(tail).unwrap().prompt, 7);
        assert_eq!(usage_in_tail(&tail[..30]), None);
        assert_eq!(usage_in_tail(br#"{"usage":null}"#), None);
        assert_eq!(usage_in_tail(b""), None);
    }
}
