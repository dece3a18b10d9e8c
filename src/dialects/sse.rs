//! Server-sent events: where one ends, and what its data is.

use std::borrow::Cow;

/// The largest event that is waited for, unless told otherwise.
pub const MAX_EVENT: usize = 4 << 20;

/// An event is larger than the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is over {limit} bytes")]
pub struct TooLong {
    /// The bound.
    pub limit: usize,
}

/// Looks for the blank line that ends an event, and remembers how far it has looked.
///
/// A line ends with LF, CR LF or CR. A CR that is the last byte is left undecided, because an LF may
/// follow; so the ends found do not depend on how the bytes were cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Splitter {
    line: usize,
    seen: usize,
}

impl Splitter {
    /// The end of the event that begins at 0 of `bytes`; `None` if it is not all there. Called again
    /// with the same bytes and more after them, it goes on where it stopped.
    pub fn event_end(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            let rest = bytes.get(self.seen..)?;
            let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.seen = bytes.len();
                return None;
            };
            let at = self.seen + found;
            let end = if bytes[at] == b'\n' {
                at + 1
            } else {
                match bytes.get(at + 1) {
                    Some(b'\n') => at + 2,
                    Some(_) => at + 1,
                    None => {
                        self.seen = at;
                        return None;
                    }
                }
            };
            if at == self.line {
                *self = Self::default();
                return Some(end);
            }
            self.line = end;
            self.seen = end;
        }
    }
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; empty if there is none.
    pub name: &'a [u8],
    /// The data, its lines joined by line feeds; `None` if there is no data field.
    pub data: Option<Cow<'a, [u8]>>,
}

/// Reads the lines of one event.
#[must_use]
pub fn read(event: &[u8]) -> Event<'_> {
    let mut read = Event { name: b"", data: None };
    let event = event.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(event);
    for line in lines(event) {
        if let Some(value) = field(line, b"data") {
            match &mut read.data {
                None => read.data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            }
        } else if let Some(value) = field(line, b"event") {
            read.name = value;
        }
    }
    read
}

/// Writes the event again with other data; its other lines stay as they are. The data must not hold
/// line ends.
pub fn rewrite(event: &[u8], write_data: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    let mut write_data = Some(write_data);
    for line in lines(event.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(event)) {
        if field(line, b"data").is_none() {
            if !line.is_empty() {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
        } else if let Some(write) = write_data.take() {
            out.extend_from_slice(b"data: ");
            write(out);
            out.push(b'\n');
        }
    }
    out.push(b'\n');
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(b""),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = match after {
            [b'\r', b'\n', more @ ..] | [_, more @ ..] => more,
            [] => after,
        };
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(bytes: &[u8]) -> Vec<&[u8]> {
        let mut found = Vec::new();
        let mut start = 0;
        let mut splitter = Splitter::default();
        while let Some(end) = splitter.event_end(&bytes[start..]) {
            found.push(&bytes[start..start + end]);
            start += end;
        }
        found.push(&bytes[start..]);
        found
    }

    #[test]
    fn an_event_ends_at_any_kind_of_blank_line() {
        for end in ["\n\n", "\r\n\r\n", "\r\r", "\n\r\n", "\r\n\n"] {
            let stream = format!("data: 1{end}data: 2{end}x");
            let first = format!("data: 1{end}");
            assert_eq!(events(stream.as_bytes())[0], first.as_bytes(), "ended by {end:?}");
            assert_eq!(events(stream.as_bytes()).len(), 3, "ended by {end:?}");
        }
    }

    #[test]
    fn a_cr_at_the_end_waits_for_what_follows() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.event_end(b"data: 1\r\n\r"), None);
        assert_eq!(splitter.event_end(b"data: 1\r\n\r\n"), Some(11));
    }

    #[test]
    fn data_lines_are_joined_and_comments_are_none() {
        let event = read(b"\xEF\xBB\xBF: hi\nevent: error\ndata: {\ndata:}\r\n\n");
        assert_eq!(event.name, b"error");
        assert_eq!(event.data.as_deref(), Some(&b"{\n}"[..]));
        assert_eq!(read(b": keep-alive\n\n").data, None);
        assert_eq!(read(b"data\n\n").data.as_deref(), Some(&b""[..]));
        assert_eq!(read(b"database: 1\n\n").data, None);
    }

    #[test]
    fn rewriting_keeps_the_other_lines() {
        let mut out = Vec::new();
        rewrite(b"id: 7\r\ndata: a\r\ndata: b\r\n\r\n", |out| out.extend_from_slice(b"c"), &mut out);
        assert_eq!(out, b"id: 7\ndata: c\n\n");
    }
}
