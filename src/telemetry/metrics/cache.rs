//! Resolved series by what picks them, so that a finished call pays one look-up and no label hashing.

use super::call::Key;
use super::tally::Tally;
use crate::domain::TargetId;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

const SHARDS: usize = 16;

struct Entry<S, T> {
    target: Option<TargetId>,
    /// What was asked for, where and by whom: one after the other, because each allocation is a cache miss.
    words: Box<str>,
    shape: S,
    value: T,
}

/// By the hash of the whole key, which is computed outside the lock and from borrowed parts.
type Shard<S, V> = RwLock<HashMap<u64, Vec<Entry<S, Arc<V>>>>>;

/// A bounded map from [`Key`]s to resolved series. When full it stops remembering and still answers.
pub(super) struct Cache<S, V> {
    shards: [Shard<S, V>; SHARDS],
    hasher: RandomState,
    len: AtomicUsize,
    limit: usize,
}

impl<S: Copy + Eq + Hash, V> Cache<S, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            hasher: RandomState::default(),
            len: AtomicUsize::new(0),
            limit,
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
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        let entries = shard.entry(hash).or_default();
        if let Some(value) = find(Some(entries), key) {
            return value;
        }
        entries.push(Entry::new(key, Arc::clone(&value)));
        self.len.fetch_add(1, Ordering::Relaxed);
        value
    }
}

/// The same for one thread, with values of its own.
pub(super) struct Own<S, V> {
    entries: HashMap<u64, Vec<Entry<S, V>>>,
    len: usize,
    hasher: RandomState,
}

impl<S, V> Default for Own<S, V> {
    fn default() -> Self {
        Self { entries: HashMap::default(), len: 0, hasher: RandomState::default() }
    }
}

impl<S: Copy + Eq + Hash, V: Tally> Own<S, V> {
    /// Uses the value of a key, which is made at its first use and kept while there are fewer than `most`; false if it is
    /// not kept, and so told at once.
    pub(super) fn with(
        &mut self,
        key: &Key<'_, S>,
        most: usize,
        make: impl FnOnce() -> V,
        using: impl Fn(&V),
    ) -> bool {
        let hash = self.hasher.hash_one(key);
        let known = self.entries.get(&hash).and_then(|entries| entries.iter().find(|entry| entry.is(key)));
        if let Some(entry) = known {
            using(&entry.value);
            return true;
        }
        let value = make();
        using(&value);
        if self.len >= most {
            value.tell();
            return false;
        }
        self.len += 1;
        self.entries.entry(hash).or_default().push(Entry::new(key, value));
        true
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().flatten().map(|entry| &entry.value)
    }
}

fn find<S: Copy + Eq, V>(entries: Option<&Vec<Entry<S, Arc<V>>>>, key: &Key<'_, S>) -> Option<Arc<V>> {
    entries?.iter().find(|entry| entry.is(key)).map(|entry| Arc::clone(&entry.value))
}

impl<S: Copy + Eq, T> Entry<S, T> {
    fn new(key: &Key<'_, S>, value: T) -> Self {
        Self {
            target: key.target.cloned(),
            words: words(key).flat_map(|word| [word, END]).collect::<String>().into_boxed_str(),
            shape: key.shape,
            value,
        }
    }

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
