//! A server that answers each request as a test's function says, and remembers what it was asked.

use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
}

/// A running one; it lasts as long as it is held.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

// === impl Asked ===

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The path without its query.
    pub(crate) fn route(&self) -> &str {
        self.path.split('?').next().unwrap()
    }
}

// === impl Reply ===

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self { status: 200, kind: "application/json", body: value.to_string().into_bytes() }
    }

    pub(crate) fn text(kind: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, kind, body: text.into() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, kind: "application/json", body: b"{\"error\": \"no\"}".to_vec() }
    }
}

// === impl Scripted ===

impl Scripted {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(answer));
        let remembered = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (remembered, answer) = (Arc::clone(&remembered), Arc::clone(&answer));
                // A client that leaves ends its connection and no more.
                tokio::spawn(async move { serve(socket, &remembered, &*answer).await });
            }
        });
        Self { address, asked, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often this route was asked for.
    pub(crate) fn count(&self, route: &str) -> usize {
        self.asked().iter().filter(|asked| asked.route() == route).count()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut socket: TcpStream,
    remembered: &Mutex<Vec<Asked>>,
    answer: &(dyn Fn(&Asked) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let (asked, length) = loop {
            if let Some(whole) = read(&bytes) {
                break whole;
            }
            if socket.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        bytes.drain(..length);
        remembered.lock().unwrap().push(asked.clone());
        let Reply { status, kind, body } = answer(&asked);
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(&[head.as_bytes(), &body].concat()).await?;
    }
}

/// The first request, if it is whole, and its length.
fn read(bytes: &[u8]) -> Option<(Asked, usize)> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut first = head.split(' ');
    let (method, path) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers: Vec<(String, String)> = head.lines().skip(1).map(header).collect();
    let said = |name: &str| headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str());
    let rest = &bytes[end + 4..];
    let (body, length) = if said("transfer-encoding") == Some("chunked") {
        dechunked(rest)?
    } else {
        let length = said("content-length").map_or(0, |length| length.parse().unwrap());
        (rest.get(..length)?.to_vec(), length)
    };
    Some((Asked { method, path, headers, body }, end + 4 + length))
}

fn dechunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = at + memchr::memmem::find(bytes.get(at..)?, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line]).unwrap().trim(), 16).unwrap();
        body.extend_from_slice(bytes.get(line + 2..line + 2 + size)?);
        at = line + 2 + size + 2;
        if bytes.len() < at {
            return None;
        }
        if size == 0 {
            return Some((body, at));
        }
    }
}
