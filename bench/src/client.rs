//! A client that costs little: one keep-alive connection, answers counted rather than parsed.

use bytes::{Buf, BytesMut};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffer: BytesMut,
}

/// A stream that was read to its end.
pub struct Streamed {
    pub events: u64,
    pub first_event: Instant,
}

struct Head {
    bytes: usize,
    /// `None` is chunked.
    length: Option<usize>,
}

type Fallible<T> = Result<T, Box<dyn Error>>;

impl Client {
    pub async fn connect(addr: SocketAddr) -> Fallible<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 << 10) })
    }

    /// Sends a request and reads its whole answer; the length of the body on the wire.
    pub async fn call(&mut self, request: &[u8]) -> Fallible<usize> {
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        let Some(length) = head.length else {
            return self.chunked().await;
        };
        let mut left = length;
        loop {
            let here = left.min(self.buffer.len());
            self.buffer.advance(here);
            left -= here;
            if left == 0 {
                return Ok(length);
            }
            self.fill().await?;
        }
    }

    /// Sends a request and reads its stream until `events` came, or to the end.
    pub async fn stream(&mut self, request: &[u8], until: Option<u64>) -> Fallible<Streamed> {
        self.stream.write_all(request).await?;
        if self.head().await?.length.is_some() {
            return Err("a stream was asked for and did not come".into());
        }
        let mut events = 0;
        let mut first_event = None;
        loop {
            events += memchr::memmem::find_iter(&self.buffer, b"data: ").count() as u64;
            if events > 0 && first_event.is_none() {
                first_event = Some(Instant::now());
            }
            let ended = self.buffer.ends_with(b"\r\n0\r\n\r\n");
            if ended || until.is_some_and(|until| events >= until) {
                self.buffer.clear();
                return Ok(Streamed { events, first_event: first_event.ok_or("an empty stream")? });
            }
            // What may be the beginning of a mark is kept for the next look; no mark is counted twice,
            // because fewer bytes are kept than it has.
            let kept = self.buffer.len().min(b"data: ".len() - 1);
            self.buffer.advance(self.buffer.len() - kept);
            self.fill().await?;
        }
    }

    async fn head(&mut self) -> Fallible<Head> {
        loop {
            if let Some(head) = parse(&self.buffer)? {
                self.buffer.advance(head.bytes);
                return Ok(head);
            }
            self.fill().await?;
        }
    }

    async fn chunked(&mut self) -> Fallible<usize> {
        let mut read = 0;
        while !self.buffer.ends_with(b"0\r\n\r\n") {
            let kept = self.buffer.len().min(4);
            read += self.buffer.len() - kept;
            self.buffer.advance(self.buffer.len() - kept);
            self.fill().await?;
        }
        self.buffer.clear();
        Ok(read)
    }

    async fn fill(&mut self) -> Fallible<()> {
        self.buffer.reserve(16 << 10);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the connection was closed within an answer".into()),
            _ => Ok(()),
        }
    }
}

fn parse(bytes: &[u8]) -> Fallible<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
    if response.code != Some(200) {
        return Err(format!("answered {:?}: {}", response.code, String::from_utf8_lossy(bytes)).into());
    }
    let body = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = body.map(|header| String::from_utf8_lossy(header.value).parse::<usize>()).transpose()?;
    Ok(Some(Head { bytes: length, length: body }))
}

/// A chat request for `model`, whose prompt has `bytes` bytes.
pub fn request(key: &str, model: &str, bytes: usize, stream: bool) -> Vec<u8> {
    let prompt = "The toll is due at the gate. ".repeat(bytes / 29 + 1);
    let prompt = &prompt[..bytes];
    let body = format!(
        r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"{prompt}"}}]}}"#
    );
    post(key, "/v1/chat/completions", &body)
}

/// A request with a JSON body.
pub fn post(key: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
