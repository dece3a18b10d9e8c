//! What the handlers share.

use crate::domain::{ApiError, ErrorKind};
use crate::runtime::{Directory, Reloader, RuntimeHandle};
use crate::store::Store;
use crate::telemetry::Telemetry;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What the handlers share.
#[derive(Clone)]
pub struct Control {
    /// The present snapshot.
    pub runtime: Arc<RuntimeHandle>,
    /// Keys and those they belong to, as requests see them.
    pub directory: Arc<Directory>,
    /// Makes a new snapshot when deployments of the database change.
    pub reloader: Arc<Reloader>,
    /// The database.
    pub store: Store,
    /// Metrics.
    pub telemetry: Arc<Telemetry>,
    /// Set when the process is going away.
    pub draining: Arc<AtomicBool>,
    /// The log level, as readiness reports it.
    pub log_level: log::LevelFilter,
    /// Waits until the calls that have ended are booked; false if that takes too long.
    pub booked: Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

impl Control {
    /// Waits until what was spent before is in the counters, so that it is not added to what they are set to.
    ///
    /// # Errors
    /// The books are behind.
    pub(super) async fn must_be_booked(&self) -> Result<(), ApiError> {
        if (self.booked)().await {
            return Ok(());
        }
        let words = "Calls that have ended are not booked yet, so their spend cannot be set. Try again soon.";
        Err(ApiError::new(ErrorKind::DatabaseAway, words))
    }

    /// Waits until what was spent before is in the counters, so that it is found there by whoever takes them over or
    /// away. A key that leaked goes even if the books are behind.
    pub(super) async fn catch_up(&self) {
        if !(self.booked)().await {
            log::warn!(
                "calls that have ended are not booked yet, and will be charged to whom they are of, who goes"
            );
        }
    }
}
