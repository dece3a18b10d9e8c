//! Finds the parts of a form in bytes that come in pieces, wherever those are cut.

use super::head;
use memchr::memmem::Finder;

/// Longest head of a part, in bytes.
const LONGEST_HEAD: usize = 8 * 1024;
/// Most parts of a form.
const MOST_PARTS: usize = 256;
/// So much of a field's text is kept, in bytes.
const KEPT_TEXT: usize = 64 * 1024;
/// So much of a file's beginning is kept, in bytes.
const KEPT_FILE: usize = 128;
/// A line end before the first byte, so that the first delimiter is one like the others.
const BEFORE: &[u8] = b"\r\n";

/// Why a form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The head of a part.
    #[error("the head of a part of the form cannot be read")]
    Head,
    /// What follows a delimiter.
    #[error("a delimiter of the form is followed by something else than a line end")]
    Delimiter,
    /// More parts than a form may have.
    #[error("the form has more than 256 parts")]
    TooManyParts,
    /// The form has no end.
    #[error("the form breaks off")]
    Cut,
}

/// Where something lies in a form, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The first byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Whether it is a file.
    pub is_file: bool,
    /// Its value; the end is known when `is_whole`.
    pub value: Place,
    /// All of it, from its delimiter to the next one.
    pub whole: Place,
    /// Whether it has come to its end.
    pub is_whole: bool,
    /// The text of a field, or the beginning of a file.
    pub kept: Vec<u8>,
}

impl Part {
    /// The value of a field whose text is known; a longer one, and a file, is not.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let known =
            !self.is_file && self.is_whole && self.kept.len() as u64 == self.value.end - self.value.start;
        std::str::from_utf8(&self.kept).ok().filter(|_| known)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    Delimiter,
    Head,
    Body,
    Epilogue,
}

/// A form as far as it has come.
#[derive(Clone, Debug)]
pub struct Scan {
    boundary: String,
    delimiter: Finder<'static>,
    state: State,
    /// What is not decided yet.
    pending: Vec<u8>,
    /// How many bytes before it are, with the line end that stands before the first.
    passed: u64,
    parts: Vec<Part>,
    first: Option<u64>,
}

impl Scan {
    /// A form of which nothing has come yet.
    #[must_use]
    pub fn new(boundary: &str) -> Self {
        Self {
            boundary: boundary.to_owned(),
            delimiter: Finder::new(&format!("\r\n--{boundary}")).into_owned(),
            state: State::Preamble,
            pending: BEFORE.to_vec(),
            passed: 0,
            parts: Vec::new(),
            first: None,
        }
    }

    /// What separates its parts.
    #[must_use]
    pub fn boundary(&self) -> &str {
        &self.boundary
    }

    /// The parts so far; the last one may still be going on.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Where the first part begins.
    #[must_use]
    pub const fn first(&self) -> Option<u64> {
        self.first
    }

    /// Whether its last delimiter has come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Epilogue
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// What is wrong with the form.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.state == State::Epilogue {
            return Ok(());
        }
        self.pending.extend_from_slice(bytes);
        while self.step()? {}
        Ok(())
    }

    /// The form has ended.
    ///
    /// # Errors
    /// If it has not come to its last delimiter.
    pub fn finish(&self) -> Result<(), Fault> {
        if self.is_complete() { Ok(()) } else { Err(Fault::Cut) }
    }

    /// Decides about some of what is pending; `false` if more is needed for that.
    fn step(&mut self) -> Result<bool, Fault> {
        match self.state {
            State::Preamble | State::Body => self.value(),
            State::Delimiter => self.after_delimiter(),
            State::Head => self.head(),
            State::Epilogue => {
                self.pending = Vec::new();
                Ok(false)
            }
        }
    }

    fn value(&mut self) -> Result<bool, Fault> {
        let length = self.delimiter.needle().len();
        if let Some(at) = self.delimiter.find(&self.pending) {
            self.keep(at)?;
            let here = self.passed + at as u64;
            if let (State::Body, Some(part)) = (self.state, self.parts.last_mut()) {
                part.value.end = place(here);
                part.whole.end = place(here) + 2;
                part.is_whole = true;
            }
            self.first.get_or_insert(place(here + 2));
            self.pass(at + length);
            self.state = State::Delimiter;
            return Ok(true);
        }
        // The end may be the beginning of a delimiter.
        let sure = self.pending.len().saturating_sub(length - 1);
        self.keep(sure)?;
        self.pass(sure);
        Ok(false)
    }

    /// Keeps what is to be kept of the value's next bytes.
    fn keep(&mut self, length: usize) -> Result<(), Fault> {
        if let (State::Body, Some(part)) = (self.state, self.parts.last_mut()) {
            let most = if part.is_file { KEPT_FILE } else { KEPT_TEXT };
            let room = most.saturating_sub(part.kept.len()).min(length);
            part.kept.extend_from_slice(self.pending.get(..room).unwrap_or_default());
            // Some readers take a head's last line end for the one before a delimiter.
            if part.kept.starts_with(self.delimiter.needle().get(2..).unwrap_or_default()) {
                return Err(Fault::Delimiter);
            }
        }
        Ok(())
    }

    fn pass(&mut self, length: usize) {
        self.pending.drain(..length.min(self.pending.len()));
        self.passed += length as u64;
    }

    fn after_delimiter(&mut self) -> Result<bool, Fault> {
        if self.pending.starts_with(b"--") {
            self.state = State::Epilogue;
            return Ok(true);
        }
        let blank = self.pending.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match self.pending.get(blank..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {
                // The line end stays: an empty head then ends as any other does.
                self.pass(blank);
                self.state = State::Head;
                Ok(true)
            }
            [] | [b'\r'] | [b'-'] if blank < LONGEST_HEAD => Ok(false),
            _ => Err(Fault::Delimiter),
        }
    }

    fn head(&mut self) -> Result<bool, Fault> {
        let Some(at) = memchr::memmem::find(&self.pending, b"\r\n\r\n") else {
            return if self.pending.len() > LONGEST_HEAD + 3 { Err(Fault::Head) } else { Ok(false) };
        };
        if at > LONGEST_HEAD {
            return Err(Fault::Head);
        }
        let named = head::read(self.pending.get(..at).unwrap_or_default())?;
        if self.parts.len() >= MOST_PARTS {
            return Err(Fault::TooManyParts);
        }
        let from = self.parts.last().map_or_else(|| self.first.unwrap_or_default(), |part| part.whole.end);
        self.pass(at + 4);
        let start = place(self.passed);
        self.parts.push(Part {
            name: named.name,
            is_file: named.is_file,
            value: Place { start, end: start },
            whole: Place { start: from, end: start },
            is_whole: false,
            kept: Vec::new(),
        });
        self.state = State::Body;
        Ok(true)
    }
}

/// Without the line end that stands before the first byte.
fn place(passed: u64) -> u64 {
    passed.saturating_sub(BEFORE.len() as u64)
}
