//! Floor 2: an upstream with faults that speaks OpenAI's, Anthropic's and Google's formats, for `demo`, the tests and `bench`. `serve` never starts it.
//!
//! A [`Script`] says what each bearer key gets: a [`Behaviour`], which is an answer and what goes wrong with it.
//! Any client can also ask for one by name: the model `sim-429+retry-after=2` is rate limited,
//! `sim-chunks=50+gap=20` streams fifty chunks, one each 20 ms. [`words`] lists all words.
//!
//! HTTP/1.1 is written by hand on the socket (`http`), because the faults are exact: a cut in the
//! middle of a chunk, a reset, an event split at any byte. It may import `domain` only, and imports nothing.

mod answer;
mod behaviour;
mod contents;
mod fault;
mod form;
mod http;
mod json;
mod lane;
mod media;
mod messages;
mod request;
mod responses;
mod script;
mod serve;
mod shelf;
mod state;
mod stream;
pub mod words;

pub use behaviour::{
    After, Behaviour, Ending, Fault, Framing, Grouping, Kind, Newline, Text, UsageReport, When,
};
pub use script::Script;
pub use state::Seen;

use state::State;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A running simulator. Dropping it closes its socket and every connection.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<oneshot::Receiver<()>>,
}

// === impl Simulator ===

impl Simulator {
    /// Starts on a free port of 127.0.0.1, on the runtime of the caller.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), script).await
    }

    /// Starts on an address, on the runtime of the caller; for an upstream that comes back.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start_at(addr: SocketAddr, script: Script) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State::new(script));
        let (stop, asked) = oneshot::channel::<()>();
        let (done, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            tokio::select! {
                () = serve::accept(listener, shared) => {}
                _ = asked => {}
            }
            drop(done);
        });
        Ok(Self { addr, state, stop: Some(stop), stopped: Some(stopped) })
    }

    /// Starts on a thread and runtime of its own, for callers without a runtime.
    ///
    /// # Errors
    /// When the address cannot be bound or no thread started.
    pub fn start_thread(addr: SocketAddr, script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State::new(script));
        let (stop, asked) = oneshot::channel::<()>();
        let (done, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            let ended = run_until(listener, shared, asked);
            if let Err(error) = ended {
                log::error!("the simulator ended: {error}");
            }
            drop(done);
        })?;
        Ok(Self { addr, state, stop: Some(stop), stopped: Some(stopped) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to configure as `api_base`: `http://127.0.0.1:port/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Replaces the script; requests already being answered keep the old one.
    pub fn set(&self, script: Script) {
        self.state.set(script);
    }

    /// The requests so far, oldest first, as many as [`Script::record`] keeps.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen()
    }

    /// How many requests each key made, since the start.
    #[must_use]
    pub fn counts_by_key(&self) -> HashMap<String, u64> {
        self.state.counts_by_key()
    }

    /// Waits until what was seen satisfies `wanted`; whether it did within `limit`.
    pub async fn wait_until(&self, limit: Duration, wanted: impl Fn(&[Seen]) -> bool) -> bool {
        tokio::time::timeout(limit, self.state.wait_until(wanted)).await.is_ok()
    }

    /// Ends it and waits until its port refuses connections.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(stopped) = self.stopped.take() {
            // The sender is dropped, not used: either way the tasks are gone.
            let _gone = stopped.await;
        }
    }
}

/// Serves until the process ends, on `workers` threads that share the listening socket.
///
/// # Errors
/// When the socket cannot be shared or a runtime not be built.
pub fn run_blocking(listener: TcpListener, script: Script, workers: usize) -> io::Result<()> {
    let state = Arc::new(State::new(script));
    for _ in 1..workers.max(1) {
        let (listener, state) = (listener.try_clone()?, Arc::clone(&state));
        std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(move || run_until(listener, state, std::future::pending::<()>()))?;
    }
    run_until(listener, state, std::future::pending::<()>())
}

/// One single-threaded runtime on the listener, until `asked` resolves.
fn run_until(listener: TcpListener, state: Arc<State>, asked: impl Future) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::select! {
            () = serve::accept(listener, state) => {}
            _ = asked => {}
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
