//! Names of things: deployments and calls.

use std::fmt;
use std::sync::Arc;

/// The id of a deployment, LiteLLM's `model_id`: stable over restarts while its entry stays the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(Arc<str>);

impl TargetId {
    /// Wraps an id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(Arc::from(id))
    }

    /// Wraps an id without copying it.
    #[must_use]
    pub const fn shared(id: Arc<str>) -> Self {
        Self(id)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one client call: a UUID of ours, or the client's own `x-litellm-call-id`.
///
/// It is a name and opens nothing: whoever asks for a call by it is asked who he is, and is shown what is his. So it
/// comes from a fast generator, and may be guessed. What clients may fetch by its id alone is sealed
/// (`auth::receipt`); keys are made of the system's random numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallId(Arc<str>);

impl CallId {
    /// Longest id that is taken over from a client, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Wraps an id that this process made.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(Arc::from(id))
    }

    /// Takes over a client's id if it is short and plain: letters, digits and `-_.:`.
    #[must_use]
    pub fn from_client(id: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        (!id.is_empty() && id.len() <= Self::MAX_LEN && id.bytes().all(plain)).then(|| Self::new(id))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of one usage record: 128 bits that begin with the time, so that records sort by it. It makes a record that is
/// booked again the same one, and opens nothing, as a [`CallId`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(u128);

impl RecordId {
    /// Makes an id from a time in unix milliseconds and 80 random bits or more.
    #[must_use]
    pub const fn new(unix_ms: u64, random: u128) -> Self {
        Self((unix_ms as u128) << 80 | random & ((1 << 80) - 1))
    }

    /// The id whose bits these are.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (digits, byte) in text.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            digits.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_cannot_carry_anything_but_an_id() {
        assert!(CallId::from_client("3f1c-aa_1.b:2").is_some());
        for bad in ["", "a b", "a\r\nx: y", "ü", &"x".repeat(200)] {
            assert!(CallId::from_client(bad).is_none(), "{bad:?} must not be echoed");
        }
    }
}
