//! Metric families: LiteLLM's names, labels and buckets, and our own under `tollgate_`.
//!
//! Label values come from the configuration or from tables in code, never from a client, and all
//! families together may have only so many label sets; what comes after shares one series a family.
//! A finished call costs two look-ups in tables of its thread and some numbers side by side (`near`, `tally`).
//!
//! Adding a metric is a documented field, its labels and its registration in one area's file.

mod balances;
mod cache;
mod call;
mod deployments;
mod fallbacks;
mod family;
mod gateway;
pub(in crate::telemetry) mod genai;
mod handles;
mod label;
mod latency;
mod ledger;
mod names;
mod near;
mod process;
mod queue;
mod render;
mod requests;
mod select;
mod series;
mod shared;
mod sinks;
mod tally;
#[cfg(test)]
mod tests;
mod tokens;
mod under_way;

pub use balances::{Balance, Rate};
pub use deployments::DeploymentState;
pub use genai::Point;
pub use ledger::LedgerGauges;
pub use names::{Configured, TargetLabels};
pub use queue::WaitGuard;
pub use select::Selection;
pub use shared::SharedGauges;
pub use sinks::SinkCounters;
pub use under_way::InFlightGuard;

use crate::domain::{Outcome, Scope, TargetId, UsageRecord};
use crate::telemetry::access_log::LogCounters;
use crate::telemetry::spans::Spans;
use arc_swap::ArcSwap;
use call::Key;
use family::{Budget, Builder, Header, Prune};
use handles::CallHandles;
use label::{Label, NONE, OTHER};
use names::Names;
use prometheus::core::Collector;
use prometheus::{Error, IntCounter, Registry};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tally::{Pending, Tallies};

/// The label sets that all families together may have, unless said otherwise.
pub const SERIES_LIMIT: usize = 20_000;

/// All families.
pub struct Metrics {
    registry: Registry,
    headers: Vec<Header>,
    families: Vec<Box<dyn Prune>>,
    budget: Arc<Budget>,
    areas: Areas,
    names: ArcSwap<Names>,
    /// The number of the names in use if calls can be told apart by few of them, else 0.
    generation: AtomicU64,
    tallies: Tallies,
    under_way: under_way::UnderWay,
    limit: usize,
    selection: Selection,
    genai: Option<genai::GenAi>,
}

/// The families by area.
struct Areas {
    requests: requests::Requests,
    tokens: tokens::Tokens,
    latency: latency::Latency,
    deployments: deployments::Deployments,
    fallbacks: fallbacks::Fallbacks,
    gateway: gateway::Gateway,
    ledger: ledger::Ledger,
    queue: queue::Queue,
    shared: shared::Shared,
    sinks: sinks::Sinks,
}

impl Metrics {
    /// Registers the families of a selection, with room for [`SERIES_LIMIT`] label sets.
    ///
    /// # Errors
    /// If two families have the same name, which is a fault in this module.
    pub fn new(selection: Selection) -> Result<Self, Error> {
        Self::with_limit(SERIES_LIMIT, selection)
    }

    /// Registers the families of a selection, with room for so many label sets.
    ///
    /// # Errors
    /// If two families have the same name, which is a fault in this module.
    pub fn with_limit(limit: usize, selection: Selection) -> Result<Self, Error> {
        let dropped = IntCounter::new(
            "tollgate_metric_series_dropped_total",
            "Label sets that got no series of their own because there are too many",
        )?;
        let mut to = Builder::new(Budget::new(limit, dropped.clone()), selection);
        to.registry.register(Box::new(dropped) as Box<dyn Collector>)?;
        let areas = Areas {
            requests: requests::Requests::register(&mut to)?,
            tokens: tokens::Tokens::register(&mut to)?,
            latency: latency::Latency::register(&mut to)?,
            deployments: deployments::Deployments::register(&mut to)?,
            fallbacks: fallbacks::Fallbacks::register(&mut to)?,
            gateway: gateway::Gateway::register(&mut to)?,
            ledger: ledger::Ledger::register(&mut to)?,
            queue: queue::Queue::register(&mut to)?,
            shared: shared::Shared::register(&mut to)?,
            sinks: sinks::Sinks::register(&mut to)?,
        };
        let names = Names::new(Configured::default(), limit);
        let generation = AtomicU64::new(names.number);
        let Builder { registry, headers, families, budget, selection } = to;
        Ok(Self {
            registry,
            headers,
            families,
            budget,
            areas,
            names: ArcSwap::from_pointee(names),
            generation,
            tallies: Tallies::default(),
            under_way: under_way::UnderWay::new(),
            limit,
            selection,
            genai: None,
        })
    }

    /// Counts for OpenTelemetry too, from `since` on.
    ///
    /// # Errors
    /// As [`Metrics::new`].
    pub fn with_genai(mut self, since: SystemTime) -> Result<Self, Error> {
        self.genai = Some(genai::GenAi::new(since)?);
        Ok(self)
    }

    /// What was counted for OpenTelemetry, and since when; `None` if nothing is.
    #[must_use]
    pub fn genai(&self) -> Option<(Vec<Point>, SystemTime)> {
        self.genai.as_ref().map(|genai| (genai.points(), genai.since()))
    }

    /// What `prometheus_metrics_config` may name: families without `_total`, and the labels of each.
    #[must_use]
    pub fn selectable() -> Vec<(&'static str, Vec<&'static str>)> {
        let families = Self::new(Selection::default()).map(|all| all.headers).unwrap_or_default();
        let all = families.into_iter().chain(balances::headers());
        let all = all.filter(|family| select::is_selectable(family.name));
        all.map(|family| {
            (select::bare(family.name), family.labels.iter().map(|label| label.name()).collect())
        })
        .collect()
    }

    /// Takes over the names of a configuration. Gauges of deployments that are gone go at once; their
    /// counters stay until room gets tight.
    pub fn set_names(&self, configured: Configured) {
        let names = Arc::new(Names::new(configured, self.limit));
        let old = self.names.swap(Arc::clone(&names));
        self.generation.store(if names.are_few() { names.number } else { 0 }, Ordering::Release);
        self.areas.deployments.reconcile(&names, &old);
        let endpoints: HashSet<&str> =
            names.targets.values().map(|deployment| &*deployment.labels.endpoint).collect();
        self.areas.gateway.keep_endpoints(&|endpoint| endpoints.contains(endpoint));
        if self.budget.is_tight() {
            let keep = |id: &str| matches!(id, NONE | OTHER) || names.labels(&TargetId::new(id)).is_some();
            for family in &self.families {
                family.prune(Label::ModelId, &keep);
            }
        }
    }

    /// Counts a finished call and each of its attempts.
    pub fn record(&self, record: &UsageRecord) {
        if !self.tallied(record) {
            self.count(record);
        }
        self.areas.gateway.count(record);
        if let Some(genai) = &self.genai {
            genai.observe(record, &self.names.load());
        }
    }

    /// Counts a call in a tally of this thread, if it is one of the many that were answered at once.
    fn tallied(&self, record: &UsageRecord) -> bool {
        let generation = self.generation.load(Ordering::Acquire);
        let Some(target) = near::answered_at_once(record).filter(|_| generation > 0) else { return false };
        let make = || {
            let pending = Arc::new(Pending::new(self.series_of(record), record));
            self.tallies.join(&pending);
            pending
        };
        near::count(generation, target, record, make, |pending| {
            pending.count(record, &latency::observed(&Spans::of(record)));
        })
    }

    /// The series of a call that was answered at once.
    fn series_of(&self, record: &UsageRecord) -> Arc<CallHandles> {
        let names = self.names.load();
        let key = Key::call(record, &names);
        let series = names.calls.get(&key, || self.areas.resolve_call(&key, &names));
        if let Some(attempt) = record.attempts.first() {
            series.answered(|| self.areas.resolve_attempt(&Key::attempt(attempt, &key), &names));
        }
        series
    }

    /// Counts a call where all others are counted.
    fn count(&self, record: &UsageRecord) {
        let names = self.names.load();
        let key = Key::call(record, &names);
        let call = names.calls.get(&key, || self.areas.resolve_call(&key, &names));
        if record.outcome == Outcome::Superseded {
            return call.record_cost(record);
        }
        call.record(record);
        let at_once = near::answered_at_once(record).is_some();
        for attempt in &record.attempts {
            let own = Key::attempt(attempt, &key);
            // Of most calls all is found at once.
            if at_once {
                call.answered(|| self.areas.resolve_attempt(&own, &names)).count(1);
            } else {
                names.attempts.get(&own, || self.areas.resolve_attempt(&own, &names)).count(1);
            }
        }
        if record.attempts.len() > 1 {
            self.areas.fallbacks.count(record, &key, &names);
        }
    }

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
        self.names.load().labels(target).cloned()
    }

    /// A deployment was taken out of rotation; `status` is what did it, the class's own without an answer.
    pub fn cooled_down(&self, target: &TargetId, status: u16) {
        if let Some(labels) = self.names.load().labels(target) {
            self.areas.deployments.cool_down(labels, status);
        }
    }

    /// A deployment is now doing so.
    pub fn deployment_state(&self, target: &TargetId, state: DeploymentState) {
        if let Some(labels) = self.names.load().labels(target) {
            self.areas.deployments.set_state(labels, state);
        }
    }

    /// What the upstream said is left of its quota.
    pub fn remaining(&self, target: &TargetId, requests: Option<f64>, tokens: Option<f64>) {
        if let Some(deployment) = self.names.load().targets.get(target) {
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

    /// Counts a call as under way until the guard is dropped.
    #[must_use]
    pub fn in_flight(&self) -> InFlightGuard {
        self.under_way.enter()
    }

    /// Calls under way now.
    #[must_use]
    pub fn calls_in_flight(&self) -> i64 {
        self.under_way.count()
    }

    /// The counters an access log reports to.
    #[must_use]
    pub fn log_counters(&self) -> LogCounters {
        let gateway = &self.areas.gateway;
        LogCounters { dropped: gateway.log_dropped.clone(), failed: gateway.log_failed.clone() }
    }

    /// Everything in the text format 0.0.4, with how budgets and limits stand at this moment.
    #[must_use]
    pub fn render(&self, balances: &[Balance]) -> String {
        self.tallies.tell();
        self.areas.requests.in_flight.set(self.under_way.count());
        let mut text = render::render(&self.registry.gather(), &self.headers);
        balances::render(&mut text, balances, &self.selection);
        process::write(&mut text);
        text
    }
}
