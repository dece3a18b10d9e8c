//! What all data-plane threads share.

use crate::ledger::Ledger;
use crate::runtime::{Directory, RuntimeHandle};
use crate::shared::Shared;
use crate::telemetry::Telemetry;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;

/// Answers what is not a model call. Implemented above, so that admin work never runs on a data thread.
#[async_trait]
pub trait ControlPlane: Send + Sync {
    /// Answers one whole request.
    async fn answer(&self, request: http::Request<Bytes>) -> http::Response<Bytes>;
}

/// What all data-plane threads share.
pub struct Gateway {
    /// The present snapshot.
    pub runtime: Arc<RuntimeHandle>,
    /// Keys and those they belong to.
    pub directory: Arc<Directory>,
    /// Where every call is written down before its client has all of the answer.
    pub ledger: Arc<Ledger>,
    /// Metrics and access log.
    pub telemetry: Arc<Telemetry>,
    /// The counters of other processes, if they are shared.
    pub shared: Option<Shared>,
    /// Everything that is not a model call.
    pub control: Arc<dyn ControlPlane>,
    /// Set when the process is going away: connections are no longer kept alive.
    pub draining: Arc<AtomicBool>,
    /// Set shortly before what is open is cut off: who waits still is told to come again.
    pub closed: watch::Sender<bool>,
}

impl Gateway {
    /// Waits until there is no more use in waiting.
    pub(crate) async fn closes(&self) {
        // The sender is here, so it is not gone.
        drop(self.closed.subscribe().wait_for(|is_closed| *is_closed).await);
    }
}
