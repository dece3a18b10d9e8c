//! HTTP/1.1 on the bare socket: reads requests, writes exactly the bytes it is told to.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request, read in full.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) keep_alive: bool,
}

/// One client connection.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

/// What a head says about the rest.
struct Head {
    request: Request,
    length: Length,
    expects_continue: bool,
    bytes: usize,
}

enum Length {
    Known(usize),
    Chunked,
}

// === impl Request ===

impl Request {
    /// A header's value, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The key, in whichever header it came.
    pub(super) fn key(&self) -> &str {
        let bearer = self.header("authorization");
        let key = bearer.strip_prefix("Bearer ").unwrap_or(bearer);
        [key, self.header("api-key"), self.header("x-api-key"), self.header("x-goog-api-key")]
            .into_iter()
            .find(|key| !key.is_empty())
            .unwrap_or_default()
    }

    /// The path without the query.
    pub(super) fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(READ_BYTES) }
    }

    /// The next request; `None` when the client is done.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        let head = loop {
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(invalid("head too large"));
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        };
        self.buffer.advance(head.bytes);
        let mut request = head.request;
        if head.expects_continue {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = match head.length {
            Length::Known(length) => self.exactly(length).await?,
            Length::Chunked => self.chunked().await?,
        };
        Ok(Some(request))
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits, or fails as soon as the client leaves.
    pub(super) async fn pause(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            gone = self.hang() => Err(gone),
        }
    }

    /// Says nothing until the client leaves.
    pub(super) async fn hang(&mut self) -> io::Error {
        loop {
            if self.buffer.len() > HEAD_LIMIT {
                return std::future::pending().await;
            }
            match self.fill().await {
                Ok(0) => return io::ErrorKind::ConnectionAborted.into(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    /// Closes with a reset, so that the client loses what it has not read.
    pub(super) fn reset(&self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.buffer).await
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        if length > BODY_LIMIT {
            return Err(invalid("body too large"));
        }
        self.buffer.reserve(length.saturating_sub(self.buffer.len()));
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn chunked(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let (start, size) = match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete(chunk)) => chunk,
                Ok(httparse::Status::Partial) => {
                    if self.fill().await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    continue;
                }
                Err(_) => return Err(invalid("bad chunk size")),
            };
            let size = usize::try_from(size).map_err(io::Error::other)?;
            self.buffer.advance(start);
            let piece = self.exactly(size.saturating_add(2)).await?;
            if size == 0 {
                return Ok(body.freeze());
            }
            body.extend_from_slice(&piece[..size]);
            if body.len() > BODY_LIMIT {
                return Err(invalid("body too large"));
            }
        }
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = parsed.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
        headers: parsed.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect(),
        body: Bytes::new(),
        keep_alive: true,
    };
    let connection = request.header("connection");
    let keep_alive = match parsed.version {
        Some(1) => !connection.eq_ignore_ascii_case("close"),
        _ => connection.eq_ignore_ascii_case("keep-alive"),
    };
    let body = match request.header("transfer-encoding") {
        "" => Length::Known(request.header("content-length").parse().unwrap_or(0)),
        _ => Length::Chunked,
    };
    let expects_continue = request.header("expect").eq_ignore_ascii_case("100-continue");
    Ok(Some(Head {
        request: Request { keep_alive, ..request },
        length: body,
        expects_continue,
        bytes: length,
    }))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const READ_BYTES: usize = 4 << 10;
const HEAD_LIMIT: usize = 256 << 10;
const BODY_LIMIT: usize = 256 << 20;
const MAX_HEADERS: usize = 100;
