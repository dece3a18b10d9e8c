//! What every behaviour test is made of: a configuration, the real gateway, and a client of exact bytes.
//!
//! The upstream is `tollgate::simulator`, in the test's own runtime.
#![allow(dead_code, unused_imports, reason = "a helper may wait for its test")]

pub(crate) mod config;
pub(crate) mod gateway;
pub(crate) mod http;

pub(crate) use config::Config;
pub(crate) use gateway::{ACCESS_LOG, Gateway, Launch, MASTER_KEY};
pub(crate) use http::{Connection, Event, Response, chunked_request, request};

use std::time::Duration;

/// How long anything may take before a test gives up; never how long something is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until there is a value.
pub(crate) async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = poll().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
