//! Finds the members of a JSON object without building a tree.
//!
//! What is at the top level is checked to the letter; inside nested values only strings and brackets
//! are followed. So the spans are right whenever the body is JSON, and megabytes cost a `memchr`.

mod skip;
mod words;

pub use skip::{elements, skip_space, skip_string, skip_value};

use skip::skip_strict_string;
use std::borrow::Cow;

/// How deep values may nest, the object itself included. `serde_json` takes as many.
pub const MAX_DEPTH: u32 = 127;
/// How many members an object may have.
pub const MAX_MEMBERS: usize = 256;

/// Where something lies in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The bytes it covers; empty if it is not within `body`.
    #[must_use]
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }
}

/// One member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key with its quotes.
    pub key: Span,
    /// The value.
    pub value: Span,
    /// Whether the key holds escapes.
    pub escaped: bool,
}

impl Member {
    /// The key as meant, with its escapes resolved.
    #[must_use]
    pub fn name<'a>(&self, body: &'a [u8]) -> Cow<'a, str> {
        text(self.key.of(body)).unwrap_or_default()
    }

    /// The key as meant, in bytes that are not checked for UTF-8.
    #[must_use]
    pub fn name_bytes<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        if self.escaped {
            return Cow::Owned(self.name(body).into_owned().into_bytes());
        }
        Cow::Borrowed(body.get(self.key.start + 1..self.key.end - 1).unwrap_or_default())
    }

    /// Whether the key means `name`.
    #[must_use]
    pub fn is(&self, body: &[u8], name: &str) -> bool {
        if self.escaped {
            return self.name(body) == name;
        }
        body.get(self.key.start + 1..self.key.end - 1) == Some(name.as_bytes())
    }

    /// The key, the colon and the value.
    #[must_use]
    pub const fn whole(&self) -> Span {
        Span { start: self.key.start, end: self.value.end }
    }
}

/// Why a body is not a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON.
    Syntax {
        /// What is wrong.
        reason: &'static str,
        /// Where, in bytes.
        at: usize,
    },
    /// JSON, but not an object.
    NotAnObject,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// More than [`MAX_MEMBERS`] members.
    TooManyMembers,
}

const END: &str = "unexpected end of data";
const CHARACTER: &str = "unexpected character";

const fn syntax(reason: &'static str, at: usize) -> Fault {
    Fault::Syntax { reason, at }
}

impl Fault {
    /// The fault in words, with the place as Python's parsers give it.
    #[must_use]
    pub fn describe(&self, body: &[u8]) -> String {
        match *self {
            Self::Syntax { reason, at } => {
                let before = String::from_utf8_lossy(body.get(..at).unwrap_or(body));
                let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
                let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
                format!("{reason}: line {line} column {column} (char {})", before.chars().count())
            }
            Self::NotAnObject => "the body must be a JSON object".to_owned(),
            Self::TooDeep => format!("values are nested more than {MAX_DEPTH} deep"),
            Self::TooManyMembers => format!("more than {MAX_MEMBERS} members"),
        }
    }
}

/// All members of the object that `body` is; the body must be UTF-8 and nothing may follow the object.
///
/// # Errors
/// The first fault found.
pub fn object(body: &[u8]) -> Result<Vec<Member>, Fault> {
    if let Err(e) = std::str::from_utf8(body) {
        return Err(syntax("str is not valid UTF-8", e.valid_up_to()));
    }
    let mut members = Vec::with_capacity(16);
    for member in Members::of(body)? {
        members.push(member?);
    }
    Ok(members)
}

/// The members of an object, one by one. The text is not checked for UTF-8.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    count: usize,
    done: bool,
}

impl<'a> Members<'a> {
    /// The members of the object that `bytes` is.
    ///
    /// # Errors
    /// If it does not begin as an object.
    pub fn of(bytes: &'a [u8]) -> Result<Self, Fault> {
        Self::from(bytes, 0)
    }

    /// The members of the object at `span` of `body`; their spans count from the start of `body`.
    ///
    /// # Errors
    /// If the value does not begin as an object.
    pub fn within(body: &'a [u8], span: Span) -> Result<Self, Fault> {
        Self::from(body.get(..span.end).unwrap_or(body), span.start)
    }

    fn from(bytes: &'a [u8], start: usize) -> Result<Self, Fault> {
        let at = skip_space(bytes, start);
        if bytes.get(at) == Some(&b'{') {
            return Ok(Self { bytes, at: at + 1, count: 0, done: false });
        }
        let end = skip_space(bytes, skip_value(bytes, at)?);
        if end < bytes.len() {
            return Err(syntax("unexpected content after document", end));
        }
        Err(Fault::NotAnObject)
    }

    fn advance(&mut self) -> Result<Option<Member>, Fault> {
        let bytes = self.bytes;
        let mut at = skip_space(bytes, self.at);
        match bytes.get(at) {
            Some(b'}') => return self.end(at + 1),
            Some(b',') if self.count > 0 => {
                at = skip_space(bytes, at + 1);
                if bytes.get(at) == Some(&b'}') {
                    return Err(syntax("trailing comma is not allowed", at));
                }
            }
            Some(_) if self.count > 0 => return Err(syntax(CHARACTER, at)),
            Some(_) => {}
            None => return Err(syntax(END, at)),
        }
        match bytes.get(at) {
            Some(b'"') => {}
            Some(_) => return Err(syntax(CHARACTER, at)),
            None => return Err(syntax(END, at)),
        }
        let (key_end, escaped) = skip_strict_string(bytes, at)?;
        let key = Span { start: at, end: key_end };
        if escaped && text(key.of(bytes)).is_none() {
            return Err(syntax("invalid escape in object key", at));
        }
        at = skip_space(bytes, key_end);
        match bytes.get(at) {
            Some(b':') => at = skip_space(bytes, at + 1),
            Some(_) => return Err(syntax(CHARACTER, at)),
            None => return Err(syntax(END, at)),
        }
        let end = skip_value(bytes, at)?;
        self.count += 1;
        if self.count > MAX_MEMBERS {
            return Err(Fault::TooManyMembers);
        }
        self.at = end;
        Ok(Some(Member { key, value: Span { start: at, end }, escaped }))
    }

    fn end(&mut self, at: usize) -> Result<Option<Member>, Fault> {
        self.done = true;
        let rest = skip_space(self.bytes, at);
        if rest < self.bytes.len() {
            Err(syntax("unexpected content after document", rest))
        } else {
            Ok(None)
        }
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance().transpose();
        self.done |= matches!(next, None | Some(Err(_)));
        next
    }
}

/// The text of a JSON string, if `value` is one.
#[must_use]
pub fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(value).ok().map(Cow::Owned)
}

/// Appends `value` as a JSON string.
pub fn put_text(out: &mut Vec<u8>, value: &str) {
    // A fold, not `all`: without the early exit it is vectorised.
    let special = |b: u8| (b < 0x20) | (b == b'"') | (b == b'\\');
    if value.bytes().fold(false, |any, b| any | special(b)) {
        return out.extend_from_slice(serde_json::Value::from(value).to_string().as_bytes());
    }
    out.reserve(value.len() + 2);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests;
