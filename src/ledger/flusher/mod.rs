//! Reads the journal and books it, batch by batch, for as long as the process lives.

mod batch;

use super::journal::{HEAD, Segment};
use super::{Bookkeeper, Shared};
use crate::domain::Money;
use crate::store::{Booking, Store, StoreError};
use batch::{BATCH, Batch};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Segments that are given back at once while there is more to book: that waits for the disk.
const GIVEN_BACK: usize = 8;
/// Time between two looks at the journal, unless there is more than a batch: so much is gathered, because a batch costs
/// about as much as a hundred records, and a sum that many of them change is written once.
const LOOK: Duration = Duration::from_millis(200);
/// The same when the last look found as many records as [`MANY`], and the database is a file, which no other replica reads.
const LONG_LOOK: Duration = Duration::from_secs(1);
const MANY: usize = 500;
/// The first wait after the database did not take a batch, and the longest.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The same at the end.
const END_LOOK: Duration = Duration::from_millis(10);
/// Time between two looks for rows that are too old, while there are some.
const RETENTION_PAUSE: Duration = Duration::from_millis(200);
/// Rows that are deleted at one time.
const RETENTION_BATCH: u32 = 1000;

/// A database that stays away is mentioned once for so many tries.
const LOG_EACH: u64 = 60;

/// Books what the journal holds.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    store: Store,
    bookkeeper: Arc<dyn Bookkeeper>,
    /// Segments that are gone, and that the database need not remember.
    gone: Vec<u64>,
    clean_at: Instant,
    /// Records of the last batch.
    last: usize,
    /// What is read of a segment.
    buffer: Vec<u8>,
}

/// Whether all of a segment is in the database.
fn is_done(segment: &Segment) -> bool {
    segment.is_sealed() && segment.waiting() == 0
}

/// The database was given up on, because the process is to end.
struct GaveUp;

impl Flusher {
    pub(super) fn new(shared: Arc<Shared>, store: Store, bookkeeper: Arc<dyn Bookkeeper>) -> Self {
        Self {
            shared,
            store,
            bookkeeper,
            gone: Vec::new(),
            clean_at: Instant::now(),
            last: 0,
            buffer: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let left: Vec<Arc<Segment>> =
            self.shared.segments().iter().filter(|s| s.is_sealed()).cloned().collect();
        if self.recall(&left).await.is_err() {
            return;
        }
        drop(left);
        let mut found = 0;
        while self.shared.close_by().is_none() {
            let began = Instant::now();
            if self.adopt().await.is_err() {
                return;
            }
            let Ok(more) = self.pass().await else { return };
            found += self.last;
            if !more {
                self.shared.caught_up(began);
            }
            if self.index().await || more {
                continue;
            }
            self.clean().await;
            let is_busy = std::mem::take(&mut found) >= MANY;
            let look = if is_busy && self.store.is_file() { LONG_LOOK } else { LOOK };
            drop(tokio::time::timeout(look, self.shared.wake.notified()).await);
        }
        self.end().await;
    }

    /// Books what was appended up to now. What is appended later, by calls that were not waited for, is left to the
    /// next start, or this would have no end.
    async fn end(mut self) {
        self.shared.lanes.iter().for_each(super::Lane::seal);
        let last: Vec<Arc<Segment>> = self.shared.segments().clone();
        while last.iter().any(|segment| segment.is_sealed() && segment.waiting() > 0) {
            match self.pass().await {
                Ok(true) if self.shared.close_by().is_some_and(|by| Instant::now() < by) => {}
                Ok(false) => break,
                Ok(true) | Err(GaveUp) => return,
            }
        }
        drop(last);
        // A segment that is just being synced cannot be given back at once.
        while self.shared.segments().iter().any(|segment| is_done(segment)) {
            if self.pass().await.is_err() || self.shared.close_by().is_some_and(|by| Instant::now() >= by) {
                return;
            }
            tokio::time::sleep(END_LOOK).await;
        }
        let nothing = Booking {
            records: &[],
            deployed: &|_| None,
            rows: false,
            progress: &[],
            gone: &std::mem::take(&mut self.gone),
        };
        // What is remembered too long does no harm.
        drop(self.store.book(&nothing).await);
    }

    /// Takes in the segments of processes that have ended meanwhile.
    async fn adopt(&self) -> Result<(), GaveUp> {
        let adopted = self.shared.take_adopted();
        self.recall(&adopted).await?;
        adopted.iter().for_each(|segment| self.shared.space.found(segment.written()));
        self.shared.segments().extend(adopted);
        Ok(())
    }

    /// Finds out how far the segments of an earlier process are booked.
    async fn recall(&self, left: &[Arc<Segment>]) -> Result<(), GaveUp> {
        for segment in left {
            let known = self.insist(async |store: &Store| store.journal_progress(segment.id()).await).await?;
            segment.set_booked(known.unwrap_or(HEAD));
        }
        Ok(())
    }

    /// Books one batch; whether there is more.
    async fn pass(&mut self) -> Result<bool, GaveUp> {
        let segments = self.shared.segments().clone();
        let batch = self.read(&segments);
        self.last = batch.records.len();
        if !batch.records.is_empty() {
            self.book(&batch).await?;
        }
        for progress in &batch.progress {
            let segment = segments.iter().find(|segment| segment.id() == progress.segment);
            segment.inspect(|segment| segment.set_booked(progress.booked));
        }
        if !batch.stuck.is_empty() {
            self.shared.segments().retain(|segment| !batch.stuck.contains(&segment.id()));
        }
        self.give_back(segments, batch.more).await?;
        Ok(batch.more)
    }

    fn read(&mut self, segments: &[Arc<Segment>]) -> Batch {
        // As many as last time, rather than to move them as they become more.
        let mut batch = Batch::of_about(self.last);
        for segment in segments {
            let is_other = !batch.records.is_empty() && batch.earlier != segment.is_earlier();
            if batch.records.len() >= BATCH || is_other {
                batch.more = true;
                break;
            }
            batch.earlier = segment.is_earlier();
            if segment.waiting() > 0
                && let Err(error) = batch.read(segment, segment.booked(), &mut self.buffer)
            {
                log::error!("ledger: a segment of the journal cannot be read and stays where it is: {error}");
                batch.stuck.push(segment.id());
            }
        }
        self.shared.counts.damaged_bytes.fetch_add(batch.damaged as u64, Ordering::Relaxed);
        batch
    }

    async fn book(&mut self, batch: &Batch) -> Result<(), GaveUp> {
        let bookkeeper = Arc::clone(&self.bookkeeper);
        let deployed = move |target: &_| bookkeeper.deployed(target);
        let booking = Booking {
            records: &batch.records,
            deployed: &deployed,
            rows: self.shared.settings.rows,
            progress: &batch.progress,
            gone: &self.gone,
        };
        let written = self.insist(async |store: &Store| store.book(&booking).await).await?;
        self.gone.clear();
        self.shared.counts.booked.fetch_add(written.records as u64, Ordering::Relaxed);
        for counter in &written.counters {
            let settled = if batch.earlier { Money::ZERO } else { counter.amount };
            self.bookkeeper.written(&counter.counter, counter.total, counter.period_end, settled);
        }
        Ok(())
    }

    /// Gives back the segments that are booked to their end, for good: some at once, if there is more to book.
    async fn give_back(&mut self, segments: Vec<Arc<Segment>>, more: bool) -> Result<(), GaveUp> {
        let done: Vec<u64> = segments.iter().filter(|s| is_done(s)).map(|s| s.id()).collect();
        drop(segments);
        if done.is_empty() || more && done.len() < GIVEN_BACK {
            return Ok(());
        }
        self.insist(async |store: &Store| store.make_durable().await).await?;
        let (done, left) =
            std::mem::take(&mut *self.shared.segments()).into_iter().partition(|s| done.contains(&s.id()));
        let mut left: Vec<Arc<Segment>> = left;
        let done: Vec<Arc<Segment>> = done;
        for segment in done {
            let id = segment.id();
            match Arc::try_unwrap(segment) {
                Ok(segment) => {
                    self.shared.space.give_back(segment);
                    self.gone.push(id);
                }
                // The lane or the sync still holds it; the next pass finds it free.
                Err(held) => left.push(held),
            }
        }
        // Lanes may have begun segments meanwhile.
        let mut now = self.shared.segments();
        left.append(&mut now);
        *now = left;
        Ok(())
    }

    /// Asks the database until it answers, or until the process is to end and its patience with it.
    async fn insist<T>(&self, ask: impl AsyncFn(&Store) -> Result<T, StoreError>) -> Result<T, GaveUp> {
        let counts = &self.shared.counts;
        let mut wait = WAIT.0;
        loop {
            match ask(&self.store).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let failed = counts.failed_writes.fetch_add(1, Ordering::Relaxed);
                    if wait == WAIT.0 || failed.is_multiple_of(LOG_EACH) {
                        log::warn!(
                            "ledger: the database did not take a batch, which is kept and tried again: {error}"
                        );
                    }
                }
            }
            if self.shared.close_by().is_some_and(|by| Instant::now() >= by) {
                return Err(GaveUp);
            }
            let jittered = wait.mul_f64(0.5 + fastrand::f64());
            drop(tokio::time::timeout(jittered, self.shared.wake.notified()).await);
            wait = (wait * 2).min(WAIT.1);
        }
    }

    /// Makes what was booked quick to find; whether there may be more to do.
    async fn index(&self) -> bool {
        match self.store.index_calls().await {
            Ok(more) => more,
            Err(error) => {
                log::warn!("ledger: calls are slow to find for now: {error}");
                false
            }
        }
    }

    /// Deletes rows that are too old, some at a time.
    async fn clean(&mut self) {
        let Some(age) = self.shared.settings.retention else { return };
        if Instant::now() < self.clean_at {
            return;
        }
        let again = match self.store.delete_old_usage(age, RETENTION_BATCH).await {
            Ok(deleted) if deleted > 0 => RETENTION_PAUSE,
            Ok(_) => self.shared.settings.retention_every,
            Err(error) => {
                log::warn!("ledger: old rows cannot be deleted: {error}");
                self.shared.settings.retention_every.min(Duration::from_secs(60))
            }
        };
        self.clean_at = Instant::now() + again;
    }
}
