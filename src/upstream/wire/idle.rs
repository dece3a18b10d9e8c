//! Idle connections of one thread.

use crate::upstream::Route;
use crate::upstream::endpoint::IDLE;
use pingora::protocols::Stream;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};

/// How often connections are looked for that their upstreams have closed, or that were idle for too long.
const SWEEP: Duration = Duration::from_secs(5);

struct Kept {
    stream: Stream,
    since: Instant,
}

#[derive(Default)]
struct Shelf {
    /// The latest last.
    kept: HashMap<Route, Vec<Kept>, foldhash::fast::FixedState>,
    count: usize,
    /// Whether somebody sweeps.
    is_swept: bool,
}

/// A bounded number of connections.
pub(super) struct Idle {
    /// Of one thread, so nobody waits for it.
    shelf: Mutex<Shelf>,
    most: usize,
}

impl Idle {
    pub(super) fn new(most: usize) -> Self {
        Self { shelf: Mutex::default(), most }
    }

    /// The latest that is still open.
    pub(super) fn take(&self, route: &Route) -> Option<Stream> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = &mut *shelf;
        let same = shelf.kept.get_mut(route)?;
        while let Some(mut kept) = same.pop() {
            shelf.count -= 1;
            if kept.is_open() {
                return Some(kept.stream);
            }
        }
        None
    }

    /// Keeps one more; where there are too many already, it is closed.
    pub(super) fn keep(self: &Arc<Self>, route: Route, stream: Stream) {
        let kept = Kept { stream, since: Instant::now() };
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.count >= self.most {
            return;
        }
        shelf.count += 1;
        shelf.kept.entry(route).or_default().push(kept);
        if !std::mem::replace(&mut shelf.is_swept, true) {
            drop(tokio::spawn(sweep(Arc::downgrade(self))));
        }
    }

    /// Closes what is of no more use; false when nothing is left.
    fn sweep(&self) -> bool {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.kept.retain(|_, same| {
            same.retain_mut(Kept::is_open);
            !same.is_empty()
        });
        shelf.count = shelf.kept.values().map(Vec::len).sum();
        shelf.is_swept = shelf.count > 0;
        shelf.is_swept
    }
}

async fn sweep(idle: std::sync::Weak<Idle>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        if !idle.upgrade().is_some_and(|idle| idle.sweep()) {
            return;
        }
    }
}

impl Kept {
    /// Whether it has rested no longer than it may, and nothing came: an upstream that speaks unasked has closed, or
    /// answers a call that is over.
    fn is_open(&mut self) -> bool {
        if self.since.elapsed() > IDLE {
            return false;
        }
        let mut byte = [0; 1];
        let mut context = Context::from_waker(Waker::noop());
        // Costs no system call while the runtime has heard of nothing.
        let read = Pin::new(&mut self.stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte));
        matches!(read, Poll::Pending)
    }
}
