//! HTTP/1.1 by hand: what is sent is sent byte by byte, and what arrives is seen as it arrives.

use super::PATIENCE;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request's bytes; `host` and `content-length` are added.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// The same with the body in chunks of `size` bytes.
pub(crate) fn chunked_request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    size: usize,
) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\n").into_bytes();
    for (name, value) in headers.iter().chain(&[("transfer-encoding", "chunked")]) {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// The head of a response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Names in lower case, in the order sent.
    pub(crate) headers: Vec<(String, String)>,
}

/// A whole response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// False when the connection ended before the body did.
    pub(crate) complete: bool,
}

/// A server-sent event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its `event:` line.
    pub(crate) name: Option<String>,
    /// Its `data:` lines, joined.
    pub(crate) data: String,
    /// When its last byte was seen.
    pub(crate) at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
    Over,
}

/// A connection to the gateway, with the response that is being read from it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The socket, for tests that do the unusual.
    pub(crate) socket: TcpStream,
    /// The head last read.
    pub(crate) head: Head,
    /// Whether the body ended as its framing says.
    pub(crate) complete: bool,
    framing: Framing,
    last_read: Result<usize, io::ErrorKind>,
    arrived: Vec<u8>,
    text: Vec<u8>,
}

// === impl Head ===

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers = lines.filter(|line| !line.is_empty()).map(header).collect();
        Self { status: status.unwrap_or_else(|| panic!("no status line: {text:?}")), headers }
    }

    fn framing(&self) -> Framing {
        let length = self.header("content-length").map(|length| length.parse().expect("a length"));
        match (self.status, self.header("transfer-encoding"), length) {
            (100..200 | 204 | 304, ..) => Framing::Over,
            (_, Some(_), Some(_)) => panic!("both content-length and transfer-encoding: {self:?}"),
            (_, Some("chunked"), None) => Framing::Chunked,
            (_, Some(other), None) => panic!("transfer-encoding: {other}"),
            (_, None, Some(0)) => Framing::Over,
            (_, None, Some(length)) => Framing::Length(length),
            (_, None, None) => Framing::UntilClose,
        }
    }
}

// === impl Response ===

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }
}

// === impl Connection ===

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::try_open(address).await.unwrap()
    }

    pub(crate) async fn try_open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            head: Head::default(),
            complete: false,
            framing: Framing::Over,
            last_read: Ok(0),
            arrived: Vec::new(),
            text: Vec::new(),
        })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.socket.write_all(bytes)).await.expect("sent in time").unwrap();
    }

    pub(crate) async fn ask(&mut self, bytes: &[u8]) -> Response {
        self.send(bytes).await;
        self.read_response().await
    }

    /// Reads a response's head and readies its body; interim heads (`100 Continue`) count as heads.
    pub(crate) async fn read_head(&mut self) -> &Head {
        let end = loop {
            if let Some(end) = find(&self.arrived, b"\r\n\r\n") {
                break end;
            }
            let arrived = self.more().await;
            let (text, why) = (String::from_utf8_lossy(&self.arrived), self.last_read);
            assert!(arrived, "closed before a head ({why:?}): {text:?}; the last one: {:?}", self.head);
        };
        let rest = self.arrived.split_off(end + 4);
        let head = std::mem::replace(&mut self.arrived, rest);
        self.head = Head::parse(std::str::from_utf8(&head[..end]).expect("a head of ASCII"));
        self.framing = self.head.framing();
        self.complete = self.framing == Framing::Over;
        self.text.clear();
        &self.head
    }

    /// The next piece of the body as it came, chunk by chunk; `None` at its end, see [`Connection::complete`].
    pub(crate) async fn read_body(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(piece) = self.piece() {
                return Some(piece);
            }
            if self.framing == Framing::Over {
                return None;
            }
            if !self.more().await {
                self.complete = self.framing == Framing::UntilClose;
                self.framing = Framing::Over;
            }
        }
    }

    /// The next event of a stream, as soon as it is there.
    pub(crate) async fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = event_end(&self.text) {
                let rest = self.text.split_off(end);
                let block = std::mem::replace(&mut self.text, rest);
                return Some(event(&String::from_utf8_lossy(&block)));
            }
            let piece = self.read_body().await?;
            self.text.extend(piece);
        }
    }

    /// The events up to the end of the stream.
    pub(crate) async fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next_event().await {
            events.push(event);
        }
        assert!(self.text.is_empty(), "half an event at the end: {:?}", String::from_utf8_lossy(&self.text));
        events
    }

    /// Reads what is left of the body.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(piece) = self.read_body().await {
            body.extend(piece);
        }
        body
    }

    pub(crate) async fn read_response(&mut self) -> Response {
        let head = self.read_head().await.clone();
        let body = self.rest().await;
        Response { head, body, complete: self.complete }
    }

    /// Waits for what comes next; whether that is the end.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.more().await
    }

    /// The next final response, past interim heads; `None` when the connection was closed instead.
    pub(crate) async fn try_read_response(&mut self) -> Option<Response> {
        loop {
            while find(&self.arrived, b"\r\n\r\n").is_none() {
                if !self.more().await {
                    return None;
                }
            }
            let response = self.read_response().await;
            if !(100..200).contains(&response.status()) {
                return Some(response);
            }
        }
    }

    /// The head that was read is all there is: the answer to a HEAD.
    pub(crate) fn forget_body(&mut self) {
        (self.framing, self.complete) = (Framing::Over, true);
    }

    /// Everything up to the close, for answers that may be no HTTP.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.arrived)
    }

    /// Leaves: the socket is closed; the moment after which the other side can know.
    pub(crate) fn leave(self) -> Instant {
        let left = Instant::now();
        drop(self.socket);
        left
    }

    /// Takes from what has arrived.
    fn piece(&mut self) -> Option<Vec<u8>> {
        match self.framing {
            Framing::Over => None,
            _ if self.arrived.is_empty() => None,
            Framing::UntilClose => Some(std::mem::take(&mut self.arrived)),
            Framing::Length(left) => {
                let rest = self.arrived.split_off(left.min(self.arrived.len()));
                let piece = std::mem::replace(&mut self.arrived, rest);
                self.framing = Framing::Length(left - piece.len());
                if left == piece.len() {
                    (self.framing, self.complete) = (Framing::Over, true);
                }
                Some(piece)
            }
            Framing::Chunked => {
                let line = find(&self.arrived, b"\r\n")?;
                let size = std::str::from_utf8(&self.arrived[..line]).expect("a chunk size");
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
                let (start, size) = (line + 2, size.expect("a chunk size"));
                let whole = start + size + 2;
                if self.arrived.len() < whole {
                    return None;
                }
                let chunk = self.arrived[start..whole].to_vec();
                self.arrived.drain(..whole);
                assert!(chunk.ends_with(b"\r\n"), "a chunk that goes on after its size");
                if size == 0 {
                    (self.framing, self.complete) = (Framing::Over, true);
                    return None;
                }
                Some(chunk[..size].to_vec())
            }
        }
    }

    /// Waits for bytes; false when the other side is done, by a close or a reset.
    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.arrived)).await;
        let waiting = || format!("nothing for {PATIENCE:?}; head so far: {:?}", self.head);
        self.last_read =
            read.unwrap_or_else(|_elapsed| panic!("{}", waiting())).map_err(|error| error.kind());
        self.last_read.is_ok_and(|count| count > 0)
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, mark)
}

/// After the first blank line, whatever ends a line.
fn event_end(text: &[u8]) -> Option<usize> {
    let marks: [&[u8]; 2] = [b"\n\n", b"\n\r\n"];
    marks.into_iter().filter_map(|mark| find(text, mark).map(|at| at + mark.len())).min()
}

fn event(block: &str) -> Event {
    let field = |name: &'static str| {
        block.lines().filter_map(move |line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(value.strip_prefix(' ').unwrap_or(value).to_owned())
        })
    };
    let data = field("data").collect::<Vec<_>>().join("\n");
    Event { name: field("event").next(), data, at: Instant::now() }
}
