//! Bytes of a form that have come and wait: those that are held, then those in a file.

use bytes::Bytes;
use pingora::{ErrorType, OrErr, Result};
use std::io::SeekFrom;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{Semaphore, SemaphorePermit};

/// So many forms wait in files at a time.
static WAITING: Semaphore = Semaphore::const_new(32);
/// What is read of such a file at once, in bytes.
pub(super) const PIECE: usize = 64 * 1024;
const WHAT: &str = "an upload cannot wait on the disk";

/// Where the bytes of a form come from that the client does not have to be asked for.
#[derive(Default)]
pub(in crate::proxy) struct Source {
    held: Bytes,
    spool: Option<Spool>,
}

/// A file without a name, in which a form waits.
pub(super) struct Spool {
    file: File,
    left: u64,
    _place: SemaphorePermit<'static>,
}

impl Source {
    /// First these bytes, then those of the file.
    pub(super) const fn new(held: Bytes, spool: Option<Spool>) -> Self {
        Self { held, spool }
    }

    /// The next bytes that the client does not have to be asked for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(in crate::proxy) async fn next(&mut self) -> Result<Option<Bytes>> {
        if !self.held.is_empty() {
            return Ok(Some(self.held.split_to(self.held.len().min(PIECE))));
        }
        let Some(spool) = &mut self.spool else { return Ok(None) };
        let piece = spool.next().await?;
        if piece.is_none() {
            self.spool = None;
        }
        Ok(piece)
    }
}

impl Spool {
    /// An empty one; `None` if too many forms wait already.
    ///
    /// # Errors
    /// When no file can be made.
    pub(super) async fn open() -> Result<Option<Self>> {
        let Ok(place) = WAITING.try_acquire() else { return Ok(None) };
        let opened =
            tokio::task::spawn_blocking(tempfile::tempfile).await.or_err(ErrorType::InternalError, WHAT)?;
        let file = File::from_std(opened.or_err(ErrorType::InternalError, WHAT)?);
        Ok(Some(Self { file, left: 0, _place: place }))
    }

    /// How many bytes wait.
    pub(super) const fn len(&self) -> u64 {
        self.left
    }

    pub(super) async fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_all(piece).await.or_err(ErrorType::InternalError, WHAT)?;
        self.left += piece.len() as u64;
        Ok(())
    }

    /// Nothing more is written: what was is read from its beginning.
    pub(super) async fn rewind(&mut self) -> Result<()> {
        self.file.flush().await.or_err(ErrorType::InternalError, WHAT)?;
        self.file.seek(SeekFrom::Start(0)).await.or_err(ErrorType::InternalError, WHAT)?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let most = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        if most == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; most];
        let read = self.file.read_exact(&mut piece).await;
        read.or_err(ErrorType::ReadError, "an upload cannot be read back from the disk")?;
        self.left -= most as u64;
        Ok(Some(Bytes::from(piece)))
    }
}
