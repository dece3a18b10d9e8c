//! Numbers of threads, for what each of them keeps by itself; and which of them go first.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads beyond so many share their places with others.
pub(super) const THREADS: usize = 64;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Lets threads that serve calls go before this one: what it does may come a little later. Where the system does not
/// allow it, it stays as it is.
pub fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), BEHIND) {
        log::debug!("this thread keeps its priority: {error}");
    }
}

/// A nice value: a third of a share, which is more than such threads need.
const BEHIND: i32 = 5;

/// This thread's number, below [`THREADS`].
pub(super) fn this() -> usize {
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % THREADS);
        }
        number.get()
    })
}
