//! Brings the schema up to date: once, whoever comes first, under a lock.
//!
//! A migration only adds. Within a major version an older release goes on working on a newer schema,
//! so replicas can be upgraded one by one and gone back with; another major is refused.

use super::db::{Db, File, StoreError};
use super::server::Server;
use sqlx::{Executor, Row, SqlitePool};

struct Migration {
    minor: i64,
    name: &'static str,
    /// Empty if there is nothing to do.
    postgres: &'static str,
    sqlite: &'static str,
}

macro_rules! migration {
    ($minor:expr, $name:literal) => {
        Migration {
            postgres: include_str!(concat!("../../migrations/postgres/1.", $name, ".sql")),
            ..migration!($minor, $name, in a file)
        }
    };
    ($minor:expr, $name:literal, in a file) => {
        Migration {
            minor: $minor,
            name: $name,
            postgres: "",
            sqlite: include_str!(concat!("../../migrations/sqlite/1.", $name, ".sql")),
        }
    };
}

const MAJOR: i64 = 1;
/// What makes a view anew, unless a table has its name.
const LOGS: i64 = 8;
static ALL: &[Migration] = &[
    migration!(1, "001_entities"),
    migration!(2, "002_usage"),
    migration!(3, "003_import"),
    migration!(4, "004_lists"),
    migration!(5, "005_find"),
    migration!(6, "006_books"),
    migration!(7, "007_alike", in a file),
    migration!(LOGS, "008_logs", in a file),
    migration!(9, "009_lists", in a file),
];

/// Any number that no other program is likely to lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7311070221)";
const SCHEMA: &str = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
const CREATE: &str = "CREATE TABLE IF NOT EXISTS tollgate_schema (major BIGINT NOT NULL, minor BIGINT NOT NULL, \
                      name TEXT NOT NULL, PRIMARY KEY (major, minor))";
const FOUND: &str = "SELECT major, minor FROM tollgate_schema ORDER BY major, minor";
const NOTE: &str = "INSERT INTO tollgate_schema (major, minor, name) VALUES ($1, $2, $3)";

const IS_TABLE: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'LiteLLM_SpendLogs')";

/// Applies in a transaction what its schema has not seen yet, but for what is to be left out.
macro_rules! apply {
    ($transaction:ident, $dialect:ident, $left_out:expr) => {{
        $transaction.execute(CREATE).await?;
        let found = sqlx::query(FOUND).fetch_all(&mut *$transaction).await?;
        let found: Vec<(i64, i64)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        for migration in missing(&found)? {
            if !migration.$dialect.is_empty() && $left_out != Some(migration.minor) {
                $transaction.execute(migration.$dialect).await?;
            }
            let noted = sqlx::query(NOTE).bind(MAJOR).bind(migration.minor).bind(migration.name);
            noted.execute(&mut *$transaction).await?;
        }
        $transaction.commit().await?;
    }};
}

pub(super) async fn run(db: &Db) -> Result<(), StoreError> {
    match db {
        Db::Postgres(server) => on_server(server).await,
        Db::Sqlite(File { pool, .. }) => on_file(pool).await,
    }
}

async fn on_server(server: &Server) -> Result<(), StoreError> {
    let mut transaction = server.begin().await?;
    // An index on many rows takes its time, and so does another process that is faster.
    transaction.execute("SET LOCAL statement_timeout = 0").await?;
    transaction.execute(LOCK).await?;
    if let Some(schema) = server.schema() {
        let known = sqlx::query(SCHEMA).bind(schema).fetch_optional(&mut *transaction).await?;
        if known.is_none() {
            transaction.execute(format!("CREATE SCHEMA \"{schema}\"").as_str()).await?;
        }
    }
    apply!(transaction, postgres, None);
    Ok(())
}

async fn on_file(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let is_table: bool = sqlx::query_scalar(IS_TABLE).fetch_one(&mut *transaction).await?;
    apply!(transaction, sqlite, is_table.then_some(LOGS));
    Ok(())
}

/// What is still to be done on a schema that has seen `found`.
fn missing(found: &[(i64, i64)]) -> Result<impl Iterator<Item = &'static Migration> + use<'_>, StoreError> {
    if let Some((major, minor)) = found.iter().find(|(major, _)| *major > MAJOR) {
        let newest = ALL.last().map_or(0, |migration| migration.minor);
        return Err(StoreError::Newer {
            found: format!("{major}.{minor:03}"),
            known: format!("{MAJOR}.{newest:03}"),
        });
    }
    Ok(ALL.iter().filter(|migration| !found.contains(&(MAJOR, migration.minor))))
}
