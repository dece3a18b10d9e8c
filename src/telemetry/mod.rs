//! Floor 2: metric families, the access log, traces, and what sinks of finished calls are sent.
//!
//! A finished call leaves one `UsageRecord`; [`Telemetry::finished`] counts it and hands it to the sinks and the log.
//! None waits for anything. No secret is in a record, and a prompt or answer only if the configuration keeps them;
//! then Langfuse gets them, and the log and the metrics never do.

pub mod access_log;
#[cfg(test)]
mod fixture;
pub mod metrics;
pub mod sinks;
mod spans;
mod threads;
mod trace;

pub use access_log::{AccessLog, Target};
pub use metrics::{
    Balance, Configured, DeploymentState, InFlightGuard, LedgerGauges, Metrics, Rate, Selection,
    SharedGauges, SinkCounters, TargetLabels, WaitGuard,
};
pub use sinks::{Choice, Finished, Format, Outlet, Parcel, Sinks, Wanted};
pub use threads::step_back;
pub use trace::{Sampler, TraceContext, Tracer};

use crate::domain::UsageRecord;
use std::sync::Arc;
use std::time::SystemTime;

/// What becomes of finished calls.
pub struct Telemetry {
    /// Counters, gauges and histograms.
    pub metrics: Metrics,
    /// A line for each call.
    pub access_log: AccessLog,
    /// Begins traces.
    pub tracer: Tracer,
    /// Where calls are sent besides.
    pub sinks: Sinks,
}

/// What is to be told, and where.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the access log goes.
    pub log: Target,
    /// Which metrics are exposed.
    pub selection: Selection,
    /// Which traces are kept and passed on.
    pub tracer: Tracer,
    /// Which sinks there are.
    pub sinks: Wanted,
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
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let metrics = Metrics::new(settings.selection)?;
        let metrics =
            if settings.sinks.otel_metrics { metrics.with_genai(SystemTime::now())? } else { metrics };
        let access_log = AccessLog::start(settings.log, metrics.log_counters())?;
        let sinks = Sinks::new(&settings.sinks, &metrics);
        Ok(Self { metrics, access_log, tracer: settings.tracer, sinks })
    }

    /// Counts a finished call, logs it and hands it to the sinks that want it. Never waits.
    pub fn finished(&self, record: &mut UsageRecord, trace: Option<Arc<TraceContext>>) {
        self.metrics.record(record);
        self.access_log.push(record);
        self.sinks.push(record, trace);
    }
}
