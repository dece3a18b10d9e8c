//! Resolved series by what picks them, so that a finished call pays one look-up and no label hashing.

use super::call::Key;
use crate::domain::TargetId;
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

const SHARDS: usize = 16;

struct Entry<S, V> {
    target: Option<TargetId>,
    /// What was asked for, where and by whom: one after the other, because each allocation is a cache miss, and held
    /// once for all deployments, whose calls then meet them in the cache.
    words: Arc<str>,
    shape: S,
    value: Arc<V>,
}

/// By the hash of the whole key, which is computed outside the lock and from borrowed parts.
type Shard<S, V> = RwLock<HashMap<u64, SmallVec<[Entry<S, V>; 1]>>>;

/// A bounded map from [`Key`]s to resolved series. When full it stops remembering and still answers.
pub(super) struct Cache<S, V> {
    shards: [Shard<S, V>; SHARDS],
    hasher: RandomState,
    len: AtomicUsize,
    limit: usize,
    words: Mutex<HashSet<Arc<str>>>,
}

impl<S: Copy + Eq + Hash, V> Cache<S, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            hasher: RandomState::default(),
            len: AtomicUsize::new(0),
            limit,
            words: Mutex::default(),
        }
    }

    /// What `key` was resolved to, or is resolved to now.
    pub(super) fn get(&self, key: &Key<'_, S>, resolve: impl FnOnce() -> V) -> Arc<V> {
        let hash = self.hasher.hash_one(key);
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of shards")]
        let shard = &self.shards[(hash % SHARDS as u64) as usize];
        let known = shard.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = find(known.get(&hash), key) {
            return value;
        }
        drop(known);
        // Resolving takes the families' locks, so it is done under none of ours; two threads may both do
        // it and get the same series.
        let value = Arc::new(resolve());
        if self.len.load(Ordering::Relaxed) >= self.limit {
            return value;
        }
        let words = self.words(key);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        let entries = shard.entry(hash).or_default();
        if let Some(value) = find(Some(entries), key) {
            return value;
        }
        entries.push(Entry {
            target: key.target.cloned(),
            words,
            shape: key.shape,
            value: Arc::clone(&value),
        });
        self.len.fetch_add(1, Ordering::Relaxed);
        value
    }

    fn words(&self, key: &Key<'_, S>) -> Arc<str> {
        let words: String = words(key).flat_map(|word| [word, END]).collect();
        let mut known = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.get(words.as_str()) {
            return Arc::clone(same);
        }
        let words: Arc<str> = Arc::from(words);
        known.insert(Arc::clone(&words));
        words
    }
}

fn find<S: Copy + Eq, V>(entries: Option<&SmallVec<[Entry<S, V>; 1]>>, key: &Key<'_, S>) -> Option<Arc<V>> {
    entries?.iter().find(|entry| entry.is(key)).map(|entry| Arc::clone(&entry.value))
}

impl<S: Copy + Eq, V> Entry<S, V> {
    fn is(&self, key: &Key<'_, S>) -> bool {
        self.shape == key.shape && self.target.as_ref() == key.target && self.says(words(key))
    }

    fn says<'a>(&self, mut words: impl Iterator<Item = &'a str>) -> bool {
        let rest = words.try_fold(&*self.words, |rest, word| rest.strip_prefix(word)?.strip_prefix(END));
        rest == Some("")
    }
}

/// Ends each word.
const END: &str = "\n";

fn words<'a, S>(key: &Key<'a, S>) -> impl Iterator<Item = &'a str> {
    [key.requested, key.route].into_iter().chain(key.who)
}
