//! Floor 2: counters that all processes share, in a Redis.
//!
//! What is counted stays in the memory of each process ([`crate::limits`]); in Redis is which part of each limit which
//! process has leave for. A call that finds leave is let through without a word to Redis. Who finds none waits for one
//! exchange, in which the questions of all calls go together: the first call of a key in a window, and then one in
//! some dozens, as leave is given in growing slices and in small ones where little is left. So a limit is never passed
//! while Redis answers, and what is not used goes back within [`EVERY`] or two.
//!
//! - Processes say every [`BEAT`] that they live; slots and money held by one that has not for [`LOST`] are free again.
//! - While Redis is away the counters of each process decide, with what it last knew of others (or nobody with limits
//!   is let through: [`OnLoss`]). Counts are told whole and not as differences, so nothing is counted twice when it is
//!   back. A Redis that came back empty learns the windows that run from those who were in them.
//! - What could not wait for leave (a fallback to another model, an answer longer than expected) is told within
//!   [`EVERY`]; by that much a limit can be passed.
//! - Without a Redis nothing of this exists.
//!
//! Deployments that are out of rotation are made known by a message that every process hears at once.

mod cooldowns;
mod exchange;
mod held;
mod link;
mod question;
mod settings;

pub use cooldowns::{Cooled, Hears};
pub use settings::{InvalidAddress, OnLoss, Settings};

use crate::limits::{Meters, Sharing, Want};
use exchange::Exchange;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Time between two looks at what there is to tell.
pub const EVERY: Duration = Duration::from_millis(100);
/// Time between two signs of life.
pub const BEAT: Duration = Duration::from_secs(2);
/// A process that gave no sign of life for so long is lost.
pub const LOST: Duration = Duration::from_secs(10);
/// Questions that can wait at one time; who finds no room is judged by what is known.
const MOST_WAITING: usize = 4096;

/// Counters that are to be shared.
#[derive(Debug)]
pub struct Prepared {
    settings: Settings,
    sharing: Arc<Sharing>,
    wake: Arc<Notify>,
}

/// The shared counters of this process.
#[derive(Clone, Debug)]
pub struct Shared {
    messages: mpsc::Sender<Message>,
    stats: Arc<Stats>,
}

/// What the task is told.
#[derive(Debug)]
enum Message {
    /// A call wants leave, and hears when it was asked for.
    Lend(Vec<Want>, oneshot::Sender<()>),
    /// A deployment is out of rotation.
    Cooled(Cooled),
    /// The process ends.
    Leave(oneshot::Sender<()>),
}

/// How the sharing goes.
#[derive(Debug, Default)]
struct Stats {
    is_up: AtomicBool,
    processes: AtomicU64,
    waits: AtomicU64,
    exchanged: AtomicU64,
    losses: AtomicU64,
}

/// How the sharing goes, at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedStats {
    /// Whether Redis answers.
    pub is_up: bool,
    /// Processes that live, this one too.
    pub processes: u64,
    /// Calls that waited for leave.
    pub waits: u64,
    /// Counters that were exchanged.
    pub exchanged: u64,
    /// So often Redis was lost.
    pub losses: u64,
}

impl Prepared {
    /// Nothing is shared yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let wake = Arc::new(Notify::new());
        let woken = Arc::clone(&wake);
        let sharing = Arc::new(Sharing::new(Box::new(move || woken.notify_one())));
        Self { settings, sharing, wake }
    }

    /// What counters are made with that are to be shared.
    #[must_use]
    pub fn sharing(&self) -> Arc<Sharing> {
        Arc::clone(&self.sharing)
    }

    /// Begins to share the counters of `meters`; waits for the first answer of Redis, but not long. The task runs on the
    /// present runtime.
    pub async fn start(self, meters: Arc<Meters>, hears: Hears) -> Shared {
        let (messages, inbox) = mpsc::channel(MOST_WAITING);
        let stats = Arc::new(Stats::default());
        let (tried, first) = oneshot::channel();
        let exchange = Exchange::new(self.settings, self.sharing, meters, hears, Arc::clone(&stats));
        tokio::spawn(exchange.run(inbox, self.wake, tried));
        // It is dropped unused once Redis was tried.
        drop(first.await);
        Shared { messages, stats }
    }
}

impl Shared {
    /// Asks others for leave; returns when they have answered, or cannot.
    pub async fn lend(&self, wants: Vec<Want>) {
        if wants.is_empty() {
            return;
        }
        self.stats.waits.fetch_add(1, Ordering::Relaxed);
        let (done, answered) = oneshot::channel();
        if self.messages.try_send(Message::Lend(wants, done)).is_ok() {
            // An error is an answer too: there is nobody to ask.
            drop(answered.await);
        }
    }

    /// Tells others that a deployment is out of rotation. Lost if there is too much to tell.
    pub fn cooled(&self, cooled: Cooled) {
        drop(self.messages.try_send(Message::Cooled(cooled)));
    }

    /// Gives up what this process has leave for; nothing is shared afterwards.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        if self.messages.send(Message::Leave(done)).await.is_ok() {
            drop(left.await);
        }
    }

    /// How it goes.
    #[must_use]
    pub fn stats(&self) -> SharedStats {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let stats = &*self.stats;
        SharedStats {
            is_up: stats.is_up.load(Ordering::Relaxed),
            processes: of(&stats.processes),
            waits: of(&stats.waits),
            exchanged: of(&stats.exchanged),
            losses: of(&stats.losses),
        }
    }
}

#[cfg(test)]
mod tests;
