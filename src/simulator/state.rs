//! What the connections share: the script, the counters and the record of requests.

use super::Behaviour;
use super::http::Request;
use super::lane::{Lane, Turn, with_lane};
use super::script::Script;
use super::shelf::Shelf;
use super::words::MODEL_PREFIX;
use arc_swap::ArcSwap;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The headers, in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The key it carried.
    pub key: String,
    /// The body, as far as it is kept.
    pub body: Bytes,
    /// The length of the whole body.
    pub body_len: usize,
    /// Which connection carried it, counted from 0.
    pub connection: u64,
    /// When it was read in full.
    pub at: Instant,
    /// When its answer was sent in full.
    pub answered: Option<Instant>,
    /// When the client was found gone before its answer was sent in full.
    pub closed_early: Option<Instant>,
}

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<Seen>,
    /// The number of the first entry kept.
    first: u64,
}

#[derive(Debug)]
pub(super) struct State {
    script: ArcSwap<Script>,
    keys: Mutex<HashMap<String, Lane>>,
    models: Mutex<HashMap<String, Lane>>,
    log: Mutex<Log>,
    changed: Notify,
    /// Files and batches.
    pub(super) shelf: Shelf,
}

impl State {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script: ArcSwap::from_pointee(script),
            keys: Mutex::default(),
            models: Mutex::default(),
            log: Mutex::default(),
            changed: Notify::new(),
            shelf: Shelf::default(),
        }
    }

    pub(super) fn set(&self, script: Script) {
        self.script.store(Arc::new(script));
    }

    pub(super) fn script(&self) -> Arc<Script> {
        self.script.load_full()
    }

    /// Counts a request, in the lane of its model if the name steers, else of its key.
    pub(super) fn turn(&self, key: &str, model: &str, behaviour: &Behaviour) -> Turn {
        let turn = with_lane(&self.keys, key, |lane| lane.turn(behaviour));
        if model.starts_with(MODEL_PREFIX) {
            return with_lane(&self.models, model, |lane| lane.turn(behaviour));
        }
        turn
    }

    pub(super) fn counts_by_key(&self) -> HashMap<String, u64> {
        lock(&self.keys).iter().map(|(key, lane)| (key.clone(), lane.requests)).collect()
    }

    /// Keeps the request if the script says so; its number, to report its end.
    pub(super) fn record(&self, request: &Request, connection: u64) -> Option<u64> {
        let script = self.script.load();
        if script.record == 0 {
            return None;
        }
        let kept = script.record_body_bytes.min(request.body.len());
        let seen = Seen {
            method: request.method.clone(),
            path: request.path.clone(),
            headers: request.headers.clone(),
            key: request.key().to_owned(),
            body: Bytes::copy_from_slice(&request.body[..kept]),
            body_len: request.body.len(),
            connection,
            at: Instant::now(),
            answered: None,
            closed_early: None,
        };
        let mut log = lock(&self.log);
        while log.entries.len() >= script.record {
            log.entries.pop_front();
            log.first += 1;
        }
        log.entries.push_back(seen);
        let number = log.first + u64::try_from(log.entries.len()).unwrap_or(u64::MAX) - 1;
        drop(log);
        self.changed.notify_waiters();
        Some(number)
    }

    /// Changes the entry of a request that is still kept.
    pub(super) fn note(&self, number: Option<u64>, change: impl FnOnce(&mut Seen)) {
        let Some(number) = number else { return };
        let mut log = lock(&self.log);
        let index = number.checked_sub(log.first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| log.entries.get_mut(index)) {
            change(entry);
        }
        drop(log);
        self.changed.notify_waiters();
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        lock(&self.log).entries.iter().cloned().collect()
    }

    pub(super) async fn wait_until(&self, wanted: impl Fn(&[Seen]) -> bool) {
        loop {
            let changed = self.changed.notified();
            if wanted(lock(&self.log).entries.make_contiguous()) {
                return;
            }
            changed.await;
        }
    }
}

/// A thread that panicked leaves at worst one entry half noted, which harms no other.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
