//! Many calls over a few connections that are kept alive.

use super::{Connection, Gateway, Response};
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many calls, and how far they are.
#[derive(Debug)]
pub(crate) struct Load {
    total: usize,
    kept: bool,
    begun: AtomicUsize,
    done: AtomicUsize,
}

// === impl Load ===

impl Load {
    pub(crate) fn of(total: usize) -> Self {
        Self { total, kept: true, begun: AtomicUsize::new(0), done: AtomicUsize::new(0) }
    }

    /// Each call on a connection of its own.
    pub(crate) fn unkept(self) -> Self {
        Self { kept: false, ..self }
    }

    /// Waits until so many calls are answered.
    pub(crate) async fn reaches(&self, count: usize) {
        super::eventually(&format!("{count} answers"), async || {
            (self.done.load(Ordering::Relaxed) >= count).then_some(())
        })
        .await;
    }

    /// Sends the same bytes until all calls are answered.
    pub(crate) async fn run(&self, gateway: &Gateway, connections: usize, bytes: &[u8]) -> Vec<Response> {
        let clients = (0..connections).map(|_| self.client(gateway, bytes));
        futures::future::join_all(clients).await.concat()
    }

    async fn client(&self, gateway: &Gateway, bytes: &[u8]) -> Vec<Response> {
        let mut responses = Vec::new();
        let mut held: Option<Connection> = None;
        while self.begun.fetch_add(1, Ordering::Relaxed) < self.total {
            let mut connection = match held.take() {
                Some(connection) => connection,
                None => gateway.connect().await,
            };
            connection.send(bytes).await;
            let response = connection.read_response().await;
            if self.kept && response.complete && response.header("connection") != Some("close") {
                held = Some(connection);
            }
            responses.push(response);
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        responses
    }
}
