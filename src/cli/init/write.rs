//! Files with secrets: whole or not at all, and for their owner's eyes only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// The file's owner alone may read and write it.
const MODE: u32 = 0o600;
/// What nobody but the owner may: others anything, the group more than reading, as a service's user does.
const TOO_MUCH: u32 = 0o037;

/// Keeps others from changing files of the folder in the same way while it lives.
#[derive(Debug)]
pub(in crate::cli) struct Lock {
    _folder: File,
}

impl Lock {
    /// Waits for whoever is at it.
    pub(in crate::cli) fn beside(file: &Path) -> io::Result<Self> {
        let folder = File::open(folder(file))?;
        match folder.lock() {
            // A file system without locks has no two writers either, as a rule.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
            _ => Ok(Self { _folder: folder }),
        }
    }
}

/// Puts the text in place of the file at one stroke: after a crash there is the old text or the new one.
pub(in crate::cli) fn replace(file: &Path, text: &str, _lock: &Lock) -> io::Result<()> {
    // What a link leads to is replaced, not the link.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let new = named_beside(&file, &format!("new-{:016x}", fastrand::u64(..)));
    let written = write(&new, text).and_then(|()| {
        if let Ok(held) = fs::metadata(&file) {
            // An administrator does not take the file away from the service's user.
            chown(&new, Some(held.uid()), Some(held.gid()))?;
            let mode = if held.mode() & TOO_MUCH == 0 { held.mode() & 0o777 } else { MODE };
            fs::set_permissions(&new, fs::Permissions::from_mode(mode))?;
        }
        fs::rename(&new, &file)
    });
    if written.is_err() {
        drop(fs::remove_file(&new));
    }
    written?;
    File::open(folder(&file))?.sync_all()
}

/// A copy of the file beside it, and its name.
pub(super) fn back_up(file: &Path, lock: &Lock) -> io::Result<PathBuf> {
    let text = fs::read_to_string(file)?;
    let copies = (1..10_000).map(|n| named_beside(file, &format!("bak{n}")));
    let Some(copy) = copies.into_iter().find(|copy| !copy.exists()) else {
        return Err(io::Error::other("there are too many copies already"));
    };
    replace(&copy, &text, lock)?;
    Ok(copy)
}

/// The same, named by the time in UTC.
pub(in crate::cli) fn back_up_dated(file: &Path, lock: &Lock) -> io::Result<PathBuf> {
    let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    let second = |n: u32| if n == 0 { String::new() } else { format!("-{n}") };
    let copies = (0..1000).map(|n| named_beside(file, &format!("{now}{}.bak", second(n))));
    let Some(copy) = copies.into_iter().find(|copy| !copy.exists()) else {
        return Err(io::Error::other("there are too many copies already"));
    };
    replace(&copy, &fs::read_to_string(file)?, lock)?;
    Ok(copy)
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut out = OpenOptions::new().write(true).create_new(true).mode(MODE).open(file)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()
}

/// Whether others than the owner, and its group for reading, may look at the file or change it.
pub(in crate::cli) fn is_open_to_others(file: &Path) -> io::Result<bool> {
    Ok(fs::metadata(file)?.mode() & TOO_MUCH != 0)
}

fn named_beside(file: &Path, end: &str) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{name}.{end}"))
}

fn folder(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
