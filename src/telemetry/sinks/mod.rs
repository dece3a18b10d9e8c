//! Where finished calls are sent besides the log: OpenTelemetry and Langfuse.
//!
//! A call that is to go out is put into a queue of its sink and forgotten; a queue that is full drops it and counts
//! that. What is in the queues is sent from elsewhere, with [`Format`] as the words.

mod format;
mod langfuse;
mod otlp;
#[cfg(test)]
mod tests;
mod text;

pub use format::{Batch, Format};

use super::{Metrics, SinkCounters, TraceContext};
use crate::domain::{Content, Outcome, UsageRecord};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for one sink at most.
const QUEUE: usize = 4096;
/// Bytes of prompts and answers that wait at most.
const WAITING: usize = 16 * 1024 * 1024;
/// Longest prompt and answer that are sent, in bytes each.
const LONGEST: usize = 64 * 1024;

/// What is to be sent where.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Spans of the traces that are kept.
    pub otel: bool,
    /// OpenTelemetry's metrics.
    pub otel_metrics: bool,
    /// Calls to Langfuse.
    pub langfuse: Option<Choice>,
}

/// Which calls a sink of calls gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Those that were answered (`success_callback`).
    pub successes: bool,
    /// Those that were not (`failure_callback`).
    pub failures: bool,
    /// The share of them that is sent, from 0 to 1.
    pub share: f64,
}

/// A finished call on its way.
#[derive(Debug)]
pub struct Finished {
    /// Its record, without what was said.
    pub record: UsageRecord,
    /// Where it stands in its trace, if it has one.
    pub trace: Option<Arc<TraceContext>>,
    content: Option<Said>,
}

/// What was said in a call; it takes of the room that all of it has until it is dropped.
#[derive(Debug)]
struct Said {
    content: Box<Content>,
    size: usize,
    waiting: Arc<AtomicUsize>,
}

impl Drop for Said {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl Finished {
    /// What was said, if that is kept.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        self.content.as_ref().map(|said| &*said.content)
    }
}

/// What a queue holds.
#[derive(Debug)]
pub enum Parcel {
    /// A call.
    Call(Arc<Finished>),
    /// Everything before it is to be sent now; told when that was tried.
    Flush(oneshot::Sender<()>),
}

/// The end of a queue that is read from.
#[derive(Debug)]
pub struct Outlet {
    /// Which sink it belongs to.
    pub name: &'static str,
    /// The calls.
    pub queue: mpsc::Receiver<Parcel>,
    /// Where it counts.
    pub counters: SinkCounters,
}

#[derive(Debug)]
struct Inlet {
    queue: mpsc::Sender<Parcel>,
    counters: SinkCounters,
}

/// The callback names of the sinks.
pub const OTEL: &str = "otel";
/// See [`OTEL`].
pub const LANGFUSE: &str = "langfuse";

/// All sinks.
#[derive(Debug)]
pub struct Sinks {
    otel: Option<Inlet>,
    langfuse: Option<(Inlet, Choice)>,
    outlets: Mutex<Vec<Outlet>>,
    waiting: Arc<AtomicUsize>,
}

impl Sinks {
    /// Makes the queues of the sinks that are wanted.
    #[must_use]
    pub fn new(wanted: &Wanted, metrics: &Metrics) -> Self {
        let mut outlets = Vec::new();
        let mut inlet = |name| {
            let (sender, queue) = mpsc::channel(QUEUE);
            outlets.push(Outlet { name, queue, counters: metrics.sink(name) });
            Inlet { queue: sender, counters: metrics.sink(name) }
        };
        let otel = wanted.otel.then(|| inlet(OTEL));
        let langfuse = wanted.langfuse.map(|choice| (inlet(LANGFUSE), choice));
        Self { otel, langfuse, outlets: Mutex::new(outlets), waiting: Arc::default() }
    }

    /// The other ends of the queues, for whoever asks first.
    #[must_use]
    pub fn outlets(&self) -> Vec<Outlet> {
        std::mem::take(&mut *self.outlets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a call into the queues of the sinks that want it. Never waits.
    pub(super) fn push(&self, record: &mut UsageRecord, trace: Option<Arc<TraceContext>>) {
        let content = record.content.take();
        let otel = self.otel.as_ref().filter(|_| trace.as_ref().is_some_and(|trace| trace.is_kept()));
        let langfuse = self.langfuse.as_ref().filter(|(_, choice)| choice.takes(record));
        if otel.is_none() && langfuse.is_none() {
            return;
        }
        let content = content.filter(|_| langfuse.is_some()).and_then(|content| self.hold(content));
        let finished = Arc::new(Finished { record: record.clone(), trace, content });
        for inlet in otel.into_iter().chain(langfuse.map(|(inlet, _)| inlet)) {
            inlet.push(Arc::clone(&finished));
        }
    }

    /// What was said, cut short; nothing when there is no room for it, for the call goes out without it.
    fn hold(&self, mut content: Box<Content>) -> Option<Said> {
        for text in [&mut content.request, &mut content.response] {
            text.truncate(text.floor_char_boundary(LONGEST));
            text.shrink_to_fit();
        }
        let size = content.request.len() + content.response.len();
        let room = |waiting: usize| waiting.checked_add(size).filter(|sum| *sum <= WAITING);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Said { content, size, waiting: Arc::clone(&self.waiting) })
    }

    /// Waits until everything that was queued was sent, or tried to be.
    pub async fn flush(&self) {
        for inlet in self.otel.iter().chain(self.langfuse.iter().map(|(inlet, _)| inlet)) {
            let (done, sent) = oneshot::channel();
            if inlet.queue.send(Parcel::Flush(done)).await.is_ok() {
                // Whoever sends is gone otherwise, and with it what it had.
                drop(sent.await);
            }
        }
    }
}

impl Inlet {
    fn push(&self, call: Arc<Finished>) {
        if self.queue.try_send(Parcel::Call(call)).is_err() {
            self.counters.dropped(1);
        }
    }
}

impl Choice {
    fn takes(&self, record: &UsageRecord) -> bool {
        let wanted = if matches!(record.outcome, Outcome::Completed | Outcome::Superseded) {
            self.successes
        } else {
            self.failures
        };
        wanted && (self.share >= 1.0 || fastrand::f64() < self.share)
    }
}
