//! The access log: one JSON object a line for each finished call.
//!
//! A data thread writes its lines into a buffer of its own; a thread of the log's own takes the buffers and writes them
//! out. When a buffer is full a line is dropped and counted, because a slow disk must not slow a call. A record that
//! went to another thread would cost more than its line: what one thread allocates and another one frees is in
//! neither one's cache.

mod line;
mod lines;
mod writer;

use crate::domain::UsageRecord;
use crate::telemetry::threads;
use lines::{Lines, Pushed};
use prometheus::IntCounter;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;
use writer::Writer;

/// Bytes that may wait for the writer in each buffer.
const ROOM: usize = 4 << 20;

/// How long a shutdown waits for a writer that is stuck in a write.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Where the lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Nowhere.
    #[default]
    Off,
    /// To standard output.
    Stdout,
    /// To the end of a file, which is made with mode 0600.
    File(PathBuf),
}

/// What an access log counts; see [`super::metrics::Metrics::log_counters`].
#[derive(Clone, Debug)]
pub struct LogCounters {
    /// Lines dropped because the queue was full or the log was closed.
    pub dropped: IntCounter,
    /// Lines lost to write errors.
    pub failed: IntCounter,
}

/// What the writer is told besides lines.
#[derive(Debug, Default)]
struct Orders {
    close: AtomicBool,
    reopen: AtomicBool,
    /// The writer waits to be woken.
    asleep: AtomicBool,
}

/// What those who log and the writer share.
#[derive(Debug)]
struct Desk {
    lines: Lines,
    orders: Orders,
}

/// An access log and its writer thread.
#[derive(Debug)]
pub struct AccessLog {
    /// `None` when the log is off.
    desk: Option<(Arc<Desk>, Thread)>,
    counters: LogCounters,
    /// Ends when the writer has written everything; taken by the first `close`.
    done: Mutex<Option<Receiver<()>>>,
}

impl AccessLog {
    /// Opens the target and starts the writer.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread cannot be started.
    pub fn start(target: Target, counters: LogCounters) -> io::Result<Self> {
        match target {
            Target::Off => Ok(Self { desk: None, counters, done: Mutex::new(None) }),
            Target::Stdout => Self::with_sink(Box::new(io::stdout()), None, ROOM, counters),
            Target::File(path) => {
                let file = open(&path)?;
                Self::with_sink(Box::new(file), Some(path), ROOM, counters)
            }
        }
    }

    fn with_sink(
        sink: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        room: usize,
        counters: LogCounters,
    ) -> io::Result<Self> {
        let desk = Arc::new(Desk { lines: Lines::new(room), orders: Orders::default() });
        let (finished, done) = sync_channel(1);
        let writer = Writer::new(sink, path, Arc::clone(&desk), counters.failed.clone());
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            threads::step_back();
            writer.run();
            drop(finished);
        })?;
        Ok(Self { desk: Some((desk, thread.thread().clone())), counters, done: Mutex::new(Some(done)) })
    }

    /// Writes a record's line into this thread's buffer; never waits for the disk.
    pub fn push(&self, record: &UsageRecord) {
        let Some((desk, writer)) = &self.desk else { return };
        match desk.lines.push(|to| line::append(to, record)) {
            Pushed::Taken => desk.wake(writer),
            Pushed::Half => writer.unpark(),
            Pushed::Dropped => self.counters.dropped.inc(),
        }
    }

    /// Opens the file anew by its path, after it was moved away. What was pushed before goes to the old one.
    pub fn reopen(&self) {
        self.order(|orders| &orders.reopen);
    }

    /// Writes everything that is queued and ends the writer. Later records are dropped and counted.
    pub fn close(&self) {
        let Some(done) = self.done.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.order(|orders| &orders.close);
        if done.recv_timeout(CLOSE_WITHIN) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            log::warn!("access log: the writer is stuck; what is still queued is lost");
        }
    }

    fn order(&self, flag: impl Fn(&Orders) -> &AtomicBool) {
        if let Some((desk, writer)) = &self.desk {
            flag(&desk.orders).store(true, Ordering::SeqCst);
            desk.wake(writer);
        }
    }
}

impl Desk {
    /// Wakes the writer if it sleeps; nearly always it only naps.
    fn wake(&self, writer: &Thread) {
        if self.orders.asleep.load(Ordering::SeqCst) && self.orders.asleep.swap(false, Ordering::SeqCst) {
            writer.unpark();
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens a log file for appending.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests;
