//! Lines that wait to be written.

use crate::telemetry::threads::{self, THREADS};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// On a cache line of its own, so that threads do not disturb each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Buffer {
    /// Taken by one thread and, now and then, by the writer.
    lines: Mutex<Vec<u8>>,
    /// Whether there are any, to be looked at without the lock.
    any: AtomicBool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits.
    Taken,
    /// The same, and the buffer is half full now: the writer should not wait.
    Half,
    /// There was no room, or nobody writes any more.
    Dropped,
}

/// A bounded buffer for each thread.
#[derive(Debug)]
pub(super) struct Lines {
    buffers: Box<[Buffer]>,
    room: usize,
    is_closed: AtomicBool,
}

impl Lines {
    /// Each buffer has room for about so many bytes.
    pub(super) fn new(room: usize) -> Self {
        let buffers = std::iter::repeat_with(Buffer::default).take(THREADS).collect();
        Self { buffers, room, is_closed: AtomicBool::new(false) }
    }

    /// Appends a line.
    pub(super) fn push(&self, line: impl FnOnce(&mut Vec<u8>)) -> Pushed {
        let Some(buffer) = self.buffers.get(threads::this()) else { return Pushed::Dropped };
        let mut lines = buffer.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lines.len();
        if before >= self.room || self.is_closed.load(Ordering::Relaxed) {
            return Pushed::Dropped;
        }
        line(&mut lines);
        buffer.any.store(true, Ordering::SeqCst);
        let half = self.room / 2;
        if before < half && lines.len() >= half { Pushed::Half } else { Pushed::Taken }
    }

    /// Whether anything waits.
    pub(super) fn any(&self) -> bool {
        self.buffers.iter().any(|buffer| buffer.any.load(Ordering::SeqCst))
    }

    /// Takes the lines of each buffer in turn into `batch`, which is empty then and gets what is written.
    pub(super) fn drain(&self, batch: &mut Vec<u8>, mut write: impl FnMut(&mut Vec<u8>)) {
        for buffer in &self.buffers {
            if !buffer.any.load(Ordering::SeqCst) {
                continue;
            }
            let mut lines = buffer.lines.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *lines, batch);
            buffer.any.store(false, Ordering::SeqCst);
            drop(lines);
            write(batch);
            batch.clear();
            batch.shrink_to(KEPT);
        }
    }

    /// No line is taken after this.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        // Whoever was in the middle of a line is through.
        for buffer in &self.buffers {
            drop(buffer.lines.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// A buffer that a busy moment made is given back down to this, in bytes.
const KEPT: usize = 64 * 1024;
