//! Idle connections of one thread.

use pingora::prelude::HttpPeer;
use pingora::protocols::Stream;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::upstreams::peer::Peer;
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
    /// The hash by which it is found covers it; two peers may still have the same.
    address: SocketAddr,
    since: Instant,
    lasts: Option<Duration>,
}

#[derive(Default)]
struct Shelf {
    /// By what makes two peers the same, the latest last.
    kept: HashMap<u64, Vec<Kept>, foldhash::fast::FixedState>,
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
    pub(super) fn take(&self, peer: &HttpPeer) -> Option<Stream> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = &mut *shelf;
        let same = shelf.kept.get_mut(&peer.reuse_hash())?;
        while let Some(mut kept) = same.pop() {
            shelf.count -= 1;
            if kept.address == peer._address && kept.is_open() {
                return Some(kept.stream);
            }
        }
        None
    }

    /// Keeps one more; where there are too many already, it is closed.
    pub(super) fn keep(self: &Arc<Self>, peer: &HttpPeer, stream: Stream) {
        let kept = Kept {
            stream,
            address: peer._address.clone(),
            since: Instant::now(),
            lasts: peer.options.idle_timeout,
        };
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.count >= self.most {
            return;
        }
        shelf.count += 1;
        shelf.kept.entry(peer.reuse_hash()).or_default().push(kept);
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
        if self.lasts.is_some_and(|lasts| self.since.elapsed() > lasts) {
            return false;
        }
        let mut byte = [0; 1];
        let mut context = Context::from_waker(Waker::noop());
        // Costs no system call while the runtime has heard of nothing.
        let read = Pin::new(&mut self.stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte));
        matches!(read, Poll::Pending)
    }
}
