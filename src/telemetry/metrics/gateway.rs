//! The gateway about itself.

use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use crate::domain::{Outcome, UsageRecord, UsageSource};
use prometheus::{Error, IntCounter, IntGauge};

/// Families about the gateway.
pub(super) struct Gateway {
    /// Calls that a deployment answered, by where their token counts come from.
    usage_source: [IntCounter; 3],
    /// Access log lines dropped because the writer could not keep up.
    pub(super) log_dropped: IntCounter,
    /// Access log lines lost to write errors.
    pub(super) log_failed: IntCounter,
    /// Clients that left before they had their answer.
    client_disconnects: IntCounter,
    /// Answers that broke off after they had begun.
    interrupted_streams: IntCounter,
    /// Whether an origin can be reached.
    endpoint_up: Family<IntGauge>,
    /// Counts configurations taken into use.
    pub(super) config_generation: IntGauge,
    /// Files that were read again, and taken or refused.
    config_reloads: [IntCounter; 2],
    /// Whether the file that was read last is in use.
    config_reload_successful: IntGauge,
}

impl Gateway {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        let build: Family<IntGauge> =
            to.family("tollgate_build_info", "The version that runs", &[L::Version])?;
        build.get(&LabelSet::new().with(L::Version, env!("CARGO_PKG_VERSION"))).set(1);
        let sources: Family<IntCounter> = to.family(
            "tollgate_usage_source_total",
            "Answered calls by where their token counts come from",
            &[L::Source],
        )?;
        let source = |source: UsageSource| sources.get(&LabelSet::new().with(L::Source, source.as_str()));
        let config_reload_successful: IntGauge =
            to.single("tollgate_config_reload_successful", "Whether the file that was read last is in use")?;
        config_reload_successful.set(1);
        Ok(Self {
            usage_source: [UsageSource::Upstream, UsageSource::Estimated, UsageSource::Absent].map(source),
            log_dropped: to.single("tollgate_access_log_dropped_total", "Access log lines dropped")?,
            log_failed: to.single("tollgate_access_log_failed_total", "Access log lines lost to errors")?,
            client_disconnects: to.single("tollgate_client_disconnects_total", "Clients that left early")?,
            interrupted_streams: to.single(
                "tollgate_interrupted_streams_total",
                "Answers that broke off after they had begun",
            )?,
            endpoint_up: to.family(
                "tollgate_endpoint_up",
                "Whether an origin can be reached",
                &[L::Endpoint],
            )?,
            config_generation: to.single("tollgate_config_generation", "Configurations taken into use")?,
            config_reloads: [
                to.single("tollgate_config_reload_success_total", "Files read again and taken into use")?,
                to.single("tollgate_config_reload_failure_total", "Files read again and refused")?,
            ],
            config_reload_successful,
        })
    }

    pub(super) fn config_reloaded(&self, well: bool) {
        let [success, failure] = &self.config_reloads;
        if well {
            success.inc()
        } else {
            failure.inc()
        }
        self.config_reload_successful.set(i64::from(well));
    }

    pub(super) fn count(&self, record: &UsageRecord) {
        match record.outcome {
            Outcome::ClientGone => self.client_disconnects.inc(),
            Outcome::Interrupted(_) => self.interrupted_streams.inc(),
            Outcome::Completed | Outcome::Refused(_) => {}
        }
        if record.target.is_some() {
            let [upstream, estimated, absent] = &self.usage_source;
            match record.usage_source {
                UsageSource::Upstream => upstream.inc(),
                UsageSource::Estimated => estimated.inc(),
                UsageSource::Absent => absent.inc(),
            }
        }
    }

    pub(super) fn set_endpoint(&self, endpoint: &str, up: bool) {
        if let Some(gauge) = self.endpoint_up.own(&LabelSet::new().with(L::Endpoint, endpoint)) {
            gauge.set(i64::from(up));
        }
    }

    pub(super) fn keep_endpoints(&self, keep: &dyn Fn(&str) -> bool) {
        self.endpoint_up.retain(L::Endpoint, keep);
    }
}
