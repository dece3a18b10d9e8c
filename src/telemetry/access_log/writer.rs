//! The thread that formats and writes.

use super::{Orders, line, open};
use crate::domain::UsageRecord;
use prometheus::IntCounter;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

/// Lines are collected up to this size before they are written.
const BATCH: usize = 64 * 1024;

/// While calls come in, the writer looks this often instead of waiting on the queue: a sender that has
/// to wake a waiting thread pays for it, and lines are written in batches.
const PERIOD: Duration = Duration::from_millis(50);

/// After so many empty looks the writer waits on the queue again.
const EMPTY_LOOKS: u32 = 20;

/// Write errors are reported this often.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// What is in the queue.
pub(super) enum Message {
    /// A line to write.
    Record(Box<UsageRecord>),
    /// Look at the orders.
    Wake,
}

/// The writing end.
pub(super) struct Writer {
    sink: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    records: Receiver<Message>,
    orders: Arc<Orders>,
    failed: IntCounter,
    batch: Vec<u8>,
    /// The last write ended within a line, so the next one starts a new line.
    torn: bool,
    reported: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        sink: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        records: Receiver<Message>,
        orders: Arc<Orders>,
        failed: IntCounter,
    ) -> Self {
        let batch = Vec::with_capacity(BATCH);
        Self { sink, path, records, orders, failed, batch, torn: false, reported: None }
    }

    /// Runs until the log is closed or gone, and writes what is queued by then.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.records.recv() {
            self.take(first);
            let mut empty_looks = 0;
            while empty_looks < EMPTY_LOOKS {
                // Read before draining: what was queued before the order is then written under it.
                let close = self.orders.close.load(Ordering::Acquire);
                let reopen = self.orders.reopen.swap(false, Ordering::AcqRel);
                let any = self.drain();
                self.write_out();
                if reopen {
                    self.reopen();
                }
                if close {
                    return;
                }
                empty_looks = if any { 0 } else { empty_looks + 1 };
                thread::sleep(PERIOD);
            }
        }
        self.write_out();
    }

    /// Formats what is queued; whether there was anything.
    fn drain(&mut self) -> bool {
        let mut any = false;
        while let Ok(message) = self.records.try_recv() {
            any = true;
            self.take(message);
        }
        any
    }

    fn take(&mut self, message: Message) {
        let Message::Record(record) = message else { return };
        line::append(&mut self.batch, &record);
        if self.batch.len() >= BATCH {
            self.write_out();
        }
    }

    fn write_out(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let torn = std::mem::take(&mut self.torn);
        let result = if torn { self.sink.write_all(b"\n") } else { Ok(()) };
        let (written, result) = match result {
            Ok(()) => write_counted(&mut *self.sink, &self.batch),
            Err(error) => {
                self.torn = true;
                (0, Err(error))
            }
        };
        if let Err(error) = result.and_then(|()| self.sink.flush()) {
            self.torn |= written > 0 && self.batch.get(written - 1) != Some(&b'\n');
            let rest = self.batch.get(written..).unwrap_or_default();
            let lines = rest.iter().filter(|byte| **byte == b'\n').count();
            self.lost(lines, &error);
        }
        self.batch.clear();
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(path) {
            Ok(file) => {
                self.sink = Box::new(file);
                self.torn = false;
            }
            Err(error) => self.lost(0, &error),
        }
    }

    fn lost(&mut self, lines: usize, error: &io::Error) {
        self.failed.inc_by(lines as u64);
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            self.reported = Some(Instant::now());
            log::warn!("access log: {error}; lines lost so far: {}", self.failed.get());
        }
    }
}

/// Like `write_all`, but says also how much was written when it fails.
fn write_counted(sink: &mut dyn Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match sink.write(rest) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
