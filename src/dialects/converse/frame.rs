//! A message of an event stream: lengths, headers, payload, and checksums of them.
//!
//! `total u32 | headers u32 | crc32 of these | headers | payload | crc32 of all before`, big-endian.

use crate::dialects::sse::MAX_EVENT;

/// Bytes before the headers.
const PRELUDE: usize = 12;
/// Bytes of a message without headers and payload.
const BARE: usize = PRELUDE + 4;

/// One message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub(super) kind: &'a str,
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub(super) name: &'a str,
    /// The body.
    pub(super) payload: &'a [u8],
}

/// The end of the message that `bytes` begin with. What is none is cut off at its prelude, for [`read`] to refuse.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let prelude = bytes.get(..PRELUDE)?;
    let Some(total) = length(prelude) else { return Some(PRELUDE) };
    (bytes.len() >= total).then_some(total)
}

/// The length that a prelude tells, if it is whole and sound.
fn length(prelude: &[u8]) -> Option<usize> {
    let (told, crc) = (prelude.get(..8)?, number(prelude, 8)?);
    let total = usize::try_from(number(prelude, 0)?).ok()?;
    let headers = usize::try_from(number(prelude, 4)?).ok()?;
    let sound = crc32fast::hash(told) == crc && total <= MAX_EVENT && headers.checked_add(BARE)? <= total;
    sound.then_some(total)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let found = bytes.get(at..at.checked_add(4)?)?;
    found.try_into().ok().map(u32::from_be_bytes)
}

/// Reads a message; `None` if it is damaged.
pub(super) fn read(message: &[u8]) -> Option<Frame<'_>> {
    let total = length(message.get(..PRELUDE)?)?;
    if total != message.len() {
        return None;
    }
    let body = total - 4;
    if crc32fast::hash(message.get(..body)?) != number(message, body)? {
        return None;
    }
    let headers = PRELUDE.checked_add(usize::try_from(number(message, 4)?).ok()?)?;
    let mut frame = Frame { payload: message.get(headers..body)?, ..Frame::default() };
    let mut rest = message.get(PRELUDE..headers)?;
    while !rest.is_empty() {
        let (name, value, after) = header(rest)?;
        match name {
            b":message-type" => frame.kind = value,
            b":event-type" | b":exception-type" | b":error-code" => frame.name = value,
            _ => {}
        }
        rest = after;
    }
    Some(frame)
}

/// The first header: its name, its value if that is a text, and what follows.
fn header(bytes: &[u8]) -> Option<(&[u8], &str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let counted = || {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    };
    let fixed = |size: usize| rest.split_at_checked(size);
    let (value, after) = match kind {
        0 | 1 => fixed(0),
        2 => fixed(1),
        3 => fixed(2),
        4 => fixed(4),
        5 | 8 => fixed(8),
        6 | 7 => counted(),
        9 => fixed(16),
        _ => None,
    }?;
    let text = if *kind == 7 { std::str::from_utf8(value).ok()? } else { "" };
    Some((name, text, after))
}

/// Writes a message, as upstreams do.
#[cfg(test)]
pub(super) fn write(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for (name, value) in headers {
        written.push(u8::try_from(name.len()).unwrap());
        written.extend_from_slice(name.as_bytes());
        written.push(7);
        written.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        written.extend_from_slice(value.as_bytes());
    }
    let total = u32::try_from(BARE + written.len() + payload.len()).unwrap();
    let mut message = total.to_be_bytes().to_vec();
    message.extend_from_slice(&u32::try_from(written.len()).unwrap().to_be_bytes());
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message.extend_from_slice(&written);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message
}
