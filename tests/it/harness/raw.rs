//! An upstream that answers certain bytes, whatever they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What an upstream does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends this.
    Say(Vec<u8>),
    /// Sends this over and over, each time after a pause, as long as anybody takes it.
    Repeat(Vec<u8>, Duration),
    /// Waits.
    Pause(Duration),
    /// Closes.
    Leave,
}

/// A running one; it lasts as long as the runtime it was started on.
#[derive(Debug)]
pub(crate) struct Raw {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

// === impl Raw ===

impl Raw {
    /// Answers each request with `pieces`, each a write of its own, and closes.
    pub(crate) async fn start(pieces: &[&[u8]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pieces: Arc<Vec<Vec<u8>>> = Arc::new(pieces.iter().map(|piece| piece.to_vec()).collect());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (pieces, count) = (Arc::clone(&pieces), Arc::clone(&count));
                tokio::spawn(async move {
                    if let Err(error) = answer(socket, &pieces, &count).await {
                        eprintln!("the raw upstream was left: {error}");
                    }
                });
            }
        });
        Self { address, asked, task }
    }

    /// Answers the `n`th request, from 0 and over all connections, by `script(n)`, and keeps the connection for the next one.
    pub(crate) async fn scripted(script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (script, asked) = (Arc::new(script), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, count) = (Arc::clone(&script), Arc::clone(&count));
                // Who leaves ends the connection and no more.
                tokio::spawn(async move { follow(socket, &*script, &count).await });
            }
        });
        Self { address, asked, task }
    }

    /// Answers each request as soon as its head is there, and takes nothing more of it.
    pub(crate) async fn hasty(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                while memchr::memmem::find(&bytes, b"\r\n\r\n").is_none()
                    && socket.read_buf(&mut bytes).await.is_ok_and(|read| read > 0)
                {}
                count.fetch_add(1, Ordering::Relaxed);
                // Who left is not there to take it.
                drop(socket.write_all(&answer).await);
                held.push(socket);
            }
        });
        Self { address, asked, task }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut socket: TcpStream, pieces: &[Vec<u8>], asked: &AtomicUsize) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        if socket.read_buf(&mut bytes).await? == 0 {
            // A probe, which only connects.
            return Ok(());
        }
    }
    asked.fetch_add(1, Ordering::Relaxed);
    for piece in pieces {
        socket.write_all(piece).await?;
    }
    socket.shutdown().await
}

async fn follow(
    mut socket: TcpStream,
    script: &(dyn Fn(usize) -> Vec<Step> + Send + Sync),
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    loop {
        let mut bytes = Vec::new();
        while !is_whole(&bytes) {
            if socket.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        for step in script(asked.fetch_add(1, Ordering::Relaxed)) {
            match step {
                Step::Say(bytes) => socket.write_all(&bytes).await?,
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Leave => return socket.shutdown().await,
                Step::Repeat(bytes, time) => loop {
                    socket.write_all(&bytes).await?;
                    tokio::time::sleep(time).await;
                },
            }
        }
    }
}

/// Whether head and body are there, going by the length.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_none_or(|length| length.trim().parse::<usize>().is_ok_and(|n| bytes.len() >= end + 4 + n))
}
