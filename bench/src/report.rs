//! Figures, the table and the JSON.

use crate::scenario::{IDLE, Load, MORE_PER_STREAM, PER_KEYED_REQUEST, Scenario};
use crate::target::Target;
use serde_json::{Value, json};

/// What one target showed in one scenario; medians over the rounds.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub target: &'static str,
    /// Whether it is asked with a virtual key.
    pub keyed: bool,
    /// CPU microseconds per unit, one for each round.
    pub cpu_us: Vec<f64>,
    pub per_second: Vec<f64>,
    pub p50_us: Vec<f64>,
    pub p99_us: Vec<f64>,
    /// Bytes per open stream, for scenarios that measure memory.
    pub bytes_per_unit: Vec<f64>,
    pub idle_bytes: Vec<f64>,
    pub resident: u64,
    pub peak: u64,
}

/// A row of the table: one scenario, several targets; the first is the yardstick.
#[derive(Debug)]
pub struct Row {
    pub scenario: Scenario,
    pub direct: Figures,
    pub targets: Vec<Figures>,
}

impl Figures {
    /// What is compared, round by round: memory where it is measured, else CPU.
    fn costs(&self) -> &[f64] {
        if self.bytes_per_unit.is_empty() { &self.cpu_us } else { &self.bytes_per_unit }
    }

    /// The median of the ratios of the rounds: neighbours in time are compared, so that drift cancels.
    fn ratio(&self, yardstick: &Self) -> f64 {
        let pairs = self.costs().iter().zip(yardstick.costs());
        median(&pairs.map(|(cost, yardstick)| cost / yardstick).collect::<Vec<_>>())
    }

    fn json(&self, yardstick: &Self) -> Value {
        json!({
            "target": self.target,
            "cpu_us": median(&self.cpu_us),
            "cpu_us_rounds": self.cpu_us,
            "per_second": median(&self.per_second),
            "p50_us": median(&self.p50_us),
            "p99_us": median(&self.p99_us),
            "bytes_per_unit": median(&self.bytes_per_unit),
            "idle_bytes": median(&self.idle_bytes),
            "resident": self.resident,
            "peak": self.peak,
            "ratio": self.ratio(yardstick),
        })
    }
}

impl Row {
    /// All figures.
    pub fn json(&self) -> Value {
        let targets = self.targets.iter().map(|figures| figures.json(&self.targets[0]));
        json!({
            "scenario": self.scenario.name,
            "unit": self.scenario.unit(),
            "budget": self.scenario.budget,
            "direct_p50_us": median(&self.direct.p50_us),
            "direct_p99_us": median(&self.direct.p99_us),
            "targets": targets.collect::<Vec<_>>(),
        })
    }

    /// Prints one line for each target.
    pub fn print(&self) {
        for (index, figures) in self.targets.iter().enumerate() {
            let added = |of: &[f64], floor: &[f64]| match self.scenario.latency() {
                true => format!("{:+.0}", median(of) - median(floor)),
                false => String::new(),
            };
            let cost = match self.scenario.load {
                Load::Held { .. } => format!("{:.1} KB", median(figures.costs()) / 1024.0),
                _ => format!("{:.2} us", median(figures.costs())),
            };
            println!(
                "{:<18} {:<11} {:>11}/{:<11} {:>6.2} {:>9.0} {:>8} {:>8} {:>7.1} {:>7.1}",
                if index == 0 { self.scenario.name } else { "" },
                figures.target,
                cost,
                self.scenario.unit(),
                figures.ratio(&self.targets[0]),
                median(&figures.per_second),
                added(&figures.p50_us, &self.direct.p50_us),
                added(&figures.p99_us, &self.direct.p99_us),
                megabytes(figures.resident),
                megabytes(figures.peak),
            );
        }
    }

    /// What is over its budget, in words.
    pub fn overruns(&self) -> Vec<String> {
        match self.scenario.load {
            Load::Held { .. } => self.memory_overruns(),
            _ => self.cost_overruns(),
        }
    }

    /// Memory before the first stream, and of each stream above the yardstick's.
    fn memory_overruns(&self) -> Vec<String> {
        let Some((yardstick, others)) = self.targets.split_first() else { return Vec::new() };
        let allowed = median(&yardstick.bytes_per_unit) + MORE_PER_STREAM;
        let gateways = others.iter().filter(|figures| figures.target == Target::Tollgate.name());
        gateways
            .flat_map(|figures| {
                let name = format!("{} {}", self.scenario.name, figures.target);
                let (idle, each) = (median(&figures.idle_bytes), median(&figures.bytes_per_unit));
                let idle = (idle > IDLE).then(|| {
                    let (idle, most) = (idle / MEGABYTE, IDLE / MEGABYTE);
                    format!("{name}: {idle:.1} MB when idle, allowed {most:.1}")
                });
                let each = (each > allowed).then(|| {
                    let (each, most) = (each / 1024.0, allowed / 1024.0);
                    format!("{name}: {each:.1} KB for each open stream, allowed {most:.1}")
                });
                idle.into_iter().chain(each)
            })
            .collect()
    }

    fn cost_overruns(&self) -> Vec<String> {
        let Some(budget) = self.scenario.budget else { return Vec::new() };
        let measured = self.targets.iter().skip(1).filter(|figures| figures.target != "nginx");
        let ratios = measured.map(|figures| {
            let allowed = if figures.keyed { PER_KEYED_REQUEST } else { budget };
            (figures.target, figures.ratio(&self.targets[0]), allowed)
        });
        ratios
            .filter(|(_, ratio, allowed)| ratio > allowed)
            .map(|(target, ratio, allowed)| {
                format!("{} {target}: {ratio:.2}, allowed {allowed:.2}", self.scenario.name)
            })
            .collect()
    }
}

/// The heading of the table.
pub fn print_heading() {
    println!(
        "{:<18} {:<11} {:>11} {:<11} {:>6} {:>9} {:>8} {:>8} {:>7} {:>7}",
        "scenario",
        "target",
        "cost per",
        "unit",
        "ratio",
        "units/s",
        "p50 +us",
        "p99 +us",
        "RSS MB",
        "HWM MB"
    );
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MEGABYTE
}

const MEGABYTE: f64 = 1024.0 * 1024.0;

fn median(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
