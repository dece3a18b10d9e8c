//! Records in a segment: each behind its length and a checksum, found again even after a damaged one.
//!
//! The mark and the checksum depend on the segment's id, so a segment that is used again needs no wiping: what
//! its old records left is never taken for a new one.

use std::ops::Range;

/// Bytes before a payload: mark, length, checksum, each 32 bits in little endian.
pub(in crate::ledger) const FRAME: usize = 12;

/// Four bytes that begin each record of a segment.
const fn mark(segment: u64) -> [u8; 4] {
    // Spread, so that neither zeros nor text is likely to look like it.
    let mixed = (segment ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let [a, b, c, d, ..] = mixed.to_be_bytes();
    [a | 0x80, b, c, d]
}

fn checksum(segment: u64, length: [u8; 4], payload: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize().to_le_bytes()
}

/// Fills in the first [`FRAME`] bytes of a buffer whose rest is the payload.
pub(in crate::ledger) fn finish(segment: u64, buffer: &mut [u8]) {
    let Some((head, payload)) = buffer.split_at_mut_checked(FRAME) else { return };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = checksum(segment, length, payload);
    for (place, bytes) in head.chunks_exact_mut(4).zip([mark(segment), length, sum]) {
        place.copy_from_slice(&bytes);
    }
}

/// Walks over the records in a piece of a segment.
pub(in crate::ledger) struct Frames<'a> {
    segment: u64,
    bytes: &'a [u8],
    at: usize,
    skipped: usize,
}

impl<'a> Frames<'a> {
    pub(in crate::ledger) const fn new(segment: u64, bytes: &'a [u8]) -> Self {
        Self { segment, bytes, at: 0, skipped: 0 }
    }

    /// Bytes passed over because they were no record, though one followed.
    pub(in crate::ledger) const fn skipped(&self) -> usize {
        self.skipped
    }

    /// The payload of a whole record that begins here.
    fn payload(&self, at: usize) -> Option<Range<usize>> {
        let head = self.bytes.get(at..at + FRAME)?;
        let word = |n: usize| head.get(4 * n..4 * n + 4).and_then(|word| <[u8; 4]>::try_from(word).ok());
        let (found, length, sum) = (word(0)?, word(1)?, word(2)?);
        if found != mark(self.segment) {
            return None;
        }
        let end = (at + FRAME).checked_add(usize::try_from(u32::from_le_bytes(length)).ok()?)?;
        let payload = self.bytes.get(at + FRAME..end)?;
        (checksum(self.segment, length, payload) == sum).then_some(at + FRAME..end)
    }
}

impl<'a> Iterator for Frames<'a> {
    /// The payload, and where the next record begins.
    type Item = (&'a [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        let mut from = self.at;
        let payload = loop {
            if let Some(payload) = self.payload(from) {
                break payload;
            }
            // Damaged, torn or the end: whatever whole record comes next is good.
            let rest = self.bytes.get(from + 1..)?;
            from += 1 + memchr::memmem::find(rest, &mark(self.segment))?;
        };
        self.skipped += from - self.at;
        self.at = payload.end;
        Some((self.bytes.get(payload)?, self.at))
    }
}
