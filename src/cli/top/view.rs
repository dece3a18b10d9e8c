//! What is on the screen: the looks of the last minutes, and the words for them.

use super::reading::{Rates, Reading};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Figures are of the last so many seconds, so that they do not jump.
const WINDOW: Duration = Duration::from_secs(15);
/// Looks that are kept; as many columns as the widest curve.
const KEPT: usize = 512;

/// All that a frame shows.
pub(super) struct View {
    pub(super) url: String,
    /// The readiness' word for the database.
    pub(super) database: Option<String>,
    /// Why the last look failed.
    pub(super) error: Option<String>,
    pub(super) reading: Option<Reading>,
    pub(super) rates: Rates,
    /// Calls a second, the newest last.
    pub(super) curve: VecDeque<f64>,
    /// Seconds since 1970.
    pub(super) now: f64,
    looks: VecDeque<Reading>,
}

/// One look, or why there is none.
pub(super) struct Look {
    pub(super) reading: Result<Reading, String>,
    pub(super) database: Option<String>,
    /// Seconds since 1970.
    pub(super) now: f64,
}

impl View {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            database: None,
            error: None,
            reading: None,
            rates: Rates::default(),
            curve: VecDeque::new(),
            now: 0.0,
            looks: VecDeque::new(),
        }
    }

    pub(super) fn take(&mut self, look: Look) {
        self.now = look.now;
        let reading = match look.reading {
            Ok(reading) => reading,
            Err(error) => {
                self.error = Some(error);
                return;
            }
        };
        self.error = None;
        self.database = look.database;
        if let Some(last) = self.looks.back() {
            if self.curve.len() == KEPT {
                self.curve.pop_front();
            }
            self.curve.push_back(reading.since(last).calls);
        }
        self.forget(reading.at);
        if let Some(first) = self.looks.front() {
            self.rates = reading.since(first);
        }
        self.looks.push_back(reading.clone());
        self.reading = Some(reading);
    }

    /// Keeps one look that is as old as the window.
    fn forget(&mut self, now: Instant) {
        while self.looks.get(1).is_some_and(|second| now - second.at >= WINDOW) {
            self.looks.pop_front();
        }
    }
}

/// `1.23M`: four places at most.
pub(super) fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    match value.abs() {
        v if v >= 100.0 || value == value.trunc() => format!("{value:.0}{unit}"),
        v if v >= 10.0 => format!("{value:.1}{unit}"),
        _ => format!("{value:.2}{unit}"),
    }
}

/// `45 ms`, `1.20 s`.
pub(super) fn span(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

/// `12 MB`.
pub(super) fn bytes(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.1} GB", v / 1e9),
        v if v >= 1e6 => format!("{:.0} MB", v / 1e6),
        v => format!("{:.0} kB", v / 1e3),
    }
}

/// `3d 4h`, `2h 5m`, `12m 3s`.
pub(super) fn age(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let s = seconds.max(0.0) as u64;
    match s {
        86_400.. => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
        3600.. => format!("{}h {}m", s / 3600, s % 3600 / 60),
        _ => format!("{}m {}s", s / 60, s % 60),
    }
}
