//! Whose journal is whose: a folder with a locked file for each process.
//!
//! A process takes the first folder that nobody holds, and with it what a process before it left there. It also
//! reads what it finds in others that nobody holds, at its start and now and then: several processes may share a
//! data folder, and come and go.

use super::segment::{Found, Segment};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Processes that may share a data folder.
const MOST: usize = 64;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder or a file cannot be made, read or locked.
    #[error("the journal in {0}: {1}")]
    Io(PathBuf, io::Error),
    /// Too many processes share the data folder.
    #[error("the journal in {0} is used by {MOST} processes already: give this one a --data-dir of its own")]
    Taken(PathBuf),
}

/// A folder that only this process uses, as long as this lives.
#[derive(Debug)]
pub(in crate::ledger) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// This process's folder, and others that it may read and empty.
#[derive(Debug)]
pub(in crate::ledger) struct Folders {
    own: Folder,
    others: Vec<Folder>,
}

impl Folders {
    pub(in crate::ledger) fn lock(root: &Path) -> Result<Self, OpenError> {
        let fault = |error| OpenError::Io(root.to_owned(), error);
        let mut own = None;
        let mut others = Vec::new();
        for number in 0..MOST {
            let path = root.join(number.to_string());
            if own.is_some() && !path.is_dir() {
                continue;
            }
            if let Some(folder) = Folder::lock(path).map_err(fault)? {
                match own {
                    None => own = Some(folder),
                    Some(_) => others.push(folder),
                }
            }
        }
        let own = own.ok_or_else(|| OpenError::Taken(root.to_owned()))?;
        Ok(Self { own, others })
    }

    /// Where new segments go.
    pub(in crate::ledger) fn own(&self) -> &Path {
        &self.own.path
    }

    /// The segments of a process that has ended since, if it left any.
    pub(in crate::ledger) fn adopt(&mut self, root: &Path) -> Result<Vec<Segment>, OpenError> {
        let fault = |error| OpenError::Io(root.to_owned(), error);
        for number in 0..MOST {
            let path = root.join(number.to_string());
            let is_held = self.others.iter().chain([&self.own]).any(|folder| folder.path == path);
            if is_held || !path.is_dir() {
                continue;
            }
            let Some(folder) = Folder::lock(path).map_err(fault)? else { continue };
            let mut found = Vec::new();
            folder.segments(&mut found).map_err(fault)?;
            if !found.is_empty() {
                self.others.push(folder);
                return Ok(found.into_iter().map(|(_, segment)| segment).collect());
            }
        }
        Ok(Vec::new())
    }

    /// The segments that were left, oldest first, each with its length; files that are none are set aside.
    pub(in crate::ledger) fn left(&self) -> Result<Vec<Segment>, OpenError> {
        let mut found = Vec::new();
        for folder in [&self.own].into_iter().chain(&self.others) {
            folder.segments(&mut found).map_err(|error| OpenError::Io(folder.path.clone(), error))?;
        }
        found.sort_by_key(|(changed, _)| *changed);
        Ok(found.into_iter().map(|(_, segment)| segment).collect())
    }
}

impl Folder {
    fn lock(path: PathBuf) -> io::Result<Option<Self>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { path, _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn segments(&self, found: &mut Vec<(std::time::SystemTime, Segment)>) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "seg") {
                continue;
            }
            match Segment::open(&path)? {
                Found::Segment(segment) => found.push((fs::metadata(&path)?.modified()?, segment)),
                Found::Unfinished => fs::remove_file(&path)?,
                // Kept for somebody to look at.
                Found::Foreign => {
                    log::error!("journal: {} is no segment and is set aside", path.display());
                    fs::rename(&path, path.with_extension("bad"))?;
                }
            }
        }
        Ok(())
    }
}
