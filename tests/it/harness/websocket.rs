//! WebSockets by hand: an upstream that speaks OpenAI's realtime events, and a client of exact bytes.

use super::{Head, PATIENCE};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tollgate::dialects::realtime::{Opcode, Reader, close, frame};

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// An upstream. A `response.create` is answered with a long delta, a ping, and a `response.done` in pieces that used
/// 100 tokens of prompt (40 cached, 30 audio) and 20 of answer (15 audio); a `pause` with nothing.
#[derive(Debug)]
pub(crate) struct Realtime {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    heads: Vec<String>,
    received: Vec<u8>,
    sent: Vec<u8>,
}

// === impl Realtime ===

impl Realtime {
    /// `refuses` is the status for every handshake, if it is not to agree.
    pub(crate) async fn start(refuses: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A peer that leaves ends its connection and no more.
                tokio::spawn(serve(socket, Arc::clone(&noted), refuses));
            }
        });
        Self { address, seen, task }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The heads of all handshakes.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// All bytes after the heads: those that came and those that went out.
    pub(crate) fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let seen = self.seen.lock().unwrap();
        (seen.received.clone(), seen.sent.clone())
    }
}

impl Drop for Realtime {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut socket: TcpStream, seen: Arc<Mutex<Seen>>, refuses: Option<u16>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    seen.lock().unwrap().heads.push(head.clone());
    let mut early = bytes.split_off(end + 4);
    if let Some(status) = refuses {
        let body = r#"{"error":{"message":"not here","type":"t","code":null,"param":null}}"#;
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        return socket.write_all(answer.as_bytes()).await;
    }
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let greeting = frame(Opcode::Text, true, br#"{"type":"session.created"}"#, None);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: accepts-{key}\r\n\r\n"
    );
    // The first event comes in one piece with the head.
    socket.write_all(&[answer.as_bytes(), &greeting].concat()).await?;
    seen.lock().unwrap().sent.extend_from_slice(&greeting);
    let mut reader = Reader::new(|_| true);
    loop {
        let mut events = Vec::new();
        reader.push(&early, &mut |text| events.push(serde_json::from_slice::<Value>(text).unwrap())).unwrap();
        seen.lock().unwrap().received.extend_from_slice(&early);
        early.clear();
        let mut out = Vec::new();
        for event in events {
            match event["type"].as_str().unwrap() {
                "response.create" => out.extend(answers()),
                "drop" => return Ok(()),
                _ => {}
            }
        }
        if reader.is_closed() {
            out.extend_from_slice(&close(1000, ""));
        }
        socket.write_all(&out).await?;
        seen.lock().unwrap().sent.extend_from_slice(&out);
        if reader.is_closed() || socket.read_buf(&mut early).await? == 0 {
            return Ok(());
        }
    }
}

fn answers() -> Vec<u8> {
    let usage = json!({
        "total_tokens": 120, "input_tokens": 100, "output_tokens": 20,
        "input_token_details": { "cached_tokens": 40, "text_tokens": 70, "audio_tokens": 30, "cached_tokens_details": { "text_tokens": 40, "audio_tokens": 0 } },
        "output_token_details": { "text_tokens": 5, "audio_tokens": 15 },
    });
    let delta = json!({ "type": "response.audio.delta", "delta": "A".repeat(50_000) }).to_string();
    let done = json!({ "type": "response.done", "response": { "id": "resp_1", "usage": usage } }).to_string();
    let (first, second) = done.as_bytes().split_at(30);
    [
        frame(Opcode::Text, true, br#"{"type":"response.created"}"#, None),
        frame(Opcode::Text, true, delta.as_bytes(), None),
        frame(Opcode::Text, false, first, None),
        frame(Opcode::Ping, true, b"still there?", None),
        frame(Opcode::More, true, second, None),
    ]
    .concat()
}

/// The head of a handshake.
pub(crate) fn handshake(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n{more}\r\n").into_bytes()
}

/// A client with a session.
#[derive(Debug)]
pub(crate) struct Talk {
    socket: TcpStream,
    pub(crate) head: Head,
    reader: Reader,
    texts: Vec<Value>,
    /// All bytes since the head.
    pub(crate) received: Vec<u8>,
    pub(crate) sent: Vec<u8>,
}

// === impl Talk ===

impl Talk {
    /// Asks for a session; the head of whatever is answered is in [`Talk::head`].
    pub(crate) async fn open(address: SocketAddr, handshake: &[u8]) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(handshake).await.unwrap();
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
                break end;
            }
            let read =
                timeout(PATIENCE, socket.read_buf(&mut bytes)).await.expect("an answer in time").unwrap();
            assert!(read > 0, "closed before an answer: {:?}", String::from_utf8_lossy(&bytes));
        };
        let received = bytes.split_off(end + 4);
        let head = Head::parse(std::str::from_utf8(&bytes[..end]).unwrap());
        let mut talk = Self {
            socket,
            head,
            reader: Reader::new(|_| true),
            texts: Vec::new(),
            received,
            sent: Vec::new(),
        };
        if talk.head.status == 101 {
            let early = talk.received.clone();
            talk.note(&early);
        } else {
            let length = talk.head.header("content-length").unwrap().parse().unwrap();
            while talk.received.len() < length && talk.more().await {}
        }
        talk
    }

    fn note(&mut self, bytes: &[u8]) {
        let texts = &mut self.texts;
        self.reader.push(bytes, &mut |text| texts.push(serde_json::from_slice(text).unwrap())).unwrap();
    }

    /// Sends an event in a masked frame, a few bytes at a time.
    pub(crate) async fn say(&mut self, event: &Value) {
        let bytes = frame(Opcode::Text, true, event.to_string().as_bytes(), Some(MASK));
        for piece in bytes.chunks(7) {
            self.socket.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        self.sent.extend_from_slice(&bytes);
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
        self.sent.extend_from_slice(bytes);
    }

    /// Says that it leaves.
    pub(crate) async fn leave(&mut self) {
        let bytes = frame(Opcode::Close, true, &1000_u16.to_be_bytes(), Some(MASK));
        self.send(&bytes).await;
    }

    /// Reads until there is an event of this kind, which is taken out.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        self.hear_one(&[kind]).await
    }

    /// Reads until there is an event of one of these kinds, which is taken out.
    pub(crate) async fn hear_one(&mut self, kinds: &[&str]) -> Value {
        loop {
            let is_one = |event: &Value| kinds.contains(&event["type"].as_str().unwrap());
            if let Some(at) = self.texts.iter().position(is_one) {
                return self.texts.remove(at);
            }
            assert!(self.more().await, "ended before {kinds:?}");
        }
    }

    /// Reads to the end; the code of the close frame that came, if one did.
    pub(crate) async fn end(&mut self) -> Option<u16> {
        while self.more().await {}
        if !self.reader.is_closed() {
            return None;
        }
        // It is the last frame, and it is short.
        let at = self.received.iter().rposition(|byte| *byte == 0x88)?;
        Some(u16::from_be_bytes([*self.received.get(at + 2)?, *self.received.get(at + 3)?]))
    }

    async fn more(&mut self) -> bool {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, self.socket.read_buf(&mut bytes)).await.expect("something in time");
        if read.unwrap_or_default() == 0 {
            return false;
        }
        if self.head.status == 101 {
            self.note(&bytes);
        }
        self.received.extend_from_slice(&bytes);
        true
    }
}
