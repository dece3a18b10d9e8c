//! The gateway about itself.

use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::series::{Count, Level};
use crate::domain::{Outcome, Scope, UsageRecord, UsageSource};
use prometheus::{Error, Gauge, IntCounter, IntGauge};
use std::time::{Duration, SystemTime};

/// Families about the gateway.
pub(super) struct Gateway {
    /// Calls that a deployment answered, by where their token counts come from.
    usage_source: [Count; 3],
    /// Access log lines dropped because the writer could not keep up.
    pub(super) log_dropped: IntCounter,
    /// Access log lines lost to write errors.
    pub(super) log_failed: IntCounter,
    /// Clients that left before they had their answer.
    client_disconnects: IntCounter,
    /// Answers that broke off after they had begun.
    interrupted_streams: IntCounter,
    /// Whether an origin can be reached.
    endpoint_up: Family<Level>,
    /// Counts configurations taken into use.
    pub(super) config_generation: IntGauge,
    /// Whether the file that was read last is in use.
    reload_successful: IntGauge,
    /// Configurations read again, by whether they are in use.
    reloads: [Count; 2],
    /// How long the last one took to be read and made ready.
    reload_seconds: Gauge,
    /// When one was last taken into use.
    reload_success: Gauge,
    /// Soft budgets reached, by whose they are.
    soft_budgets: Family<Count>,
    /// Answered calls whose price nobody knows.
    unpriced: IntCounter,
    /// Users in the database.
    users: IntGauge,
    /// Teams in the database.
    teams: IntGauge,
}

impl Gateway {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        let build: Family<Level> =
            to.family("tollgate_build_info", "The version that runs", &[L::Version])?;
        build.get(&LabelSet::new().with(L::Version, env!("CARGO_PKG_VERSION"))).set(1.0);
        let sources: Family<Count> = to.family(
            "tollgate_usage_source_total",
            "Answered calls by where their token counts come from",
            &[L::Source],
        )?;
        let source = |source: UsageSource| sources.get(&LabelSet::new().with(L::Source, source.as_str()));
        let reloads: Family<Count> =
            to.family("tollgate_config_reloads_total", "Configurations read again", &[L::Result])?;
        let reload = |result| reloads.get(&LabelSet::new().with(L::Result, result));
        let reload_successful: IntGauge =
            to.single("tollgate_config_reload_successful", "Whether the file that was read last is in use")?;
        reload_successful.set(1);
        let soft_budgets: Family<Count> =
            to.family("tollgate_soft_budgets_crossed_total", "Soft budgets reached", &[L::Scope])?;
        // A counter that begins at one hides its first event from Prometheus.
        for scope in Scope::ALL {
            soft_budgets.get(&LabelSet::new().with(L::Scope, scope.as_str()));
        }
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
            reload_successful,
            reloads: [reload("success"), reload("failure")],
            reload_seconds: to.single(
                "tollgate_config_reload_seconds",
                "What the last reading of the configuration took",
            )?,
            reload_success: to.single(
                "tollgate_config_last_reload_success_timestamp_seconds",
                "When the configuration was last taken into use, seconds since 1970",
            )?,
            soft_budgets,
            unpriced: to
                .single("tollgate_unpriced_calls_total", "Answered calls whose price nobody knows")?,
            users: to.single("litellm_total_users", "Users in the database")?,
            teams: to.single("litellm_teams_count", "Teams in the database")?,
        })
    }

    pub(super) fn count(&self, record: &UsageRecord) {
        match record.outcome {
            Outcome::ClientGone => self.client_disconnects.inc(),
            Outcome::Interrupted(_) => self.interrupted_streams.inc(),
            Outcome::Completed | Outcome::Refused(_) | Outcome::Superseded => {}
        }
        if record.target.is_some() {
            let [upstream, estimated, absent] = &self.usage_source;
            match record.usage_source {
                UsageSource::Upstream => upstream.inc(),
                UsageSource::Estimated => estimated.inc(),
                UsageSource::Absent => absent.inc(),
            }
            if !record.priced && record.usage.total() > 0 {
                self.unpriced.inc();
            }
        }
    }

    pub(super) fn soft_budget_crossed(&self, scope: Scope) {
        self.soft_budgets.get(&LabelSet::new().with(L::Scope, scope.as_str())).inc();
    }

    pub(super) fn reloaded(&self, took: Duration, is_used: bool, now: SystemTime) {
        let [success, failure] = &self.reloads;
        self.reload_seconds.set(took.as_secs_f64());
        self.reload_successful.set(i64::from(is_used));
        if is_used {
            success.inc();
            let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.reload_success.set(since_1970.as_secs_f64());
        } else {
            failure.inc();
        }
    }

    pub(super) fn population(&self, users: u64, teams: u64) {
        self.users.set(i64::try_from(users).unwrap_or(i64::MAX));
        self.teams.set(i64::try_from(teams).unwrap_or(i64::MAX));
    }

    pub(super) fn set_endpoint(&self, endpoint: &str, up: bool) {
        if let Some(gauge) = self.endpoint_up.own(&LabelSet::new().with(L::Endpoint, endpoint)) {
            gauge.set(f64::from(u8::from(up)));
        }
    }

    pub(super) fn keep_endpoints(&self, keep: &dyn Fn(&str) -> bool) {
        self.endpoint_up.retain(L::Endpoint, keep);
    }
}
