//! One file of the journal: a head that names it, then records up to where the lane is.

use crate::ledger::codec::FRAME;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Size of a segment, in bytes; about two thousand records.
pub(in crate::ledger) const SEGMENT: u64 = 1024 * 1024;
/// Bytes before the first record.
pub(in crate::ledger) const HEAD: u64 = 32;
const MAGIC: &[u8; 8] = b"tgjrnl\x00\x01";

/// A segment. Its id is drawn at random and never used twice, because the database remembers by it how far
/// the records are booked.
#[derive(Debug)]
pub(in crate::ledger) struct Segment {
    id: u64,
    path: PathBuf,
    file: File,
    /// Where the records end.
    written: AtomicU64,
    /// Up to where a power cut can do no harm.
    synced: AtomicU64,
    /// Up to where the records are in the database.
    booked: AtomicU64,
    /// Nothing is appended any more.
    sealed: AtomicBool,
    /// Whether an earlier process wrote it.
    earlier: bool,
}

fn new_id() -> u64 {
    // 63 bits: both databases count in signed integers.
    fastrand::u64(1..u64::MAX / 2)
}

fn head(id: u64) -> [u8; 32] {
    let mut head = [0; 32];
    head[..8].copy_from_slice(MAGIC);
    head[8..16].copy_from_slice(&id.to_le_bytes());
    let sum = crc32fast::hash(&head[..16]);
    head[16..20].copy_from_slice(&sum.to_le_bytes());
    head
}

/// What a file turned out to be.
pub(in crate::ledger) enum Found {
    /// A segment.
    Segment(Segment),
    /// A file that its process did not live to finish: there was never a record in it.
    Unfinished,
    /// Something else.
    Foreign,
}

/// The head of a file; zeros where it is shorter.
fn read_head(file: &File) -> io::Result<[u8; 32]> {
    let mut found = [0; 32];
    match file.read_exact_at(&mut found, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok([0; 32]),
        other => other.map(|()| found),
    }
}

impl Segment {
    /// Makes a new file of full size, blocks and all.
    pub(in crate::ledger) fn create(folder: &Path) -> io::Result<Self> {
        let id = new_id();
        let path = folder.join(format!("{id:016x}.seg"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let segment = Self::with(id, path, file, HEAD);
        let filled = segment.fill();
        if filled.is_err() {
            // It would hold blocks that others need.
            drop(std::fs::remove_file(&segment.path));
        }
        filled.map(|()| segment)
    }

    /// Zeros are written rather than promised: promised blocks cost a metadata update when they are filled.
    fn fill(&self) -> io::Result<()> {
        const STEP: usize = 64 * 1024;
        let zeros = [0u8; STEP];
        for at in (0..SEGMENT).step_by(STEP) {
            self.file.write_all_at(&zeros, at)?;
        }
        self.file.write_all_at(&head(self.id), 0)
    }

    /// Opens what another process left. The head is the last thing to be written of a new file.
    pub(in crate::ledger) fn open(path: &Path) -> io::Result<Found> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let found = read_head(&file)?;
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, ..] = found;
        let id = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        if found == [0; 32] {
            return Ok(Found::Unfinished);
        }
        if found != head(id) {
            return Ok(Found::Foreign);
        }
        let segment = Self { earlier: true, ..Self::with(id, path.to_owned(), file, length) };
        segment.sealed.store(true, Ordering::Relaxed);
        Ok(Found::Segment(segment))
    }

    const fn with(id: u64, path: PathBuf, file: File, written: u64) -> Self {
        Self {
            id,
            path,
            file,
            written: AtomicU64::new(written),
            synced: AtomicU64::new(0),
            booked: AtomicU64::new(HEAD),
            sealed: AtomicBool::new(false),
            earlier: false,
        }
    }

    /// Begins its life anew under another id, empty.
    pub(in crate::ledger) fn recycle(self) -> io::Result<Self> {
        let id = new_id();
        if self.file.metadata()?.len() != SEGMENT {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        self.file.write_all_at(&head(id), 0)?;
        self.file.sync_data()?;
        Ok(Self::with(id, self.path, self.file, HEAD))
    }

    /// Removes the file.
    pub(in crate::ledger) fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    pub(in crate::ledger) fn is_in(&self, folder: &Path) -> bool {
        self.path.parent() == Some(folder)
    }

    pub(in crate::ledger) const fn id(&self) -> u64 {
        self.id
    }

    /// Where the records end.
    pub(in crate::ledger) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Up to where the records are in the database.
    pub(in crate::ledger) fn booked(&self) -> u64 {
        self.booked.load(Ordering::Relaxed)
    }

    pub(in crate::ledger) fn set_booked(&self, to: u64) {
        self.booked.store(to, Ordering::Relaxed);
    }

    /// Bytes that are not in the database yet.
    pub(in crate::ledger) fn waiting(&self) -> u64 {
        self.written().saturating_sub(self.booked())
    }

    /// Whether an earlier process wrote it.
    pub(in crate::ledger) const fn is_earlier(&self) -> bool {
        self.earlier
    }

    pub(in crate::ledger) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    pub(in crate::ledger) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// Puts a whole record at `at`; only one lane does.
    pub(super) fn append(&self, frame: &[u8], at: u64) -> io::Result<u64> {
        self.file.write_all_at(frame, at)?;
        let end = at + frame.len() as u64;
        self.written.store(end, Ordering::Release);
        Ok(end)
    }

    /// The bytes from `from` to where the records end; the buffer grows to hold them.
    pub(in crate::ledger) fn read<'b>(&self, from: u64, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        let length = usize::try_from(self.written().saturating_sub(from)).unwrap_or_default();
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let bytes = buffer.get_mut(..length).unwrap_or_default();
        self.file.read_exact_at(bytes, from)?;
        Ok(bytes)
    }

    /// Makes what was appended so far outlive a power cut.
    pub(in crate::ledger) fn sync(&self) -> io::Result<()> {
        let written = self.written();
        if self.synced.load(Ordering::Relaxed) < written {
            self.file.sync_data()?;
            self.synced.store(written, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Whether a record of that size fits into an empty segment.
pub(in crate::ledger) const fn fits(frame: usize) -> bool {
    frame > FRAME && frame as u64 <= SEGMENT - HEAD
}
