//! Metric families: LiteLLM's names, labels and buckets, and our own under `tollgate_`.
//!
//! Label values come from the configuration or from tables in code, never from a client, and all
//! families together may have only so many label sets; what comes after shares one series a family.
//! A finished call costs two look-ups in tables of its thread and some numbers side by side (`near`, `tally`).
//!
//! Adding a metric is a documented field, its labels and its registration in one area's file.

mod areas;
mod balances;
mod cache;
mod call;
mod count;
mod deployments;
mod fallbacks;
mod family;
mod gateway;
pub(in crate::telemetry) mod genai;
mod generation;
mod handles;
mod label;
mod latency;
mod ledger;
mod names;
mod near;
mod pending;
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
mod told;
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

use crate::domain::TargetId;
use crate::telemetry::access_log::LogCounters;
use arc_swap::ArcSwap;
use areas::Areas;
use family::{Budget, Builder, Header, Prune};
use generation::Generation;
use label::{Label, NONE, OTHER};
use pending::Tallies;
use prometheus::core::Collector;
use prometheus::{Error, IntCounter, Registry};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The label sets that all families together may have, unless said otherwise.
pub const SERIES_LIMIT: usize = 20_000;

/// All families.
pub struct Metrics {
    registry: Registry,
    headers: Vec<Header>,
    families: Vec<Box<dyn Prune>>,
    budget: Arc<Budget>,
    areas: Areas,
    names: ArcSwap<Generation>,
    /// The number of the names in use if calls can be told apart by few of them, else 0.
    generation: AtomicU64,
    tallies: Tallies,
    under_way: under_way::UnderWay,
    limit: usize,
    selection: Selection,
    genai: Option<genai::GenAi>,
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
        let areas = Areas::register(&mut to)?;
        let first = Generation::new(Configured::default(), limit);
        let generation = AtomicU64::new(first.names.number);
        let Builder { registry, headers, families, budget, selection } = to;
        Ok(Self {
            registry,
            headers,
            families,
            budget,
            areas,
            names: ArcSwap::from_pointee(first),
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
        let now = Arc::new(Generation::new(configured, self.limit));
        let old = self.names.swap(Arc::clone(&now));
        let names = &now.names;
        self.generation.store(if names.are_few() { names.number } else { 0 }, Ordering::Release);
        self.areas.deployments.reconcile(names, &old.names);
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
