//! Headers as lines of text, as HTTP/1 has them: written into one buffer, with no map, no hash and no value of its own
//! for each.

use crate::domain::{Decimal, Money};
use http::{HeaderName, HeaderValue};

/// Room for the headers of most answers, in bytes.
const ROOM: usize = 2048;

/// Headers of an answer. Names are static, or an upstream's that were parsed; no value can hold a line break.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Lines(Vec<u8>);

impl Lines {
    /// None, with room for those of an answer.
    pub(in crate::proxy) fn roomy() -> Self {
        Self(Vec::with_capacity(ROOM))
    }

    /// None, with room for so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Makes room for the headers of an answer, if there is none yet.
    pub(super) fn make_room(&mut self) {
        self.0.reserve(ROOM.saturating_sub(self.0.len()));
    }

    pub(super) fn value(&mut self, name: &str, value: &HeaderValue) {
        self.line("", name, value.as_bytes());
    }

    /// The same of a name behind a prefix.
    pub(super) fn prefixed(&mut self, prefix: &str, name: &HeaderName, value: &HeaderValue) {
        self.line(prefix, name.as_str(), value.as_bytes());
    }

    /// A text that no header can hold is left out, and its name stays.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        let fits = text.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
        self.line("", name, if fits { text.as_bytes() } else { b"" });
    }

    pub(in crate::proxy) fn number(&mut self, name: &str, number: u64) {
        self.line("", name, Decimal::new(number, 0).as_bytes());
    }

    pub(in crate::proxy) fn money(&mut self, name: &str, amount: Money) {
        self.line("", name, amount.text().as_bytes());
    }

    /// What others have.
    pub(super) fn add(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    fn line(&mut self, prefix: &str, name: &str, value: &[u8]) {
        let Self(all) = self;
        all.reserve(prefix.len() + name.len() + value.len() + 4);
        all.extend_from_slice(prefix.as_bytes());
        all.extend_from_slice(name.as_bytes());
        all.extend_from_slice(b": ");
        all.extend_from_slice(value);
        all.extend_from_slice(b"\r\n");
    }

    /// Their text; each line has its break.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.0
    }

    /// The same one by one, for a client that speaks something else.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.0.split(|byte| *byte == b'\n').filter_map(|line| {
            let line = line.strip_suffix(b"\r")?;
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = (line.get(..colon)?, line.get(colon + 2..)?);
            Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &Lines) -> Vec<(String, String)> {
        let text = |value: HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        lines.headers().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut lines = Lines::default();
        lines.text("a", "b: c");
        lines.number("n", 1_234_567);
        lines.money("m", Money::from_pico(33_964_000));
        lines.value("empty", &HeaderValue::from_static(""));
        let mut more = Lines::with_room(8);
        more.prefixed("p-", &HeaderName::from_static("x"), &HeaderValue::from_bytes(b"\xc3\xa4").unwrap());
        lines.make_room();
        lines.add(&more);
        let expected = [("a", "b: c"), ("n", "1234567"), ("m", "3.3964e-05"), ("empty", ""), ("p-x", "ä")];
        assert_eq!(told(&lines), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(lines.into_text().starts_with(b"a: b: c\r\nn: 1234567\r\n"));
    }

    #[test]
    fn nobody_can_add_a_line() {
        for text in ["a\r\nset-cookie: b", "a\nb", "a\0b", "a\u{7f}"] {
            let mut lines = Lines::roomy();
            lines.text("x", text);
            assert_eq!(lines.into_text(), b"x: \r\n", "{text:?}");
        }
    }
}
