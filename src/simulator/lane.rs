//! Requests of one key or model, and their limit.

use super::Behaviour;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the counters say about one request.
pub(super) struct Turn {
    /// Its number within the key or steering model, from 1.
    pub(super) ordinal: u64,
    /// What the rate limit says, if there is one.
    pub(super) limit: Option<Limit>,
}

/// A rate limit as the answer's headers tell it.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) of: u64,
    pub(super) remaining: u64,
    pub(super) reset: Duration,
    pub(super) exceeded: bool,
}

/// What is counted of one key or model.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) requests: u64,
    window: Option<(Instant, u64)>,
}

impl Lane {
    pub(super) fn turn(&mut self, behaviour: &Behaviour) -> Turn {
        self.requests += 1;
        let limit = behaviour.requests_per_window.map(|of| self.limit(of, behaviour.window));
        Turn { ordinal: self.requests, limit }
    }

    fn limit(&mut self, of: u64, length: Duration) -> Limit {
        let now = Instant::now();
        let (start, used) =
            self.window.filter(|(start, _)| now.duration_since(*start) < length).unwrap_or((now, 0));
        let exceeded = used >= of;
        let used = if exceeded { used } else { used + 1 };
        self.window = Some((start, used));
        let reset = length.saturating_sub(now.duration_since(start));
        Limit { of, remaining: of.saturating_sub(used), reset, exceeded }
    }
}

/// Counts in the lane of this name, which is made if it is new.
pub(super) fn with_lane(
    lanes: &Mutex<HashMap<String, Lane>>,
    name: &str,
    turn: impl FnOnce(&mut Lane) -> Turn,
) -> Turn {
    let mut lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lane) = lanes.get_mut(name) {
        return turn(lane);
    }
    turn(lanes.entry(name.to_owned()).or_default())
}
