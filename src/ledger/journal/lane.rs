//! Where one thread's records go.

use super::segment::{HEAD, SEGMENT, Segment, fits};
use super::space::Space;
use crate::domain::UsageRecord;
use crate::ledger::codec::{self, FRAME};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A lane. The lock is there for a lane that two threads share; one that has it for itself never waits.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Lane {
    writer: Mutex<Writer>,
    /// Records appended since the start.
    records: AtomicU64,
    /// Their bytes.
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Writer {
    segment: Option<Arc<Segment>>,
    at: u64,
    frame: Vec<u8>,
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) enum NotAppended {
    /// There is no room on the disk.
    Full,
    /// The record cannot be written at all.
    Unwritable,
}

impl Lane {
    /// Appends a record; `begun` is told of a segment that is begun with it.
    pub(in crate::ledger) fn append(
        &self,
        record: &UsageRecord,
        space: &Space,
        begun: impl Fn(Arc<Segment>),
    ) -> Result<(), NotAppended> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let length = writer.append(record, space, begun)?;
        self.records.store(self.records() + 1, Ordering::Relaxed);
        self.bytes.store(self.bytes() + length, Ordering::Relaxed);
        Ok(())
    }

    pub(in crate::ledger) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(in crate::ledger) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Ends the segment, so that it can be given back once it is booked.
    pub(in crate::ledger) fn seal(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = writer.segment.take() {
            segment.seal();
        }
    }
}

impl Writer {
    fn append(
        &mut self,
        record: &UsageRecord,
        space: &Space,
        begun: impl Fn(Arc<Segment>),
    ) -> Result<u64, NotAppended> {
        self.frame.clear();
        self.frame.resize(FRAME, 0);
        codec::encode(record, &mut self.frame).map_err(|_| NotAppended::Unwritable)?;
        if !fits(self.frame.len()) {
            return Err(NotAppended::Unwritable);
        }
        // A disk that breaks under a segment may still hold the next one.
        let written = match self.write(space, &begun) {
            Err(NotAppended::Unwritable) => self.write(space, &begun),
            other => other,
        };
        self.frame.shrink_to(KEPT);
        written.map_err(|_| NotAppended::Full)
    }

    fn write(&mut self, space: &Space, begun: impl Fn(Arc<Segment>)) -> Result<u64, NotAppended> {
        let length = self.frame.len() as u64;
        if self.at + length > SEGMENT
            && let Some(full) = self.segment.take()
        {
            full.seal();
        }
        let segment = match &self.segment {
            Some(segment) => Arc::clone(segment),
            None => {
                let segment = Arc::new(space.take().map_err(|_| NotAppended::Full)?);
                self.at = HEAD;
                self.segment = Some(Arc::clone(&segment));
                begun(Arc::clone(&segment));
                segment
            }
        };
        codec::finish(segment.id(), &mut self.frame);
        match segment.append(&self.frame, self.at) {
            Ok(end) => {
                self.at = end;
                Ok(length)
            }
            Err(error) => {
                log::error!("journal: a segment cannot be written: {error}");
                segment.seal();
                self.segment = None;
                Err(NotAppended::Unwritable)
            }
        }
    }
}

/// A buffer that a large record made is given back down to this.
const KEPT: usize = 16 * 1024;
