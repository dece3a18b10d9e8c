//! Calls at a steady rate over connections that are kept alive, as long as the test wants; any failure is counted.

use super::http::request;
use super::{CHAT, MASTER_KEY, PATIENCE};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Running traffic.
#[derive(Debug)]
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Went {
    pub(crate) answered: u64,
    /// Connections that were opened.
    pub(crate) connections: u64,
    /// What went wrong, each call by its words.
    pub(crate) failures: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    answered: AtomicU64,
    connections: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Traffic {
    /// Calls this model so often a second, over so many connections. Every tenth call is on a connection of its own.
    pub(crate) fn start(address: SocketAddr, model: &str, rate: u32, connections: u32) -> Self {
        let shared = Arc::new(Shared::default());
        let pause = Duration::from_secs(1) * connections / rate;
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }] });
        let clients =
            (0..connections).map(|_| tokio::spawn(client(Arc::clone(&shared), address, pause, body.clone())));
        Self { clients: clients.collect(), shared: Arc::clone(&shared) }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more calls are answered.
    pub(crate) async fn goes_on(&self, more: u64) {
        let from = self.answered();
        super::eventually(&format!("{more} more answers"), async || {
            (self.answered() >= from + more).then_some(())
        })
        .await;
    }

    pub(crate) async fn stop(self) -> Went {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        Went {
            answered: self.shared.answered.load(Ordering::Relaxed),
            connections: self.shared.connections.load(Ordering::Relaxed),
            failures: self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

async fn client(shared: Arc<Shared>, address: SocketAddr, pause: Duration, body: Value) {
    let bearer = format!("Bearer {MASTER_KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let bytes = request("POST", CHAT, &headers, body.to_string().as_bytes());
    tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
    let mut tick = interval(pause);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut held: Option<TcpStream> = None;
    while !shared.stopped.load(Ordering::Relaxed) {
        tick.tick().await;
        let kept = if fastrand::u8(..10) == 0 { None } else { held.take() };
        // As HTTP clients do: one that was closed while it idled is not used.
        let kept = kept.filter(is_open);
        let how = if kept.is_some() { "kept" } else { "new" };
        match timeout(PATIENCE, call(&shared, kept, address, &bytes)).await {
            Ok(Ok(socket)) => {
                shared.answered.fetch_add(1, Ordering::Relaxed);
                held = socket;
            }
            Ok(Err(fault)) => shared.failed(format!("{how} connection: {fault}")),
            Err(_) => shared.failed(format!("{how} connection: no answer within {PATIENCE:?}")),
        }
    }
}

impl Shared {
    fn failed(&self, fault: String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }
}

fn is_open(socket: &TcpStream) -> bool {
    let closed = socket.try_read(&mut [0]);
    closed.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

async fn call(
    shared: &Shared,
    kept: Option<TcpStream>,
    address: SocketAddr,
    bytes: &[u8],
) -> Result<Option<TcpStream>, String> {
    let fault = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let mut socket = match kept {
        Some(socket) => socket,
        None => {
            shared.connections.fetch_add(1, Ordering::Relaxed);
            TcpStream::connect(address).await.map_err(fault("connecting"))?
        }
    };
    socket.write_all(bytes).await.map_err(fault("sending"))?;
    let mut answer = Vec::new();
    let end = loop {
        if socket.read_buf(&mut answer).await.map_err(fault("reading"))? == 0 {
            return Err(format!("closed after {} bytes", answer.len()));
        }
        if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).ok_or("no length")?;
    while answer.len() < end + 4 + length {
        if socket.read_buf(&mut answer).await.map_err(fault("reading"))? == 0 {
            return Err("closed within the body".to_owned());
        }
    }
    if !head.starts_with("http/1.1 200 ") {
        return Err(String::from_utf8_lossy(&answer).into_owned());
    }
    Ok((!head.contains("connection: close")).then_some(socket))
}
