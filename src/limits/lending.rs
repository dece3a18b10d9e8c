//! What a counter lends to the threads that count at it.
//!
//! What several threads count in one place goes to and fro between them, and each waits for it. So a counter that is far
//! from its limits lends each thread some room, and takes for used what it has lent. Nobody is refused before all of it
//! was taken back, and near a limit nothing is lent: the limits are as exact as without.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Threads beyond these count with all others.
const MOST_PARTS: usize = 64;

/// What one thread was lent, and what became of it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Part<O>(Mutex<O>);

/// Who has parts of a counter, by the threads' numbers.
#[derive(Debug, Default)]
pub(super) struct Parts<O, L> {
    list: Vec<(usize, Arc<Part<O>>)>,
    /// What is lent to all of them together.
    pub(super) lent: L,
}

impl<O> Part<O> {
    pub(super) fn own(&self) -> MutexGuard<'_, O> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Default, L> Parts<O, L> {
    /// The part of the thread of this number; `None` if there are as many as there may be.
    pub(super) fn of(&mut self, thread: usize) -> Option<Arc<Part<O>>> {
        if let Some((_, part)) = self.list.iter().find(|(number, _)| *number == thread) {
            return Some(Arc::clone(part));
        }
        if self.list.len() >= MOST_PARTS {
            return None;
        }
        let part = Arc::<Part<O>>::default();
        self.list.push((thread, Arc::clone(&part)));
        Some(part)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Part<O>> {
        self.list.iter().map(|(_, part)| &**part)
    }
}
