//! A service that takes posts, remembers them, and answers as it is told to.

use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What came in one post.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) path: String,
    /// By their names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) status: u16,
    pub(crate) body: &'static str,
    pub(crate) delay: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        Self { status: 200, body: "{}", delay: Duration::ZERO }
    }
}

/// A running one; it lasts as long as it is held.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
    manner: Arc<Mutex<Manner>>,
    task: JoinHandle<()>,
}

// === impl Collector ===

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (posts, manner) = (Arc::default(), Arc::new(Mutex::new(Manner::default())));
        let (remembered, how) = (Arc::clone(&posts), Arc::clone(&manner));
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A client that leaves ends its connection and no more.
                tokio::spawn(serve(socket, Arc::clone(&remembered), Arc::clone(&how)));
            }
        });
        Self { address, posts, manner, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// What came so far.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut socket: TcpStream,
    posts: Arc<Mutex<Vec<Post>>>,
    manner: Arc<Mutex<Manner>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let (post, length) = loop {
            if let Some(whole) = read(&bytes) {
                break whole;
            }
            if socket.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        bytes.drain(..length);
        posts.lock().unwrap().push(post);
        let Manner { status, body, delay } = *manner.lock().unwrap();
        tokio::time::sleep(delay).await;
        let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(format!("{head}{body}").as_bytes()).await?;
    }
}

/// The first request, if it is whole, and its length.
fn read(bytes: &[u8]) -> Option<(Post, usize)> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers: HashMap<String, String> = head.lines().skip(1).map(header).collect();
    let length = end + 4 + headers["content-length"].parse::<usize>().unwrap();
    let body = serde_json::from_slice(bytes.get(end + 4..length)?).unwrap();
    Some((Post { path, headers, body }, length))
}
