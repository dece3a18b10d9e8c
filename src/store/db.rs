//! The pools, and the one macro that runs a statement on either.

use super::migrate;
use super::server::Server;
use super::settings::{DatabaseSettings, Target};
use super::writer::Writer;
use crate::domain::Secret;
use sqlx::SqlitePool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The database. Cloning shares the pool.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) db: Db,
    /// Whether it answered when it was last asked for changes, which is several times a second.
    pub(super) answers: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
pub(super) enum Db {
    Postgres(Server),
    Sqlite(File),
}

/// A SQLite file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) pool: SqlitePool,
    pub(super) writer: Arc<Writer>,
}

/// Why the database did not do what it was asked. No message holds a bound value or a credential.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or has no free connection.
    #[error("the database cannot be reached: {0}")]
    Away(String),
    /// A row with that id or that unique value is there already.
    #[error("{0} is taken")]
    Taken(String),
    /// The disk is full.
    #[error("the disk of the database is full")]
    Full,
    /// The schema was made by a release this one cannot work with.
    #[error("the database has schema {found}, this release works with {known}: use a newer release")]
    Newer {
        /// What is there.
        found: String,
        /// What is known.
        known: String,
    },
    /// The folder or the file of the database cannot be made.
    #[error("cannot make {0}: {1}")]
    File(String, String),
    /// Anything else.
    #[error("the database refused: {0}")]
    Refused(String),
}

/// Runs one expression with `$pool` bound to the pool of whichever database it is.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::store::db::Db::Postgres($pool) => $body,
            $crate::store::db::Db::Sqlite($crate::store::db::File { pool: $pool, .. }) => $body,
        }
    };
}
pub(super) use on;

/// A writer of SQLite waits so long for another.
pub(super) const BUSY: Duration = Duration::from_secs(10);

impl Store {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError`]; the caller decides whether to go on without.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let store = Self::connect(settings)?;
        store.migrate().await?;
        Ok(store)
    }

    /// Connects at the first use, and leaves the schema alone.
    ///
    /// # Errors
    /// [`StoreError`] if the settings make no sense.
    pub fn connect(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let db = match &settings.target {
            Target::Sqlite(file) => {
                let pool = sqlite(file, settings)?;
                Db::Sqlite(File { pool, writer: Arc::new(Writer::new(file.clone())) })
            }
            Target::Postgres { url, schema, pooled } => {
                Db::Postgres(postgres(url, schema.as_deref(), *pooled, settings)?)
            }
        };
        Ok(Self { db, answers: Arc::default() })
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let done = migrate::run(&self.db).await;
        self.answers.store(done.is_ok(), Ordering::Relaxed);
        done
    }

    /// Whether it answered lately; asks nothing.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    /// Asks for an answer, for readiness.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        on!(&self.db, pool => sqlx::query("SELECT 1").execute(pool).await.map(drop)).map_err(StoreError::from)
    }

    /// Whether this is SQLite: a file of this process alone.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self.db, Db::Sqlite(_))
    }

    /// Makes SQLite believe that the disk holds no more than so many pages.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&self, pages: u32) {
        let Db::Sqlite(file) = &self.db else { return };
        let limit = |connection: &mut rusqlite::Connection| {
            Ok(connection.pragma_update(None, "max_page_count", pages)?)
        };
        file.writer.with(limit).unwrap_or_default();
    }

    /// The first column of the first row.
    #[cfg(test)]
    pub(crate) async fn number(&self, sql: &str) -> Option<i64> {
        on!(&self.db, pool => sqlx::query_scalar(sql).fetch_one(pool).await.ok())
    }

    /// Gives all connections back.
    pub async fn close(&self) {
        if let Db::Sqlite(file) = &self.db {
            file.writer.close();
        }
        on!(&self.db, pool => pool.close().await);
    }
}

fn sqlite(file: &Path, settings: &DatabaseSettings) -> Result<SqlitePool, StoreError> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::File(folder.display().to_string(), error.to_string()))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
        .foreign_keys(false);
    let pool = SqlitePoolOptions::new()
        .max_connections(settings.connections)
        .acquire_timeout(settings.pool_timeout)
        .connect_lazy_with(options);
    Ok(pool)
}

fn postgres(
    url: &Secret,
    schema: Option<&str>,
    pooled: bool,
    settings: &DatabaseSettings,
) -> Result<Server, StoreError> {
    let options = PgConnectOptions::from_str(url.expose())
        .map_err(|_| StoreError::Refused("the database URL cannot be read".to_owned()))?
        .application_name("tollgate");
    let pool =
        PgPoolOptions::new().max_connections(settings.connections).acquire_timeout(settings.pool_timeout);
    Ok(Server::new(pool, options, schema, pooled))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(fault) => refused(fault.as_ref()),
            sqlx::Error::PoolTimedOut => Self::Away("no free connection in time".to_owned()),
            sqlx::Error::PoolClosed => Self::Away("it is closed".to_owned()),
            sqlx::Error::Io(fault) => Self::Away(fault.to_string()),
            sqlx::Error::Tls(fault) => Self::Away(fault.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

fn refused(fault: &dyn sqlx::error::DatabaseError) -> StoreError {
    if fault.is_unique_violation() {
        return StoreError::Taken("that value".to_owned());
    }
    match fault.code().as_deref() {
        // SQLITE_FULL; Postgres: disk_full.
        Some("13" | "53100") => StoreError::Full,
        // Postgres: too many connections, going away, starting up; SQLITE_CANTOPEN, SQLITE_IOERR.
        Some("53300" | "57P01" | "57P02" | "57P03" | "14" | "10") => {
            StoreError::Away(fault.message().to_owned())
        }
        _ => StoreError::Refused(fault.message().to_owned()),
    }
}
