//! A bounded memory of rows: what is there, what is not, and one fetch at a time for each.

use crate::store::StoreError;
use quick_cache::sync::Cache;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Fetches at one time; more wait, so that made-up keys cannot take all connections.
const FETCHES: usize = 8;
/// Names that do not exist, and how long that is believed.
const MOST_ABSENT: usize = 10_000;
const ABSENT_FOR: Duration = Duration::from_secs(5);

/// Rows of one kind.
pub(super) struct Shelf<K, V> {
    found: Cache<K, Arc<V>>,
    absent: Cache<K, Instant>,
    fetches: Semaphore,
    /// Moves at every change, so that a fetch that began before it is not believed.
    epoch: AtomicU64,
}

impl<K: Hash + Eq + Clone, V> Shelf<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            found: Cache::new(most),
            absent: Cache::new(MOST_ABSENT),
            fetches: Semaphore::new(FETCHES),
            epoch: AtomicU64::new(0),
        }
    }

    /// What is known: a row, that there is none, or nothing.
    pub(super) fn known(&self, key: &K) -> Option<Option<Arc<V>>> {
        if let Some(row) = self.found.get(key) {
            return Some(Some(row));
        }
        self.absent.get(key).filter(|at| at.elapsed() < ABSENT_FOR).map(|_| None)
    }

    /// Asks for a row; whoever else asks for it meanwhile waits for the same answer.
    pub(super) async fn fetch<F>(&self, key: &K, ask: impl Fn() -> F) -> Result<Option<Arc<V>>, StoreError>
    where
        F: Future<Output = Result<Option<V>, StoreError>>,
    {
        let fetched = self.found.get_or_insert_async(key, async {
            let _turn = self.fetches.acquire().await;
            // Another one may have found out meanwhile.
            if self.absent.get(key).is_some_and(|at| at.elapsed() < ABSENT_FOR) {
                return Err(Miss::Absent);
            }
            loop {
                let epoch = self.epoch.load(Ordering::Acquire);
                let row = ask().await.map_err(Miss::Failed)?;
                if self.epoch.load(Ordering::Acquire) == epoch {
                    return row.map(Arc::new).ok_or(Miss::Absent);
                }
            }
        });
        match fetched.await {
            Ok(row) => Ok(Some(row)),
            Err(Miss::Absent) => {
                self.absent.insert(key.clone(), Instant::now());
                Ok(None)
            }
            Err(Miss::Failed(error)) => Err(error),
        }
    }

    /// All rows that are there.
    pub(super) fn all(&self) -> impl Iterator<Item = Arc<V>> {
        self.found.iter().map(|(_, row)| row)
    }

    pub(super) fn forget(&self, key: &K) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.found.remove(key);
        self.absent.remove(key);
    }

    /// Forgets the rows that `is` true of, looking at all of them.
    pub(super) fn forget_where(&self, is: impl Fn(&V) -> bool) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.found.retain(|_, row| !is(row));
    }

    pub(super) fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.found.clear();
        self.absent.clear();
    }
}

enum Miss {
    Absent,
    Failed(StoreError),
}
