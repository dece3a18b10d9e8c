//! `traceparent`, version 00: `00-` trace id `-` span id `-` flags, all in lower-case hexadecimal.

/// Length of version 00.
pub(super) const LENGTH: usize = 55;

/// Whose work a call is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) id: u128,
    pub(super) span: u64,
    pub(super) is_sampled: bool,
}

impl Parent {
    /// Reads the header; a later version by what it shares with version 00.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let mut part = |length: usize| parts.next().filter(|part| part.len() == length && is_hex(part));
        let (version, id, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let fits = match version {
            "00" => rest.is_empty(),
            "ff" => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let id = u128::from_str_radix(id, 16).ok().filter(|id| *id != 0 && fits)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
        let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { id, span, is_sampled })
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The header's text. Every call to an upstream has one, so it is not left to the formatter of numbers.
pub(super) fn write(id: u128, span: u64, is_sampled: bool) -> [u8; LENGTH] {
    let mut text = *b"00-................................-................-00";
    write_hex(&mut text[3..35], &id.to_be_bytes());
    write_hex(&mut text[36..52], &span.to_be_bytes());
    text[54] += u8::from(is_sampled);
    text
}

fn write_hex(into: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (two, byte) in into.chunks_exact_mut(2).zip(bytes) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 15)];
    }
}
