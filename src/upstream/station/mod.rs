//! What a server near the gateway tells of itself: which models it has, which of them are in memory, how busy it is.
//!
//! The data plane reads what was told last and never asks. Asking is in `watch`: nobody is asked whose answers
//! nobody needs, and what grows old without a new answer is forgotten, so that a reader needs no clock.

mod watch;

use crate::providers::local::{Load, LocalServer};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

pub(super) use watch::{EVERY, ask_all, from_root};
pub use watch::{Watched, refresh_lists};

/// How long the last list of models is shown of a server that gives no new one.
pub const LIST_LASTS: Duration = Duration::from_secs(600);
/// How long what is in memory, or how busy a server is, is believed.
const NEWS_LAST: Duration = Duration::from_secs(10);

/// Nothing is known of how busy it is.
const UNKNOWN: u64 = u64::MAX;
/// A cache is never taken for fuller than this, in percent.
const FULLEST: u64 = 95;

/// What one server told last.
#[derive(Debug)]
pub struct Station {
    /// Its kind; `None` for one that only lists its models.
    pub kind: Option<LocalServer>,
    loaded: ArcSwapOption<Vec<String>>,
    listed: ArcSwapOption<Vec<String>>,
    /// Requests of others there and the fullness of its cache in percent, as `requests << 8 | percent`.
    load: AtomicU64,
    /// When it told what, for those who ask it.
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    news: Option<Instant>,
    list: Option<Instant>,
    list_asked: Option<Instant>,
}

impl Station {
    /// A server that has told nothing.
    #[must_use]
    pub fn new(kind: Option<LocalServer>) -> Self {
        Self {
            kind,
            loaded: ArcSwapOption::empty(),
            listed: ArcSwapOption::empty(),
            load: AtomicU64::new(UNKNOWN),
            told: Mutex::default(),
        }
    }

    /// Whether the model is in memory there; `None` if that is not known.
    #[must_use]
    pub fn has_loaded(&self, model: &str) -> Option<bool> {
        let loaded = self.loaded.load();
        let model = self.kind.map_or(model, |kind| kind.plain(model));
        loaded.as_ref().map(|names| names.iter().any(|name| name == model))
    }

    /// The models that it has, as it names them; `None` if that is not known.
    #[must_use]
    pub fn models(&self) -> Option<Arc<Vec<String>>> {
        self.listed.load_full()
    }

    /// How busy it is with so many calls of ours under way: those and what others sent there, each the heavier the
    /// fuller its cache is.
    #[must_use]
    pub fn busy(&self, own: u64) -> u64 {
        match self.load.load(Ordering::Relaxed) {
            UNKNOWN => own,
            packed => {
                let (others, percent) = (packed >> 8, (packed & 0xFF).min(FULLEST));
                own.saturating_add(others).saturating_mul(100) / (100 - percent)
            }
        }
    }

    /// What the server said while so many calls of ours were under way there.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
    fn note_load(&self, load: Load, own: u64) {
        let others = load.requests.saturating_sub(own).min(u64::from(u32::MAX));
        let percent = (load.kv_cache.clamp(0.0, 1.0) * 100.0) as u64;
        self.load.store(others << 8 | percent, Ordering::Relaxed);
    }

    fn forget_news(&self) {
        self.loaded.store(None);
        self.load.store(UNKNOWN, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_counts_for_more_than_its_calls_of_ours() {
        let station = Station::new(Some(LocalServer::Vllm));
        assert_eq!(station.busy(3), 3, "nothing is known");
        station.note_load(Load { requests: 10, kv_cache: 0.0 }, 3);
        assert_eq!((station.busy(3), station.busy(5)), (10, 12), "ours are not counted twice");
        station.note_load(Load { requests: 10, kv_cache: 0.5 }, 3);
        assert_eq!(station.busy(3), 20);
        station.note_load(Load { requests: u64::MAX, kv_cache: 1.0 }, 0);
        assert!(station.busy(u64::MAX) > station.busy(0));
        station.forget_news();
        assert_eq!(station.busy(3), 3);
    }

    #[test]
    fn what_is_loaded_is_known_by_the_servers_names() {
        let station = Station::new(Some(LocalServer::Ollama));
        assert_eq!(station.has_loaded("llama2"), None);
        station.loaded.store(Some(Arc::new(vec!["llama2".to_owned()])));
        assert_eq!(
            (station.has_loaded("llama2:latest"), station.has_loaded("else")),
            (Some(true), Some(false))
        );
    }
}
