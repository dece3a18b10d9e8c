//! One call over one connection.

use super::framing::{Fault, Framing, Head};
use crate::upstream::Patience;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use pingora::{Error, ErrorType, OrErr, Result};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Room for a head and a short body, in bytes.
const FIRST_READ: usize = 4 * 1024;
/// The most that is read at once, in bytes.
const LARGEST_READ: usize = 64 * 1024;
/// So many interim answers are passed over.
const INTERIM: usize = 16;

/// A request as it goes over the wire.
pub struct Outgoing {
    /// The head, and a short body.
    pub first: BytesMut,
    /// A longer body.
    pub rest: Bytes,
}

impl Outgoing {
    /// Sends it and waits for the head of the answer. An upstream that closes before it has all may have said why.
    ///
    /// # Errors
    /// When the connection breaks or is silent for too long, and when what comes is no HTTP.
    pub async fn send(self, mut stream: Stream, patience: Patience) -> Result<Answer> {
        let sent = self.write(&mut stream, patience.write).await;
        let mut line = Line { stream, buffer: BytesMut::with_capacity(FIRST_READ), patience: patience.read };
        match (sent, line.head().await) {
            (Err(fault), Err(_)) => Err(fault),
            (sent, head) => Answer::new(line, head?, sent.is_ok()),
        }
    }

    async fn write(&self, stream: &mut Stream, limit: Option<Duration>) -> Result<()> {
        let writing = async {
            stream.write_all(&self.first).await?;
            if !self.rest.is_empty() {
                stream.write_all(&self.rest).await?;
            }
            stream.flush().await
        };
        let written = match limit {
            None => writing.await,
            Some(limit) => match tokio::time::timeout(limit, writing).await {
                Ok(written) => written,
                Err(_) => return Error::e_explain(ErrorType::WriteTimedout, "while the request was sent"),
            },
        };
        written.or_err(ErrorType::WriteError, "while the request was sent")
    }
}

/// A connection with what was read of it and not used.
struct Line {
    stream: Stream,
    buffer: BytesMut,
    /// The longest silence.
    patience: Duration,
}

impl Line {
    /// Reads on; false at the end.
    async fn fill(&mut self, expected: usize) -> Result<bool> {
        self.buffer.reserve(expected.clamp(1, LARGEST_READ));
        let reading = self.stream.read_buf(&mut self.buffer);
        let Ok(read) = tokio::time::timeout(self.patience, reading).await else {
            return Error::e_explain(ErrorType::ReadTimedout, "while the answer was read");
        };
        Ok(read.or_err(ErrorType::ReadError, "while the answer was read")? > 0)
    }

    async fn head(&mut self) -> Result<Head> {
        for _ in 0..INTERIM {
            let head = loop {
                if !self.buffer.is_empty()
                    && let Some(head) = Head::take(&mut self.buffer).map_err(faulty)?
                {
                    break head;
                }
                if !self.fill(FIRST_READ).await? {
                    return Error::e_explain(ErrorType::ConnectionClosed, "before the answer began");
                }
            };
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(faulty(Fault("another protocol that nobody asked for")));
            }
            if !head.status.is_informational() {
                return Ok(head);
            }
        }
        Err(faulty(Fault("too many interim answers")))
    }
}

fn faulty(Fault(why): Fault) -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, why)
}

/// An answer of which the head is read.
pub struct Answer {
    /// Its head.
    pub head: ResponseHeader,
    line: Line,
    framing: Framing,
    keeps: bool,
}

impl Answer {
    fn new(line: Line, head: Head, is_asked_whole: bool) -> Result<Self> {
        let Head { status, headers, framing, keeps } = head;
        Ok(Self { head: to_pingora(status, headers), line, framing, keeps: keeps && is_asked_whole })
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks before the end or is silent for too long, and when what comes is no HTTP.
    pub async fn read(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.framing.is_done() {
                return Ok(None);
            }
            let taken = self.framing.take(&mut self.line.buffer).map_err(faulty)?;
            if taken.is_some() {
                return Ok(taken);
            }
            if !self.framing.is_done() && !self.line.fill(self.framing.expected().max(FIRST_READ)).await? {
                if self.framing.may_close() {
                    self.framing = Framing::Length(0);
                    return Ok(None);
                }
                return Error::e_explain(ErrorType::ConnectionClosed, "before the end of the answer");
            }
        }
    }

    /// Whether the body is over.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.framing.is_done()
    }

    /// The connection, if another call can be made on it.
    pub(super) fn into_stream(self) -> Option<Stream> {
        let is_usable = self.keeps && self.framing.is_done() && self.line.buffer.is_empty();
        is_usable.then_some(self.line.stream)
    }
}

fn to_pingora(status: StatusCode, headers: HeaderMap) -> ResponseHeader {
    let (mut parts, ()) = Response::new(()).into_parts();
    (parts.status, parts.headers) = (status, headers);
    parts.into()
}
