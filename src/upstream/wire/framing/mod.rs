//! The beginning of an answer, and where it ends (RFC 9112, 6.3), without I/O.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::mem::MaybeUninit;

/// The longest head, and the longest trailer, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// The most headers of one, as many as Pingora takes.
const MOST_HEADERS: usize = 256;
/// The longest line with the size of a chunk, and the longest of a trailer, in bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// What came is no HTTP, or HTTP that two readers may read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub &'static str);

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, in their order.
    pub headers: HeaderMap,
    /// How its body ends.
    pub framing: Framing,
    /// Whether the connection can be used again behind it.
    pub keeps: bool,
}

impl Head {
    /// Takes a head off the buffer; `None` while it is not whole.
    ///
    /// # Errors
    /// If it is too long, or none.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Self>, Fault> {
        let mut room = [MaybeUninit::uninit(); MOST_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut response, buffer, &mut room);
        let length = match parsed {
            Ok(httparse::Status::Complete(length)) if length <= LONGEST_HEAD => length,
            Ok(httparse::Status::Partial) if buffer.len() <= LONGEST_HEAD => return Ok(None),
            Ok(_) => return Err(Fault("a head that is too long")),
            Err(_) => return Err(Fault("no head of HTTP/1")),
        };
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(Fault("a status that is none"))?;
        let is_1_1 = response.version == Some(1);
        let start = buffer.as_ptr() as usize;
        let places: smallvec::SmallVec<[_; 32]> = response
            .headers
            .iter()
            .map(|header| {
                (
                    header.name.as_ptr() as usize - start,
                    header.name.len(),
                    header.value.as_ptr() as usize - start,
                    header.value.len(),
                )
            })
            .collect();
        let bytes = buffer.split_to(length).freeze();
        let mut headers = HeaderMap::with_capacity(places.len());
        for (name, name_length, value, value_length) in places {
            let name = HeaderName::from_bytes(&bytes[name..name + name_length]);
            let value = HeaderValue::from_maybe_shared(bytes.slice(value..value + value_length));
            let (Ok(name), Ok(value)) = (name, value) else { return Err(Fault("a header that is none")) };
            headers.append(name, value);
        }
        let framing = Framing::of(status, &headers)?;
        let keeps = is_1_1 && !matches!(framing, Framing::UntilClose) && !says_close(&headers);
        Ok(Some(Self { status, headers, framing, keeps }))
    }
}

fn says_close(headers: &HeaderMap) -> bool {
    let words = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    words.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("close"))
}

/// How much of a body is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// What comes until the connection is closed.
    UntilClose,
}

/// What is next in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The line with its size.
    Size,
    /// So many bytes of it.
    Data(u64),
    /// The line break behind it.
    Break,
    /// Lines up to an empty one, which may have so many bytes more.
    Trailer(usize),
    /// Nothing.
    End,
}

impl Framing {
    fn of(status: StatusCode, headers: &HeaderMap) -> Result<Self, Fault> {
        if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Self::Length(0));
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        if let Some(coding) = codings.next() {
            if headers.contains_key(CONTENT_LENGTH) {
                return Err(Fault("both a length and chunks"));
            }
            let is_known =
                codings.next().is_none() && coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
            return if is_known {
                Ok(Self::Chunked(Chunk::Size))
            } else {
                Err(Fault("a coding that is not known"))
            };
        }
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let Some(first) = lengths.next() else { return Ok(Self::UntilClose) };
        if lengths.any(|other| other != first) {
            return Err(Fault("two lengths"));
        }
        length(first.as_bytes()).map(Self::Length).ok_or(Fault("a length that is none"))
    }

    /// Whether the body is over.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::End))
    }

    /// Whether a body that ends with the connection ends here.
    #[must_use]
    pub const fn may_close(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// How many more bytes are known to come.
    #[must_use]
    pub fn expected(&self) -> usize {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) => {
                usize::try_from(*left).unwrap_or(usize::MAX)
            }
            _ => 0,
        }
    }

    /// Takes a piece of the body off the buffer; `None` while there is none.
    ///
    /// # Errors
    /// If chunks are none.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Fault> {
        match self {
            Self::Length(left) => Ok(piece(left, buffer)),
            Self::UntilClose => Ok((!buffer.is_empty()).then(|| buffer.split().freeze())),
            Self::Chunked(chunk) => chunk.take(buffer),
        }
    }
}

fn piece(left: &mut u64, buffer: &mut BytesMut) -> Option<Bytes> {
    let here = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
    *left -= here as u64;
    (here > 0).then(|| buffer.split_to(here).freeze())
}

/// Digits only: a sign, a comma or a space is no part of a length.
fn length(digits: &[u8]) -> Option<u64> {
    let is_plain = !digits.is_empty() && digits.len() < 20 && digits.iter().all(u8::is_ascii_digit);
    is_plain.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

impl Chunk {
    fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Fault> {
        loop {
            match self {
                Self::Size => match httparse::parse_chunk_size(buffer) {
                    Ok(httparse::Status::Complete((line, size))) => {
                        buffer.advance(line);
                        *self = if size == 0 { Self::Trailer(LONGEST_HEAD) } else { Self::Data(size) };
                    }
                    Ok(httparse::Status::Partial) if buffer.len() <= LONGEST_LINE => return Ok(None),
                    _ => return Err(Fault("a chunk without a size")),
                },
                Self::Data(left) => {
                    let piece = piece(left, buffer);
                    if *left == 0 {
                        *self = Self::Break;
                    }
                    return Ok(piece);
                }
                Self::Break => match line(buffer)? {
                    Some(0) => *self = Self::Size,
                    Some(_) => return Err(Fault("a chunk that is longer than it said")),
                    None => return Ok(None),
                },
                Self::Trailer(room) => match line(buffer)? {
                    Some(0) => *self = Self::End,
                    Some(length) if length < *room => *room -= length,
                    Some(_) => return Err(Fault("a trailer that is too long")),
                    None => return Ok(None),
                },
                Self::End => return Ok(None),
            }
        }
    }
}

/// Takes a line off the buffer and says how long it was; `None` while it is not whole.
fn line(buffer: &mut BytesMut) -> Result<Option<usize>, Fault> {
    match memchr::memchr(b'\n', buffer) {
        Some(end) if end > 0 && buffer[end - 1] == b'\r' => {
            buffer.advance(end + 1);
            Ok(Some(end - 1))
        }
        Some(_) => Err(Fault("a line that ends without a carriage return")),
        None if buffer.len() > LONGEST_LINE => Err(Fault("a line that is too long")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
