//! The access log: one JSON object a line for each finished call.
//!
//! The data plane only hands a record to a bounded queue; a thread of its own formats and writes.
//! When the queue is full the record is dropped and counted, because a slow disk must not slow a call.

mod line;
mod writer;

use crate::domain::UsageRecord;
use prometheus::IntCounter;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use writer::{Message, Writer};

/// Records that may wait for the writer.
const QUEUE: usize = 8192;

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

/// What the writer is told besides records.
#[derive(Debug, Default)]
struct Orders {
    close: AtomicBool,
    reopen: AtomicBool,
}

/// An access log and its writer thread.
#[derive(Debug)]
pub struct AccessLog {
    /// `None` when the log is off.
    queue: Option<SyncSender<Message>>,
    orders: Arc<Orders>,
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
            Target::Off => Ok(Self { queue: None, orders: Arc::default(), counters, done: Mutex::new(None) }),
            Target::Stdout => Self::with_sink(Box::new(io::stdout()), None, QUEUE, counters),
            Target::File(path) => {
                let file = open(&path)?;
                Self::with_sink(Box::new(file), Some(path), QUEUE, counters)
            }
        }
    }

    fn with_sink(
        sink: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        capacity: usize,
        counters: LogCounters,
    ) -> io::Result<Self> {
        let (queue, records) = sync_channel(capacity);
        let (finished, done) = sync_channel(1);
        let orders = Arc::<Orders>::default();
        let writer = Writer::new(sink, path, records, Arc::clone(&orders), counters.failed.clone());
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            drop(finished);
        })?;
        Ok(Self { queue: Some(queue), orders, counters, done: Mutex::new(Some(done)) })
    }

    /// Hands a record to the writer; never waits.
    pub fn push(&self, record: UsageRecord) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send(Message::Record(Box::new(record))).is_err() {
            self.counters.dropped.inc();
        }
    }

    /// Opens the file anew by its path, after it was moved away. What was pushed before goes to the old one.
    pub fn reopen(&self) {
        self.order(&self.orders.reopen);
    }

    /// Writes everything that is queued and ends the writer. Later records are dropped and counted.
    pub fn close(&self) {
        let Some(done) = self.done.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.order(&self.orders.close);
        if done.recv_timeout(CLOSE_WITHIN) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            log::warn!("access log: the writer is stuck; what is still queued is lost");
        }
    }

    /// Sets a flag and makes sure that the writer looks: with a full queue it is awake anyway.
    fn order(&self, flag: &AtomicBool) {
        flag.store(true, Ordering::Release);
        if let Some(queue) = &self.queue
            && let Err(TrySendError::Disconnected(_)) = queue.try_send(Message::Wake)
        {
            log::debug!("access log: the writer has ended already");
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
