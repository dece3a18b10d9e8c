//! A usage record as bytes: a version, then postcard of mirror structs, so that `domain` stays free of serde.
//!
//! What clients can make long is cut here, and NUL, which Postgres has no place for, is replaced: what was
//! written to the journal must never be refused by a database later. A new version of the payload gets a
//! new number and a struct beside the old one; an older journal stays readable.

mod frame;
mod stored;
#[cfg(test)]
pub(super) mod tests;
mod text;
mod words;

pub(super) use frame::{FRAME, Frames, finish};
pub(super) use text::Known;

use crate::domain::UsageRecord;
use postcard::ser_flavors::Flavor;
use stored::Stored;

/// The payload that is written.
const VERSION: u8 = 1;

/// Bytes that are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no usage record")]
pub(super) struct NoRecord;

/// Appends a record's payload. It takes at most about 500 KiB, whatever a client sent.
pub(super) fn encode(record: &UsageRecord, to: &mut Vec<u8>) -> Result<(), NoRecord> {
    to.push(VERSION);
    postcard::serialize_with_flavor(&Stored::of(record), Appending(to)).map_err(|_| NoRecord)
}

/// Texts are appended whole; the flavor that comes with postcard goes byte by byte.
struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads a payload.
pub(super) fn decode(payload: &[u8], known: &mut Known) -> Result<UsageRecord, NoRecord> {
    let (&VERSION, rest) = payload.split_first().ok_or(NoRecord)? else { return Err(NoRecord) };
    let stored: Stored<'_> = postcard::from_bytes(rest).map_err(|_| NoRecord)?;
    stored.record(known).ok_or(NoRecord)
}
