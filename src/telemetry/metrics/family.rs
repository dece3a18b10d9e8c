//! A metric family: one name, and a series for each label set seen, up to a bound shared by all families.
//!
//! The prometheus crate's own vectors hash label values without a separator (two label sets can fall
//! into one series) and know no bound, so the series are kept here; the crate gathers them.

use super::label::{Label, LabelSet, OTHER};
use super::select::Selection;
use super::series::{MOST_BOUNDS, Series};
use prometheus::core::{Atomic, Collector, Desc, GenericCounter, GenericGauge};
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Error, IntCounter, Registry};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A series without labels, of the prometheus crate.
pub(super) trait Single: Collector + Clone + 'static {
    const KIND: MetricType;
    fn make(name: &str, help: &str) -> Result<Self, Error>;
}

impl<P: Atomic + 'static> Single for GenericCounter<P> {
    const KIND: MetricType = MetricType::COUNTER;
    fn make(name: &str, help: &str) -> Result<Self, Error> {
        Self::new(name, help)
    }
}

impl<P: Atomic + 'static> Single for GenericGauge<P> {
    const KIND: MetricType = MetricType::GAUGE;
    fn make(name: &str, help: &str) -> Result<Self, Error> {
        Self::new(name, help)
    }
}

/// How many label sets all families together may still get.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    limit: usize,
    dropped: IntCounter,
}

impl Budget {
    pub(super) fn new(limit: usize, dropped: IntCounter) -> Self {
        Self { used: AtomicUsize::new(0), limit, dropped }
    }

    /// Whether so much is used that dead series should go.
    pub(super) fn is_tight(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit / 2
    }

    fn take(&self) -> bool {
        let more = |used| (used < self.limit).then_some(used + 1);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if !taken {
            self.dropped.inc();
        }
        taken
    }

    fn give_back(&self, count: usize) {
        self.used.fetch_sub(count, Ordering::Relaxed);
    }
}

/// The values of a family's labels.
type Values = Arc<[Box<str>]>;

struct Core<S> {
    desc: Desc,
    /// In the order of their names, in which they are exposed.
    labels: Vec<Label>,
    bounds: &'static [f64],
    children: RwLock<HashMap<Values, S>>,
    /// Takes what the budget refuses; exposed once it was needed.
    overflow: S,
    overflowed: AtomicBool,
    budget: Arc<Budget>,
    /// What is not exposed is counted for nobody.
    exposed: bool,
}

/// A family of series of one kind. Clones are the same family.
pub(super) struct Family<S>(Arc<Core<S>>);

impl<S> Clone for Family<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Series> Family<S> {
    fn new(
        name: &str,
        help: &str,
        chosen: Option<Vec<Label>>,
        bounds: &'static [f64],
        budget: Arc<Budget>,
    ) -> Result<Self, Error> {
        if bounds.len() > MOST_BOUNDS {
            return Err(Error::Msg(format!("{name} has more than {MOST_BOUNDS} bounds")));
        }
        let (exposed, mut labels) = (chosen.is_some(), chosen.unwrap_or_default());
        labels.sort_unstable_by_key(|label| label.name());
        let names = labels.iter().map(|label| label.name().to_owned()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), names, HashMap::new())?;
        let (children, overflow) = (RwLock::new(HashMap::new()), S::make(bounds));
        let overflowed = AtomicBool::new(false);
        Ok(Self(Arc::new(Core { desc, labels, bounds, children, overflow, overflowed, budget, exposed })))
    }

    /// The series of these labels, made if the budget allows, else the one that all others share.
    pub(super) fn get(&self, set: &LabelSet<'_>) -> S {
        self.own(set).unwrap_or_else(|| {
            self.0.overflowed.store(true, Ordering::Relaxed);
            self.0.overflow.clone()
        })
    }

    /// The series of these labels, made if the budget allows.
    pub(super) fn own(&self, set: &LabelSet<'_>) -> Option<S> {
        let core = &*self.0;
        if !core.exposed {
            // One of its own: threads that count into one place get in each other's way.
            return Some(S::make(core.bounds));
        }
        let values: Values = core.labels.iter().map(|label| set.get(*label).into()).collect();
        if let Some(series) = core.children.read().unwrap_or_else(PoisonError::into_inner).get(&values) {
            return Some(series.clone());
        }
        let mut children = core.children.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = children.get(&values) {
            return Some(series.clone());
        }
        if !core.budget.take() {
            return None;
        }
        let series = S::make(core.bounds);
        children.insert(values, series.clone());
        Some(series)
    }

    /// Forgets the series whose value of `label` is refused.
    pub(super) fn retain(&self, label: Label, keep: &dyn Fn(&str) -> bool) {
        let core = &*self.0;
        let Some(at) = core.labels.iter().position(|own| *own == label) else { return };
        let mut children = core.children.write().unwrap_or_else(PoisonError::into_inner);
        let before = children.len();
        children.retain(|values, _| values.get(at).is_none_or(|value| keep(value)));
        core.budget.give_back(before - children.len());
    }
}

impl<S: Series> Core<S> {
    fn metric<'a>(&self, values: impl Iterator<Item = &'a str>, series: &S) -> Metric {
        let pair = |(label, value): (&Label, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name(label.name().to_owned());
            pair.set_value(value.to_owned());
            pair
        };
        let mut metric = Metric::from_label(self.labels.iter().zip(values).map(pair).collect());
        series.tell(&mut metric);
        metric
    }
}

impl<S: Series> Collector for Family<S> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let core = &*self.0;
        // The lock is held for cheap clones only: a scrape must not hold up a call that needs a new series.
        let series: Vec<(Values, S)> = {
            let children = core.children.read().unwrap_or_else(PoisonError::into_inner);
            children.iter().map(|(values, series)| (Arc::clone(values), series.clone())).collect()
        };
        let mut metrics: Vec<Metric> =
            series.iter().map(|(values, one)| core.metric(values.iter().map(AsRef::as_ref), one)).collect();
        if core.overflowed.load(Ordering::Relaxed) {
            metrics.push(core.metric(std::iter::repeat(OTHER), &core.overflow));
        }
        let mut family = MetricFamily::default();
        family.set_name(core.desc.fq_name.clone());
        family.set_help(core.desc.help.clone());
        family.set_field_type(S::KIND);
        family.set_metric(metrics);
        vec![family]
    }
}

/// Forgets the series whose value of a label is refused, in a family of any kind.
pub(super) trait Prune: Send + Sync {
    fn prune(&self, label: Label, keep: &dyn Fn(&str) -> bool);
}

impl<S: Series> Prune for Family<S> {
    fn prune(&self, label: Label, keep: &dyn Fn(&str) -> bool) {
        self.retain(label, keep);
    }
}

/// A family's name, words and type, exposed also while it is empty.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [Label],
}

/// Makes families and registers them.
pub(super) struct Builder {
    pub(super) registry: Registry,
    pub(super) headers: Vec<Header>,
    pub(super) families: Vec<Box<dyn Prune>>,
    pub(super) budget: Arc<Budget>,
    pub(super) selection: Selection,
}

impl Builder {
    pub(super) fn new(budget: Budget, selection: Selection) -> Self {
        let (registry, headers, families) = (Registry::new(), Vec::new(), Vec::new());
        Self { registry, headers, families, budget: Arc::new(budget), selection }
    }

    /// A family of counters or gauges.
    pub(super) fn family<S: Series>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [Label],
    ) -> Result<Family<S>, Error> {
        self.histogram(name, help, labels, &[])
    }

    /// A family of histograms (`bounds` mean nothing to other kinds).
    pub(super) fn histogram<S: Series>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [Label],
        bounds: &'static [f64],
    ) -> Result<Family<S>, Error> {
        let chosen = self.selection.labels(name, labels);
        let family = Family::new(name, help, chosen, bounds, Arc::clone(&self.budget))?;
        if family.0.exposed {
            self.registry.register(Box::new(family.clone()))?;
            self.headers.push(Header { name, help, kind: S::KIND, labels });
            self.families.push(Box::new(family.clone()));
        }
        Ok(family)
    }

    /// A single series without labels.
    pub(super) fn single<S: Single>(&mut self, name: &'static str, help: &'static str) -> Result<S, Error> {
        let series = S::make(name, help)?;
        if self.selection.labels(name, &[]).is_some() {
            self.registry.register(Box::new(series.clone()))?;
            self.headers.push(Header { name, help, kind: S::KIND, labels: &[] });
        }
        Ok(series)
    }
}
