//! The spares: segments that are ready before anybody needs them, and what is known of the room on the disk.

use super::segment::{SEGMENT, Segment};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A full disk is tried again after this.
const AGAIN: Duration = Duration::from_millis(500);

/// Longest wait between two looks at the spares.
const IDLE: Duration = Duration::from_secs(10);

/// Makes, keeps and takes back segments.
#[derive(Debug)]
pub(in crate::ledger) struct Space {
    folder: PathBuf,
    /// Spares to have.
    wanted: usize,
    /// The disk is taken to be as large as this, in bytes.
    quota: u64,
    spares: Mutex<Vec<Segment>>,
    taken: Condvar,
    /// Bytes of all segments on the disk.
    bytes: AtomicU64,
    /// No further segment can be made.
    full: AtomicBool,
}

impl Space {
    pub(in crate::ledger) fn new(folder: PathBuf, wanted: usize, quota: u64) -> Self {
        Self {
            folder,
            wanted,
            quota,
            spares: Mutex::new(Vec::with_capacity(wanted)),
            taken: Condvar::new(),
            bytes: AtomicU64::new(0),
            full: AtomicBool::new(false),
        }
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the spares were complete when last looked at, or could be completed.
    pub(in crate::ledger) fn has_room(&self) -> bool {
        !self.full.load(Ordering::Relaxed)
    }

    /// Bytes of all segments on the disk, spares included.
    pub(in crate::ledger) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts a segment that was found on the disk.
    pub(in crate::ledger) fn found(&self, length: u64) {
        self.bytes.fetch_add(length, Ordering::Relaxed);
    }

    /// A segment to append to. Should the spares be used up faster than they are made, one is made here and now.
    pub(super) fn take(&self) -> io::Result<Segment> {
        let spare = self.spares().pop();
        self.taken.notify_one();
        match spare {
            Some(spare) => Ok(spare),
            None => self.create(),
        }
    }

    fn create(&self) -> io::Result<Segment> {
        let before = self.bytes.fetch_add(SEGMENT, Ordering::Relaxed);
        let made = if before + SEGMENT > self.quota {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        } else {
            Segment::create(&self.folder)
        };
        if made.is_err() {
            self.bytes.fetch_sub(SEGMENT, Ordering::Relaxed);
        }
        made
    }

    /// Takes back a segment whose records are all booked for good.
    pub(in crate::ledger) fn give_back(&self, segment: Segment) {
        let length = segment.written().max(SEGMENT);
        if self.spares().len() < self.wanted && segment.is_in(&self.folder) {
            match segment.recycle() {
                Ok(spare) => {
                    self.spares().push(spare);
                    if self.is_complete() {
                        self.full.store(false, Ordering::Relaxed);
                    }
                }
                // It is found at the next start, and is booked already.
                Err(error) => log::warn!("journal: a segment cannot be used again: {error}"),
            }
            return;
        }
        match segment.remove() {
            Ok(()) => drop(self.bytes.fetch_sub(length, Ordering::Relaxed)),
            Err(error) => log::warn!("journal: a segment cannot be removed: {error}"),
        }
        self.taken.notify_one();
    }

    fn is_complete(&self) -> bool {
        self.spares().len() >= self.wanted
    }

    /// Completes the spares; `durable` ones outlive a power cut.
    ///
    /// # Errors
    /// When the disk is full or broken.
    pub(in crate::ledger) fn complete(&self, durable: bool) -> io::Result<()> {
        while !self.is_complete() {
            let made = self
                .create()
                .and_then(|segment| if durable { segment.sync().map(|()| segment) } else { Ok(segment) });
            match made {
                Ok(segment) => self.spares().push(segment),
                Err(error) => {
                    if !self.full.swap(true, Ordering::Relaxed) {
                        log::error!("journal: no room for another segment: {error}");
                    }
                    return Err(error);
                }
            }
        }
        if self.full.swap(false, Ordering::Relaxed) {
            log::info!("journal: there is room again");
        }
        Ok(())
    }

    /// Keeps the spares complete until `ends` is set and somebody knocks.
    pub(in crate::ledger) fn keep(&self, ends: &AtomicBool) {
        while !ends.load(Ordering::Acquire) {
            // What went wrong is logged, and tried again.
            drop(self.complete(true));
            let spares = self.spares();
            if ends.load(Ordering::Acquire) {
                return;
            }
            let wait = if spares.len() < self.wanted { AGAIN } else { IDLE };
            drop(self.taken.wait_timeout(spares, wait));
        }
    }

    /// Wakes [`Space::keep`]. The lock makes sure that it is not just about to wait.
    pub(in crate::ledger) fn knock(&self) {
        drop(self.spares());
        self.taken.notify_all();
    }

    /// Removes the spares from the disk, at the end.
    pub(in crate::ledger) fn clear(&self) {
        for spare in self.spares().drain(..) {
            // What stays is found empty at the next start.
            drop(spare.remove());
        }
    }
}
