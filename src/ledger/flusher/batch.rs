//! What is read of the journal and booked at one time.

use crate::domain::UsageRecord;
use crate::ledger::codec;
use crate::ledger::journal::Segment;
use crate::store::Progress;
use std::io;

/// Most records of a batch. They stream through the processor's caches several times, which hold about so many; a batch
/// itself costs no more than some tens of records.
pub(super) const BATCH: usize = 1000;

/// What was read and is to be booked.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<UsageRecord>,
    known: codec::Known,
    pub(super) progress: Vec<Progress>,
    pub(super) damaged: usize,
    /// Whether an earlier process wrote the records: no counter in memory waits for them to be booked.
    pub(super) earlier: bool,
    /// Segments that cannot be read, and are left for another release or another day.
    pub(super) stuck: Vec<u64>,
    /// There is, or may be, more than fits.
    pub(super) more: bool,
}

impl Batch {
    /// An empty one, with room for about so many records.
    pub(super) fn of_about(records: usize) -> Self {
        Self { records: Vec::with_capacity(records), ..Self::default() }
    }

    /// Reads records of a segment until the batch is full.
    pub(super) fn read(&mut self, segment: &Segment, from: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        let sealed = segment.is_sealed();
        let bytes = segment.read(from, buffer)?;
        let mut frames = codec::Frames::new(segment.id(), bytes);
        let mut end = 0;
        let mut is_full = false;
        while !is_full {
            let Some((payload, next)) = frames.next() else { break };
            match codec::decode(payload, &mut self.known) {
                Ok(record) => self.records.push(record),
                // A newer release wrote it, and will read it.
                Err(error) => {
                    log::error!(
                        "ledger: a record in the journal cannot be read by this release and stays there: {error}"
                    );
                    self.stuck.push(segment.id());
                    return self.note(segment, from + end as u64);
                }
            }
            end = next;
            is_full = self.records.len() >= BATCH;
        }
        self.more |= is_full;
        self.damaged += frames.skipped();
        // Behind the last record of a segment there is nothing, or a record that was never finished.
        let to = if is_full {
            from + end as u64
        } else if sealed {
            from + bytes.len() as u64
        } else {
            from + end as u64
        };
        self.note(segment, to)
    }

    fn note(&mut self, segment: &Segment, booked: u64) -> io::Result<()> {
        self.progress.push(Progress { segment: segment.id(), booked });
        Ok(())
    }
}
