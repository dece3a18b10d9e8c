//! The one place where the present snapshot is held.

use super::{Snapshot, Standing};
use arc_swap::ArcSwap;
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Shared by all data-plane threads; loading costs no lock.
pub struct RuntimeHandle(ArcSwap<Snapshot>);

/// A snapshot, for the whole life of a request.
#[derive(Clone)]
pub struct Present(Arc<Held>);

struct Held {
    snapshot: Arc<Snapshot>,
    bare: OnceLock<Standing>,
}

impl Present {
    fn of(snapshot: Arc<Snapshot>) -> Self {
        Self(Arc::new(Held { snapshot, bare: OnceLock::new() }))
    }

    /// Somebody without a row: the master key, or anybody when there is none.
    #[must_use]
    pub fn bare(&self) -> Standing {
        let make = || Standing::bare(self.verifier.bare_hash(), &self.house.bare);
        self.0.bare.get_or_init(make).clone()
    }
}

impl Deref for Present {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0.snapshot
    }
}

thread_local! {
    static HERE: RefCell<Option<Present>> = const { RefCell::new(None) };
}

impl RuntimeHandle {
    /// Starts with this snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// The present snapshot.
    #[must_use]
    pub fn load(&self) -> Present {
        Present::of(self.0.load_full())
    }

    /// The same for a thread that asks often, and keeps what it had until it asks again: its requests share a count of
    /// their own, for which no other thread has to be waited.
    #[must_use]
    pub fn load_here(&self) -> Present {
        let present = self.0.load();
        HERE.with_borrow_mut(|here| match here {
            Some(here) if Arc::ptr_eq(&here.0.snapshot, &present) => here.clone(),
            _ => here.insert(Present::of(Arc::clone(&present))).clone(),
        })
    }

    /// Puts a new snapshot in; requests under way keep theirs.
    pub fn swap(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }
}
