//! Floor 4: the spend ledger. What a client saw complete is booked, exactly once, whatever happens in between.
//!
//! A finished call's record is appended to a journal on the local disk ([`Ledger::append`]) before the client sees
//! the end of its answer. A thread of its own, the flusher, books the journal's records in the database: rows,
//! roll-ups and counters of a batch in one transaction, and with them how far the journal is booked. So the
//! journal is the queue, the memory used does not depend on how long the database is away, and a record is
//! counted once even if it is read twice.
//!
//! # What is promised
//! * **The process is killed**: nothing that was appended is lost. The page cache belongs to the kernel.
//! * **The power is cut**: nothing that was appended more than about 200 ms before is lost (`SYNC`). The database
//!   keeps its own promise; SQLite is made to before a journal segment is used again.
//! * **The database is away, or its disk is full**: the journal grows, up to what the disk holds. Nothing is ever
//!   dropped; past `journal_max_bytes` an alarm is raised.
//! * **The journal's disk is full**: [`Ledger::has_room`] turns false, and admission refuses new calls with 503 unless
//!   `on_full` says to serve. The calls under way still find room in the spare segments. When the database is a
//!   SQLite file on the same disk it fails first, the journal goes on in the blocks that it has, and then the
//!   calls are refused.
//! * **A damaged record** is found by its checksum, and costs none of those around it.
//!
//! # Exactly once
//! A record has a unique id, and a batch's transaction also notes for each segment up to where it is booked. So a
//! batch that was committed though nobody heard so is not booked again, even if rows are not kept
//! (`disable_spend_logs`) or have been deleted since.

mod codec;
mod flusher;
mod journal;
mod settings;
mod stats;
#[cfg(test)]
mod tests;

pub use journal::OpenError;
pub use settings::{LedgerSettings, OnFull};
pub use stats::LedgerStats;

use crate::domain::{CounterId, Money, TargetId, UsageRecord};
use crate::store::{Deployed, Store};
use crate::telemetry;
use flusher::Flusher;
use journal::{Folders, Lane, NotAppended, Segment, Space};
use stats::Counts;
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Time between two syncs: what a power cut may cost.
const SYNC: Duration = Duration::from_millis(200);
/// Spare segments beyond one for each lane.
const SPARES: usize = 2;

/// The record could not be written down: the disk is full, and so is the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal has no room for another record")]
pub struct LedgerFull;

/// Who wants to know what was booked, and knows what the records do not say.
pub trait Bookkeeper: Send + Sync + 'static {
    /// After a commit: `amount` of what was settled in this process was added to a counter, which is now `total` in the period that ends at `period_end`
    /// (unix milliseconds, 0 without a period). Called on the flusher's thread.
    fn written(&self, counter: &CounterId, total: Money, period_end: i64, amount: Money);

    /// What is known of a deployment, for its rows.
    fn deployed(&self, _target: &TargetId) -> Option<Deployed> {
        None
    }
}

impl Bookkeeper for () {
    fn written(&self, _: &CounterId, _: Money, _: i64, _: Money) {}
}

/// The ledger of this process.
pub struct Ledger {
    shared: Arc<Shared>,
    /// What ends with it; taken by the first `close`.
    ends: Mutex<Option<Ends>>,
}

struct Ends {
    /// Disconnected when the flusher has ended.
    flusher: Receiver<()>,
    threads: [JoinHandle<()>; 2],
}

/// What the lanes, the flusher and the threads share.
struct Shared {
    settings: LedgerSettings,
    /// Held for its locks.
    folders: Mutex<Folders>,
    /// Segments of processes that have ended, before it is known how far they are booked.
    adopted: Mutex<Vec<Arc<Segment>>>,
    lanes: Box<[Lane]>,
    space: Space,
    /// The segments that are not given back yet, in the order they were begun.
    segments: Mutex<Vec<Arc<Segment>>>,
    counts: Counts,
    started: Instant,
    /// Set when the flusher is to end, with what it has done by then.
    close_by: Mutex<Option<Instant>>,
    /// Makes the flusher look at once.
    wake: Notify,
    ended: AtomicBool,
}

thread_local! {
    /// This thread's lane, counted over all threads of the process.
    static LANE: Cell<usize> = const { Cell::new(usize::MAX) };
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

fn lane_of_this_thread() -> usize {
    LANE.with(|lane| {
        if lane.get() == usize::MAX {
            lane.set(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        lane.get()
    })
}

impl Shared {
    fn segments(&self) -> MutexGuard<'_, Vec<Arc<Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_by(&self) -> Option<Instant> {
        *self.close_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the journal of a process that ended without having it booked.
    fn adopt(&self) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        match folders.adopt(&self.settings.folder) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                log::info!("journal: taking over {} segments of a process that has ended", found.len());
                let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
                adopted.extend(found.into_iter().map(Arc::new));
            }
            Err(error) => log::warn!("{error}: what another process left there is booked later"),
        }
    }

    fn take_adopted(&self) -> Vec<Arc<Segment>> {
        std::mem::take(&mut *self.adopted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Syncs what was appended, until the end.
    fn keep_synced(&self) {
        let mut warned = false;
        let mut looked = Instant::now();
        while !self.ended.load(Ordering::Acquire) {
            thread::park_timeout(SYNC);
            self.watch();
            if looked.elapsed() >= self.settings.adopt_every {
                self.adopt();
                looked = Instant::now();
            }
            let segments = self.segments().clone();
            for segment in segments {
                if let Err(error) = segment.sync()
                    && !std::mem::replace(&mut warned, true)
                {
                    log::error!("journal: cannot be synced, a power cut would lose records: {error}");
                }
            }
        }
    }
}

impl Ledger {
    /// Opens the journal, takes over what was left in it, and begins to book it. The database may be away.
    ///
    /// # Errors
    /// The journal's folder cannot be used, or is used by too many others.
    pub fn open(
        settings: LedgerSettings,
        store: Store,
        bookkeeper: Arc<dyn Bookkeeper>,
        runtime: Handle,
    ) -> Result<Self, OpenError> {
        let folders = Folders::lock(&settings.folder)?;
        let lanes: Box<[Lane]> = (0..settings.lanes.max(1)).map(|_| Lane::default()).collect();
        let space = Space::new(folders.own().to_owned(), lanes.len() + SPARES, settings.quota);
        let left: Vec<Arc<Segment>> = folders.left()?.into_iter().map(Arc::new).collect();
        left.iter().for_each(|segment| space.found(segment.written()));
        let fault = |error: io::Error| OpenError::Io(settings.folder.clone(), error);
        if let Err(error) = space.complete(false)
            && error.kind() != io::ErrorKind::StorageFull
        {
            return Err(fault(error));
        }
        let shared = Arc::new(Shared {
            folders: Mutex::new(folders),
            adopted: Mutex::default(),
            lanes,
            space,
            segments: Mutex::new(left),
            counts: Counts::default(),
            started: Instant::now(),
            close_by: Mutex::new(None),
            wake: Notify::new(),
            ended: AtomicBool::new(false),
            settings: settings.clone(),
        });
        let (finished, done) = sync_channel::<()>(1);
        let flusher = Flusher::new(Arc::clone(&shared), store, bookkeeper);
        spawn("ledger-flush", move || {
            telemetry::step_back();
            runtime.block_on(flusher.run());
            drop(finished);
        })
        .map_err(fault)?;
        let own = Arc::clone(&shared);
        let space = spawn("journal-space", move || own.space.keep(&own.ended)).map_err(fault)?;
        let own = Arc::clone(&shared);
        let sync = spawn("journal-sync", move || own.keep_synced()).map_err(fault)?;
        let ends = Ends { flusher: done, threads: [space, sync] };
        Ok(Self { shared, ends: Mutex::new(Some(ends)) })
    }

    /// Writes a record down in this thread's lane: some microseconds, without waiting for a disk or a lock that
    /// anybody holds for long. Once it returns, the end of the process cannot lose the record.
    ///
    /// # Errors
    /// [`LedgerFull`]; it is counted and logged here.
    pub fn append(&self, record: &UsageRecord) -> Result<(), LedgerFull> {
        let shared = &self.shared;
        let lane = &shared.lanes[lane_of_this_thread() % shared.lanes.len()];
        let appended = lane.append(record, &shared.space, |segment| shared.segments().push(segment));
        appended.map_err(|why| {
            let before = shared.counts.lost.fetch_add(1, Ordering::Relaxed);
            if before.is_multiple_of(LOG_EACH) || why == NotAppended::Unwritable {
                log::error!("a usage record could not be written down: {why:?}; {} in all", before + 1);
            }
            LedgerFull
        })
    }

    /// Whether new calls may be taken. False when the disk is full and `on_full` is to refuse.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.space.has_room() || self.shared.settings.on_full == OnFull::Serve
    }

    /// How things are.
    #[must_use]
    pub fn stats(&self) -> LedgerStats {
        self.shared.stats()
    }

    /// Waits until all that was appended before is booked; false if that takes longer than `within`.
    pub async fn catches_up(&self, within: Duration) -> bool {
        let shared = &self.shared;
        let marks: Vec<(u64, u64)> = {
            let segments = shared.segments();
            let waiting = segments.iter().filter(|segment| segment.waiting() > 0);
            waiting.map(|segment| (segment.id(), segment.written())).collect()
        };
        let by = Instant::now() + within;
        loop {
            // A segment that was given back is booked to its end.
            let is_behind = marks.iter().any(|(id, to)| {
                shared.segments().iter().any(|segment| segment.id() == *id && segment.booked() < *to)
            });
            if !is_behind {
                return true;
            }
            if Instant::now() >= by {
                return false;
            }
            shared.wake.notify_one();
            tokio::time::sleep(CATCH_UP_LOOK).await;
        }
    }

    /// Books everything and ends; what is not booked after `within` stays in the journal for the next start.
    /// Records that are appended later are as safe, and booked at the next start.
    pub fn close(&self, within: Duration) {
        let Some(ends) = self.ends.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        *self.shared.close_by.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + within);
        self.shared.wake.notify_one();
        if ends.flusher.recv_timeout(within + GRACE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            log::warn!("ledger: the database does not answer; the rest is booked at the next start");
        }
        self.shared.ended.store(true, Ordering::Release);
        self.shared.space.knock();
        for thread in ends.threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                log::error!("ledger: a thread ended in a panic");
            }
        }
        self.shared.space.clear();
    }
}

/// Time between two looks at whether the flusher has caught up.
const CATCH_UP_LOOK: Duration = Duration::from_millis(10);
/// A lost record is logged once for so many.
const LOG_EACH: u64 = 1000;
/// What the flusher may take beyond its deadline to notice it.
const GRACE: Duration = Duration::from_millis(500);

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}
