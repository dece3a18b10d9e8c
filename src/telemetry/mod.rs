//! Floor 2: metric families and the access log.
//!
//! A finished call leaves one `UsageRecord`; [`Telemetry::finished`] counts it and hands it to the log.
//! Neither waits for anything. No prompt, no answer and no secret is in a record, so none can get out here.

pub mod access_log;
#[cfg(test)]
mod fixture;
pub mod metrics;
mod spans;

pub use access_log::{AccessLog, Target};
pub use metrics::{
    Balance, Configured, DeploymentState, InFlightGuard, LedgerGauges, Metrics, Rate, Selection,
    SinkCounters, TargetLabels, WaitGuard,
};

use crate::domain::UsageRecord;

/// What becomes of finished calls.
pub struct Telemetry {
    /// Counters, gauges and histograms.
    pub metrics: Metrics,
    /// A line for each call.
    pub access_log: AccessLog,
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A family is declared wrongly.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The access log cannot be opened.
    #[error("access log: {0}")]
    AccessLog(#[from] std::io::Error),
}

impl Telemetry {
    /// Registers the metrics and opens the access log.
    ///
    /// # Errors
    /// If the log cannot be opened.
    pub fn start(log: Target, selection: Selection) -> Result<Self, StartError> {
        let metrics = Metrics::new(selection)?;
        let access_log = AccessLog::start(log, metrics.log_counters())?;
        Ok(Self { metrics, access_log })
    }

    /// Counts a finished call and logs it. Never waits.
    pub fn finished(&self, record: UsageRecord) {
        self.metrics.record(&record);
        self.access_log.push(record);
    }
}
