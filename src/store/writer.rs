//! The connection that books on a SQLite file.
//!
//! It belongs to the thread that books, which waits for the disk anyway: statements stay prepared, the pages of the indexes
//! stay in its cache, and values are bound where they are. The connections of the pool have threads of their
//! own, to which each value must be copied.

use super::db::{BUSY, StoreError};
use super::usage::Numbers;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Page cache, in KiB; it grows as it is used.
const CACHE: i64 = 8 * 1024;
/// Pages of the log before they are moved to the file. Most pages of a batch are changed again by the next one.
const CHECKPOINT: i64 = 4000;

/// Statements that stay prepared: all there are, and some.
const STATEMENTS: usize = 32;

/// Opened at the first use.
#[derive(Debug)]
pub(super) struct Writer {
    file: PathBuf,
    connection: Mutex<Option<Connection>>,
    /// Rows that were booked since it was last seen that too few are in no index; all of them at the start.
    unseen: AtomicU64,
    /// What stands in committed rows.
    numbers: Mutex<Numbers>,
}

impl Writer {
    pub(super) fn new(file: PathBuf) -> Self {
        let (connection, numbers) = (Mutex::default(), Mutex::default());
        Self { file, connection, unseen: AtomicU64::new(u64::MAX), numbers }
    }

    fn held(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the connection.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut held = self.held();
        let connection = match held.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        work(held.insert(connection))
    }

    /// Does something in a transaction, which is committed if the outcome's inner part is `Ok`.
    pub(super) fn transaction<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<Result<T, E>, StoreError>,
    ) -> Result<Result<T, E>, StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let outcome = work(&transaction)?;
            if outcome.is_ok() {
                transaction.commit()?;
            }
            Ok(outcome)
        })
    }

    /// Notes that so many rows were booked.
    pub(super) fn added(&self, rows: usize) {
        let unseen = self.unseen.load(Ordering::Relaxed);
        self.unseen.store(unseen.saturating_add(rows as u64), Ordering::Relaxed);
    }

    /// Whether there may be rows enough for another span.
    pub(super) fn span_is_due(&self, rows: u64) -> bool {
        self.unseen.load(Ordering::Relaxed) >= rows
    }

    /// Notes that there are not.
    pub(super) fn span_is_open(&self) {
        self.unseen.store(0, Ordering::Relaxed);
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of what calls share, for a transaction that may add to them: forgotten here unless they are given
    /// back after its commit.
    pub(super) fn take_numbers(&self) -> Numbers {
        std::mem::take(&mut self.numbers())
    }

    /// Gives them back.
    pub(super) fn keep_numbers(&self, numbers: Numbers) {
        *self.numbers() = numbers;
    }

    fn open(&self) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open(&self.file)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.pragma_update(None, "cache_size", -CACHE)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
        Ok(connection)
    }

    pub(super) fn close(&self) {
        drop(self.held().take());
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => Self::Away(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}
