//! What the gateway tells besides finished calls, each to the area that it belongs to.

use super::{DeploymentState, LedgerGauges, Metrics, SharedGauges, SinkCounters, TargetLabels, WaitGuard};
use crate::domain::{Scope, TargetId};
use std::time::{Duration, SystemTime};

impl Metrics {
    /// Somebody spent as much as is to be reported.
    pub fn soft_budget_crossed(&self, scope: Scope) {
        self.areas.gateway.soft_budget_crossed(scope);
    }

    /// The configuration was read again, which took so long; whether it is in use.
    pub fn reloaded(&self, took: Duration, is_used: bool, now: SystemTime) {
        self.areas.gateway.reloaded(took, is_used, now);
    }

    /// How many users and teams the database has.
    pub fn population(&self, users: u64, teams: u64) {
        self.areas.gateway.population(users, teams);
    }

    /// The counters of a sink of finished calls, by its callback name.
    #[must_use]
    pub fn sink(&self, name: &'static str) -> SinkCounters {
        self.areas.sinks.of(name)
    }

    /// What is said of a deployment; `None` if the configuration has it no more.
    #[must_use]
    pub fn target(&self, target: &TargetId) -> Option<TargetLabels> {
        self.names.load().names.labels(target).cloned()
    }

    /// A deployment was taken out of rotation; `status` is what did it, the class's own without an answer.
    pub fn cooled_down(&self, target: &TargetId, status: u16) {
        if let Some(labels) = self.names.load().names.labels(target) {
            self.areas.deployments.cool_down(labels, status);
        }
    }

    /// A deployment is now doing so.
    pub fn deployment_state(&self, target: &TargetId, state: DeploymentState) {
        if let Some(labels) = self.names.load().names.labels(target) {
            self.areas.deployments.set_state(labels, state);
        }
    }

    /// What the upstream said is left of its quota.
    pub fn remaining(&self, target: &TargetId, requests: Option<f64>, tokens: Option<f64>) {
        if let Some(deployment) = self.names.load().names.targets.get(target) {
            self.areas.deployments.set_remaining(deployment, requests, tokens);
        }
    }

    /// Whether an origin can be reached; named as in [`TargetLabels::endpoint`].
    pub fn endpoint_up(&self, endpoint: &str, up: bool) {
        self.areas.gateway.set_endpoint(endpoint, up);
    }

    /// The number of the configuration that is in use.
    pub fn config_generation(&self, generation: u64) {
        self.areas.gateway.config_generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Counts a call of a group as waiting for quota until the guard is dropped.
    #[must_use]
    pub fn waits_in_queue(&self, group: &str) -> WaitGuard {
        self.areas.queue.enter(group)
    }

    /// A call got its turn after so long.
    pub fn left_queue(&self, group: &str, waited: Duration) {
        self.areas.queue.leave(group, waited);
    }

    /// A call was made twice; whether the second attempt answered first.
    pub fn hedged(&self, group: &str, second_won: bool) {
        self.areas.fallbacks.hedged(group, second_won);
    }

    /// A call got no turn; `reason` is a word from a table.
    pub fn refused_in_queue(&self, group: &str, reason: &'static str) {
        self.areas.queue.refuse(group, reason);
    }

    /// How the ledger is now.
    pub fn ledger(&self, now: &LedgerGauges) {
        self.areas.ledger.set(now);
    }

    /// How the counters are now that several processes share.
    pub fn shared(&self, now: &SharedGauges) {
        self.areas.shared.set(now);
    }
}
