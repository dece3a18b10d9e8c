//! The numbers behind series.
//!
//! The prometheus crate's own carry their names, labels and bounds with them, twice, and a histogram has its counts in
//! two places: what one call counts lies in a hundred lines of memory, which with a thousand deployments are in no cache
//! any more. Here a series is its numbers and nothing else; names and labels are with the family.

use prometheus::proto::{self, Metric, MetricType};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The bounds that a histogram may have at most.
pub(super) const MOST_BOUNDS: usize = 17;
/// One more, for what lies above all bounds.
pub(super) const BUCKETS: usize = MOST_BOUNDS + 1;

/// A kind of series that a family can hold. Clones are the same series.
pub(super) trait Series: Clone + Send + Sync + 'static {
    const KIND: MetricType;

    /// One at zero; `bounds` mean something to histograms only.
    fn make(bounds: &'static [f64]) -> Self;

    /// Writes down how it stands.
    fn tell(&self, metric: &mut Metric);
}

/// A whole number that goes up.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<AtomicU64>);

/// A sum that goes up.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum(Arc<Float>);

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub(super) struct Level(Arc<Float>);

/// How many observations lie below each of some bounds.
#[derive(Clone, Debug)]
pub(super) struct Histogram(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    bounds: &'static [f64],
    sum: Float,
    /// Of each bucket alone; the one behind the last bound has none.
    counts: [AtomicU64; BUCKETS],
}

/// A floating-point number by its bits.
#[derive(Debug, Default)]
struct Float(AtomicU64);

impl Float {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    fn add(&self, value: f64) {
        let more = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // It always gives a number, so this cannot fail.
        let _ = self.0.fetch_update(Relaxed, Relaxed, more);
    }
}

impl Count {
    pub(super) fn inc(&self) {
        self.inc_by(1);
    }

    pub(super) fn inc_by(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }
}

impl Sum {
    /// Adds what is not negative.
    pub(super) fn inc_by(&self, value: f64) {
        self.0.add(value);
    }
}

impl Level {
    pub(super) fn set(&self, value: f64) {
        self.0.set(value);
    }

    pub(super) fn inc(&self) {
        self.0.add(1.0);
    }

    pub(super) fn dec(&self) {
        self.0.add(-1.0);
    }
}

impl Histogram {
    /// Counts an observation. A scrape at the same moment may see it in the counts and not yet in the sum.
    pub(super) fn observe(&self, value: f64) {
        let Cells { bounds, sum, counts } = &*self.0;
        if let Some(count) = counts.get(bucket(bounds, value)) {
            count.fetch_add(1, Relaxed);
        }
        sum.add(value);
    }

    /// Counts observations that were put into buckets of the same bounds elsewhere.
    pub(super) fn add(&self, counts: impl Iterator<Item = u64>, sum: f64) {
        for (own, count) in self.0.counts.iter().zip(counts).filter(|(_, count)| *count > 0) {
            own.fetch_add(count, Relaxed);
        }
        self.0.sum.add(sum);
    }
}

/// Where a value lies: the number of the first bound that is not below it.
pub(super) fn bucket(bounds: &[f64], value: f64) -> usize {
    bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len())
}

impl Series for Count {
    const KIND: MetricType = MetricType::COUNTER;

    fn make(_: &'static [f64]) -> Self {
        Self::default()
    }

    #[expect(clippy::cast_precision_loss, reason = "the format has floats only")]
    fn tell(&self, metric: &mut Metric) {
        metric.set_counter(counter(self.0.load(Relaxed) as f64));
    }
}

impl Series for Sum {
    const KIND: MetricType = MetricType::COUNTER;

    fn make(_: &'static [f64]) -> Self {
        Self::default()
    }

    fn tell(&self, metric: &mut Metric) {
        metric.set_counter(counter(self.0.get()));
    }
}

fn counter(value: f64) -> proto::Counter {
    let mut counter = proto::Counter::default();
    counter.set_value(value);
    counter
}

impl Series for Level {
    const KIND: MetricType = MetricType::GAUGE;

    fn make(_: &'static [f64]) -> Self {
        Self::default()
    }

    fn tell(&self, metric: &mut Metric) {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(self.0.get());
        metric.set_gauge(gauge);
    }
}

impl Series for Histogram {
    const KIND: MetricType = MetricType::HISTOGRAM;

    fn make(bounds: &'static [f64]) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self(Arc::new(Cells { bounds, sum: Float::default(), counts }))
    }

    fn tell(&self, metric: &mut Metric) {
        let Cells { bounds, sum, counts } = &*self.0;
        // Before the counts, so that it holds nothing that they do not.
        let sum = sum.get();
        let mut below = 0;
        let mut up_to = |count: &AtomicU64| {
            below += count.load(Relaxed);
            below
        };
        let bucket = |(bound, count): (&f64, &AtomicU64)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(up_to(count));
            bucket
        };
        let buckets: Vec<_> = bounds.iter().zip(counts).map(bucket).collect();
        let all = counts.get(bounds.len()).map_or(0, up_to);
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(all);
        histogram.set_sample_sum(sum);
        metric.set_histogram(histogram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[f64] = &[0.5, 1.0, 2.0];

    fn told(series: &impl Series) -> Metric {
        let mut metric = Metric::default();
        series.tell(&mut metric);
        metric
    }

    #[test]
    fn an_observation_lies_in_the_first_bucket_whose_bound_is_not_below_it() {
        let histogram = Histogram::make(BOUNDS);
        for value in [0.1, 0.5, 0.6, 1.0, 2.5, f64::NAN] {
            histogram.clone().observe(value);
        }
        let metric = told(&histogram);
        let told = metric.get_histogram();
        let counts: Vec<u64> = told.get_bucket().iter().map(|bucket| bucket.cumulative_count()).collect();
        assert_eq!(counts, [2, 4, 4]);
        assert_eq!(told.get_sample_count(), 6);
        assert!(told.get_sample_sum().is_nan());
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let (count, sum, level) = (Count::default(), Sum::default(), Level::default());
        let histogram = Histogram::make(BOUNDS);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        count.inc();
                        sum.inc_by(0.5);
                        level.inc();
                        level.inc();
                        level.dec();
                        histogram.observe(1.5);
                    }
                });
            }
        });
        assert_eq!(told(&count).get_counter().get_value(), 40_000.0);
        assert_eq!(told(&sum).get_counter().get_value(), 20_000.0);
        assert_eq!(told(&level).get_gauge().get_value(), 40_000.0);
        assert_eq!(told(&histogram).get_histogram().get_sample_count(), 40_000);
        assert_eq!(told(&histogram).get_histogram().get_sample_sum(), 60_000.0);
    }

    #[test]
    fn what_a_call_counts_is_small() {
        assert_eq!(size_of::<Histogram>(), size_of::<usize>());
        assert!(size_of::<Cells>() <= 3 * 64, "{} bytes", size_of::<Cells>());
    }
}
