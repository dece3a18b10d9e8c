//! A client that says exactly what it is told to, byte for byte, and reads any answer of HTTP/1.1.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing here waits longer than this; no test expects to come near it.
pub const BOUND: Duration = Duration::from_secs(30);

/// One connection.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A final answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The text of a chat answer.
    pub fn content(&self) -> String {
        let value = self.json();
        let text = value["choices"][0]["message"]["content"].as_str();
        text.unwrap_or_else(|| panic!("no content: {value}")).to_owned()
    }

    /// `error.message` after checking the rest of LiteLLM's shape.
    pub fn error(&self) -> String {
        let value = self.json();
        assert_eq!(value["error"]["code"], self.status.to_string(), "{value}");
        assert!(value["error"].get("type").is_some() && value["error"].get("param").is_some(), "{value}");
        value["error"]["message"].as_str().unwrap_or_else(|| panic!("no message: {value}")).to_owned()
    }

    /// Head and body as text, to look for what must not be there.
    pub fn whole(&self) -> String {
        let mut out = format!("{}\n", self.status);
        for (name, value) in &self.headers {
            let _ = writeln!(out, "{name}: {value}");
        }
        out + &self.text()
    }
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = timeout(BOUND, TcpStream::connect(address)).await.unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        timeout(BOUND, self.stream.write_all(bytes)).await.expect("the gateway does not read").unwrap();
    }

    /// As `send`, but the gateway may have closed.
    pub async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(BOUND, self.stream.write_all(bytes)).await.expect("the gateway does not read")
    }

    /// Ends what this side sends; the answer can still be read.
    pub async fn shut(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Splits off the socket, for those that send and read at the same time.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub fn of(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        let n = timeout(BOUND, self.stream.read(&mut piece)).await.expect("no answer in time")?;
        self.read.extend_from_slice(&piece[..n]);
        Ok(n)
    }

    async fn take(&mut self, n: usize) -> Option<Vec<u8>> {
        while self.read.len() < n {
            if self.fill().await.ok()? == 0 {
                return None;
            }
        }
        let rest = self.read.split_off(n);
        Some(std::mem::replace(&mut self.read, rest))
    }

    async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = self.read[from..].windows(mark.len()).position(|w| w == mark) {
                return self.take(from + at + mark.len()).await;
            }
            from = self.read.len().saturating_sub(mark.len() - 1);
            if self.fill().await.ok()? == 0 {
                return None;
            }
        }
    }

    /// So many bytes.
    pub async fn exactly(&mut self, n: usize) -> Vec<u8> {
        self.take(n).await.expect("the gateway closed in mid-answer")
    }

    /// The next head, interim or final; `None` when the gateway closed instead.
    pub async fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await?).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        Some((status, headers.map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned())).collect()))
    }

    /// The next final answer; `None` when the gateway closed instead.
    pub async fn try_reply(&mut self) -> Option<Reply> {
        loop {
            let (status, headers) = self.head().await?;
            if (100..200).contains(&status) {
                continue;
            }
            let mut reply = Reply { status, headers, body: Vec::new() };
            reply.body = self.body(&reply).await?;
            return Some(reply);
        }
    }

    async fn body(&mut self, head: &Reply) -> Option<Vec<u8>> {
        if let Some(length) = head.header("content-length") {
            return self.take(length.parse().ok()?).await;
        }
        if head.header("transfer-encoding").is_none() {
            while self.fill().await.ok()? > 0 {}
            return Some(std::mem::take(&mut self.read));
        }
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.until(b"\r\n").await?).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let chunk = self.take(size + 2).await?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Some(body);
            }
        }
    }

    pub async fn reply(&mut self) -> Reply {
        self.try_reply().await.expect("the gateway closed without an answer")
    }

    pub async fn ask(&mut self, bytes: &[u8]) -> Reply {
        self.send(bytes).await;
        self.reply().await
    }

    /// Everything until the gateway closes, for answers that may be no HTTP at all.
    pub async fn rest(&mut self) -> String {
        while matches!(self.fill().await, Ok(n) if n > 0) {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }
}

/// One question on a connection of its own.
pub async fn ask(address: SocketAddr, bytes: &[u8]) -> Reply {
    Wire::open(address).await.ask(bytes).await
}

/// A request with its length.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\n");
    for (name, value) in headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        let _ = write!(out, "content-length: {}\r\n", body.len());
    }
    let mut out = (out + "\r\n").into_bytes();
    out.extend_from_slice(body);
    out
}

/// The master key of these tests.
pub const KEY: &str = "sk-master-key-of-the-behaviour-tests";
/// It, as most clients send it.
pub const BEARER: (&str, &str) = ("authorization", "Bearer sk-master-key-of-the-behaviour-tests");

pub fn post(path: &str, body: &[u8]) -> Vec<u8> {
    request("POST", path, &[BEARER, ("content-type", "application/json")], body)
}

pub fn get(path: &str) -> Vec<u8> {
    request("GET", path, &[BEARER], b"")
}

/// A chat request with these members besides model and messages.
pub fn chat(model: &str, more: &str) -> Vec<u8> {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi there"}}]{more}}}"#).into_bytes()
}

pub fn post_chat(body: &[u8]) -> Vec<u8> {
    post("/v1/chat/completions", body)
}

/// A chat request of exactly so many bytes, no two stretches of which are the same.
pub fn sized_chat(model: &str, size: usize) -> Vec<u8> {
    let mut body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":""#).into_bytes();
    let end = br#""}]}"#;
    let room = size.checked_sub(body.len() + end.len()).expect("too small for a chat");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ size as u64;
    body.extend((0..room).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + (state >> 40) as u8 % 26
    }));
    body.extend_from_slice(end);
    assert_eq!(body.len(), size);
    body
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What an echoing upstream says of a body that came through unchanged.
pub fn echo_of(body: &[u8]) -> String {
    format!("{} {}", body.len(), sha256(body))
}

/// A body in chunks of so many bytes, with its last chunk.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / size * 8 + 16);
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}
