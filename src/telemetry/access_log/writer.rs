//! The thread that writes.

use super::{Desk, open};
use prometheus::IntCounter;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// While calls come in, the writer looks this often: lines are written in batches, and nobody has to wake it.
const PERIOD: Duration = Duration::from_millis(50);

/// After so many empty looks the writer sleeps until it is woken.
const EMPTY_LOOKS: u32 = 20;

/// Write errors are reported this often.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// The writing end.
pub(super) struct Writer {
    sink: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    desk: Arc<Desk>,
    failed: IntCounter,
    /// The last write ended within a line, so the next one starts a new line.
    torn: bool,
    reported: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        sink: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        desk: Arc<Desk>,
        failed: IntCounter,
    ) -> Self {
        Self { sink, path, desk, failed, torn: false, reported: None }
    }

    /// Runs until the log is closed, and writes what is queued by then.
    pub(super) fn run(mut self) {
        let desk = Arc::clone(&self.desk);
        let (mut batch, mut empty_looks) = (Vec::new(), 0);
        loop {
            // Read before draining: what was queued before the order is then written under it.
            let close = desk.orders.close.load(Ordering::SeqCst);
            let reopen = desk.orders.reopen.swap(false, Ordering::SeqCst);
            if close {
                desk.lines.close();
            }
            empty_looks = if desk.lines.any() { 0 } else { empty_looks + 1 };
            desk.lines.drain(&mut batch, |batch| self.write_out(batch));
            if reopen {
                self.reopen();
            }
            if close {
                return;
            }
            if empty_looks < EMPTY_LOOKS {
                thread::park_timeout(PERIOD);
            } else {
                sleep(&desk);
                empty_looks = 0;
            }
        }
    }

    fn write_out(&mut self, batch: &[u8]) {
        let torn = std::mem::take(&mut self.torn);
        let result = if torn { self.sink.write_all(b"\n") } else { Ok(()) };
        let (written, result) = match result {
            Ok(()) => write_counted(&mut *self.sink, batch),
            Err(error) => {
                self.torn = true;
                (0, Err(error))
            }
        };
        if let Err(error) = result.and_then(|()| self.sink.flush()) {
            self.torn |= written > 0 && batch.get(written - 1) != Some(&b'\n');
            let rest = batch.get(written..).unwrap_or_default();
            let lines = rest.iter().filter(|byte| **byte == b'\n').count();
            self.lost(lines, &error);
        }
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

/// Waits until somebody wakes it; not at all if there is something to do already.
fn sleep(desk: &Desk) {
    let orders = &desk.orders;
    orders.asleep.store(true, Ordering::SeqCst);
    let is_ordered = || orders.close.load(Ordering::SeqCst) || orders.reopen.load(Ordering::SeqCst);
    while orders.asleep.load(Ordering::SeqCst) && !desk.lines.any() && !is_ordered() {
        thread::park();
    }
    orders.asleep.store(false, Ordering::SeqCst);
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
