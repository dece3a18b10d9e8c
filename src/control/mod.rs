//! Floor 5: the control plane, a plain axum router that tests call without a socket.
//!
//! Every route stands in one table with what it takes to call it ([`routes::ALL`]); there is no other way
//! to add one, so a route without a permission cannot exist. Adding a route is a file under `api/` and a
//! line in the table.

mod api;
mod calendar;
mod gate;
mod input;
mod preflight;
mod records;
mod respond;
pub mod routes;
#[cfg(test)]
mod tests;
mod verbs;

use crate::domain::{ApiError, ErrorKind};
use crate::runtime::{Directory, Reloader, RuntimeHandle};
use crate::store::Store;
use crate::telemetry::Telemetry;
use axum::Router;
use axum::routing::MethodRouter;
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
    async fn must_be_booked(&self) -> Result<(), ApiError> {
        if (self.booked)().await {
            return Ok(());
        }
        let words = "Calls that have ended are not booked yet, so their spend cannot be set. Try again soon.";
        Err(ApiError::new(ErrorKind::DatabaseAway, words))
    }

    /// Waits until what was spent before is in the counters, so that it is found there by whoever takes them over or
    /// away. A key that leaked goes even if the books are behind.
    async fn catch_up(&self) {
        if !(self.booked)().await {
            log::warn!(
                "calls that have ended are not booked yet, and will be charged to whom they are of, who goes"
            );
        }
    }
}

/// The whole control plane.
pub fn router(control: Control) -> Router {
    routed(control, |route| (route.handler)().router)
}

/// Each row of the table behind its gate.
fn routed(control: Control, handler: impl Fn(&routes::Route) -> MethodRouter<Control>) -> Router {
    let mut router = Router::new();
    for route in routes::ALL {
        let gated = axum::middleware::from_fn_with_state((control.clone(), route), gate::gate);
        router = router.route(route.path, handler(route).layer(gated));
    }
    router
        .fallback(respond::unknown)
        .method_not_allowed_fallback(respond::wrong_method)
        .layer(axum::middleware::from_fn(preflight::preflight))
        .with_state(control)
}
