//! All counters of the process. Callers keep what they get with their facts: this is asked when facts are made,
//! not on each request.

use super::{Account, Sharing, Window};
use crate::domain::CounterId;
use ahash::RandomState;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One for each value of a byte of the hash.
const SHARDS: usize = 256;
/// How long a counter is kept that nobody uses, in milliseconds.
const IDLE: i64 = 600_000;

/// The registry of counters: accounts by scope, id and slot; windows by scope, id and model (empty for all).
///
/// Above its bound it drops what was used longest ago. What is in use is never dropped: a second counter of the same
/// name would let too much through. So the bound holds as far as callers bound what they keep.
#[derive(Debug)]
pub struct Meters {
    accounts: Registry<Account>,
    windows: Registry<Window>,
    window_length: i64,
    sharing: Option<Arc<Sharing>>,
}

impl Meters {
    /// Room for about `most` accounts and as many windows, of `window_length` milliseconds each.
    #[must_use]
    pub fn new(window_length: i64, most: usize) -> Self {
        Self { accounts: Registry::new(most), windows: Registry::new(most), window_length, sharing: None }
    }

    /// Shares all of them with other processes.
    #[must_use]
    pub fn shared(mut self, sharing: Arc<Sharing>) -> Self {
        self.sharing = Some(sharing);
        self
    }

    /// The account of that name. `now` is in unix milliseconds.
    #[must_use]
    pub fn account(&self, id: &CounterId, now: i64) -> Arc<Account> {
        self.accounts.get(id, now, || {
            let account = Account::new(id.clone(), now);
            self.sharing.iter().fold(account, |account, sharing| account.shared(Arc::clone(sharing)))
        })
    }

    /// The window of that name, whose slot is a model or empty. `now` is in unix milliseconds.
    #[must_use]
    pub fn window(&self, id: &CounterId, now: i64) -> Arc<Window> {
        self.windows.get(id, now, || {
            let window = Window::new(self.window_length, now);
            self.sharing.iter().fold(window, |window, sharing| window.shared(id.clone(), Arc::clone(sharing)))
        })
    }

    /// The account of that name, if there is one: to tell it what was written.
    #[must_use]
    pub fn find_account(&self, id: &CounterId) -> Option<Arc<Account>> {
        self.accounts.shard(id).kept.get(id).cloned()
    }

    /// The window of that name, if there is one: to tell others of it.
    #[must_use]
    pub fn find_window(&self, id: &CounterId) -> Option<Arc<Window>> {
        self.windows.shard(id).kept.get(id).cloned()
    }

    /// Drops what nobody keeps, what has nothing to remember, and what was not used for ten minutes; how many. `now`
    /// is in unix milliseconds.
    pub fn prune(&self, now: i64) -> usize {
        self.accounts.prune(now) + self.windows.prune(now)
    }

    /// How many counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len() + self.windows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a registry can keep.
trait Counter {
    /// When it was last used, in unix milliseconds, and whether it has nothing to remember; `None` if it cannot be
    /// dropped.
    fn rest(&self, now: i64) -> Option<(i64, bool)>;
}

impl Counter for Account {
    fn rest(&self, _: i64) -> Option<(i64, bool)> {
        Self::rest(self).map(|used_at| (used_at, true))
    }
}

impl Counter for Window {
    fn rest(&self, now: i64) -> Option<(i64, bool)> {
        Self::rest(self, now)
    }
}

#[derive(Debug)]
struct Registry<T> {
    hasher: RandomState,
    shards: Box<[Mutex<Shard<T>>]>,
}

#[derive(Debug)]
struct Shard<T> {
    kept: HashMap<CounterId, Arc<T>, RandomState>,
    most: usize,
    /// Room is made when it holds this many.
    sweep_at: usize,
}

impl<T: Counter> Registry<T> {
    fn new(most: usize) -> Self {
        let most = most.div_ceil(SHARDS).max(1);
        let shard = || Shard { kept: HashMap::default(), most, sweep_at: most };
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect() }
    }

    fn shard(&self, id: &CounterId) -> MutexGuard<'_, Shard<T>> {
        let [.., byte] = self.hasher.hash_one(id).to_le_bytes();
        lock(&self.shards[usize::from(byte)])
    }

    fn get(&self, id: &CounterId, now: i64, make: impl FnOnce() -> T) -> Arc<T> {
        let mut shard = self.shard(id);
        if let Some(kept) = shard.kept.get(id) {
            return Arc::clone(kept);
        }
        if shard.kept.len() >= shard.sweep_at {
            shard.make_room(now);
        }
        let made = Arc::new(make());
        shard.kept.insert(id.clone(), Arc::clone(&made));
        made
    }

    fn prune(&self, now: i64) -> usize {
        let idle = |(used_at, nothing): (i64, bool)| nothing && now.saturating_sub(used_at) >= IDLE;
        self.shards.iter().map(|shard| lock(shard).drop_if(usize::MAX, now, idle)).sum()
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).kept.len()).sum()
    }
}

impl<T: Counter> Shard<T> {
    /// Drops the eighth that was used longest ago, those first that have nothing to remember.
    fn make_room(&mut self, now: i64) {
        let resting = self.kept.values().filter(|kept| Arc::strong_count(kept) == 1);
        let mut ages: Vec<_> =
            resting.filter_map(|kept| kept.rest(now)).map(|(used_at, nothing)| (!nothing, used_at)).collect();
        let excess = (self.kept.len() + 1).saturating_sub(self.most).max(self.most / 8 + 1).min(ages.len());
        let Some(last) = excess.checked_sub(1) else {
            self.set_sweep();
            return;
        };
        let limit = *ages.select_nth_unstable(last).1;
        self.drop_if(excess, now, |(used_at, nothing)| (!nothing, used_at) <= limit);
    }

    /// Where nothing could be dropped, the next try waits for some more, so that not every insertion looks at all.
    fn set_sweep(&mut self) {
        let kept = self.kept.len();
        self.sweep_at = if kept < self.most { self.most } else { kept + self.most / 8 + 1 };
    }

    /// Drops at most `count` of those that nobody keeps and that `fits`; how many.
    fn drop_if(&mut self, count: usize, now: i64, fits: impl Fn((i64, bool)) -> bool) -> usize {
        let before = self.kept.len();
        let mut left = count;
        self.kept.retain(|_, kept| {
            let goes = left > 0 && Arc::strong_count(kept) == 1 && kept.rest(now).is_some_and(&fits);
            left -= usize::from(goes);
            !goes
        });
        if self.kept.capacity() > 4 * self.kept.len() + 64 {
            self.kept.shrink_to_fit();
        }
        self.set_sweep();
        before - self.kept.len()
    }
}

fn lock<T>(shard: &Mutex<Shard<T>>) -> MutexGuard<'_, Shard<T>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
