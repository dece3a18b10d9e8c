//! Figures, the table and the JSON.

use crate::scenario::Scenario;
use serde_json::{Value, json};

/// What one target showed in one scenario; medians over the rounds.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub target: &'static str,
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
    /// What is compared: memory where it is measured, else CPU.
    pub fn cost(&self) -> f64 {
        median(if self.bytes_per_unit.is_empty() { &self.cpu_us } else { &self.bytes_per_unit })
    }

    fn json(&self, yardstick: f64) -> Value {
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
            "ratio": ratio(self.cost(), yardstick),
        })
    }
}

impl Row {
    fn yardstick(&self) -> f64 {
        self.targets.first().map_or(0.0, Figures::cost)
    }

    pub fn json(&self) -> Value {
        let targets = self.targets.iter().map(|figures| figures.json(self.yardstick()));
        json!({
            "scenario": self.scenario.name,
            "unit": self.scenario.unit(),
            "budget": self.scenario.budget,
            "direct": self.direct.json(0.0),
            "targets": targets.collect::<Vec<_>>(),
        })
    }

    /// Prints one line for each target.
    pub fn print(&self) {
        for (index, figures) in self.targets.iter().enumerate() {
            let added = |of: &[f64], floor: &[f64]| format!("{:+.0}", median(of) - median(floor));
            let (cost, p50, p99) = if figures.bytes_per_unit.is_empty() {
                let p50 = added(&figures.p50_us, &self.direct.p50_us);
                let p99 = added(&figures.p99_us, &self.direct.p99_us);
                (format!("{:.2} us", figures.cost()), p50, p99)
            } else {
                (format!("{:.1} KB", figures.cost() / 1024.0), String::new(), String::new())
            };
            println!(
                "{:<18} {:<9} {:>11}/{:<11} {:>6.2} {:>9.0} {p50:>8} {p99:>8} {:>7.1} {:>7.1}",
                if index == 0 { self.scenario.name } else { "" },
                figures.target,
                cost,
                self.scenario.unit(),
                ratio(figures.cost(), self.yardstick()),
                median(&figures.per_second),
                megabytes(figures.resident),
                megabytes(figures.peak),
            );
        }
    }

    /// What is over its budget, in words.
    pub fn overruns(&self) -> Vec<String> {
        let Some(budget) = self.scenario.budget else { return Vec::new() };
        let over = |figures: &&Figures| ratio(figures.cost(), self.yardstick()) > budget;
        let measured = self.targets.iter().skip(1).filter(|figures| figures.target != "nginx");
        measured
            .filter(over)
            .map(|figures| {
                let ratio = ratio(figures.cost(), self.yardstick());
                format!("{} {}: {ratio:.2}, allowed {budget:.2}", self.scenario.name, figures.target)
            })
            .collect()
    }
}

/// The heading of the table.
pub fn print_heading() {
    println!(
        "{:<18} {:<9} {:>11} {:<11} {:>6} {:>9} {:>8} {:>8} {:>7} {:>7}",
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

fn ratio(cost: f64, yardstick: f64) -> f64 {
    if yardstick > 0.0 { cost / yardstick } else { 0.0 }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn median(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
