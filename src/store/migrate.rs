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
    postgres: &'static str,
    sqlite: &'static str,
}

macro_rules! migration {
    ($minor:literal, $name:literal) => {
        Migration {
            minor: $minor,
            name: $name,
            postgres: include_str!(concat!("../../migrations/postgres/1.", $name, ".sql")),
            sqlite: include_str!(concat!("../../migrations/sqlite/1.", $name, ".sql")),
        }
    };
}

const MAJOR: i64 = 1;
static ALL: &[Migration] = &[
    migration!(1, "001_entities"),
    migration!(2, "002_usage"),
    migration!(3, "003_import"),
    migration!(4, "004_lists"),
    migration!(5, "005_find"),
    migration!(6, "006_books"),
];

/// Any number that no other program is likely to lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7311070221)";
const SCHEMA: &str = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
const CREATE: &str = "CREATE TABLE IF NOT EXISTS tollgate_schema (major BIGINT NOT NULL, minor BIGINT NOT NULL, \
                      name TEXT NOT NULL, PRIMARY KEY (major, minor))";
const FOUND: &str = "SELECT major, minor FROM tollgate_schema ORDER BY major, minor";
const NOTE: &str = "INSERT INTO tollgate_schema (major, minor, name) VALUES ($1, $2, $3)";

/// Applies in a transaction what its schema has not seen yet.
macro_rules! apply {
    ($transaction:ident, $dialect:ident) => {{
        $transaction.execute(CREATE).await?;
        let found = sqlx::query(FOUND).fetch_all(&mut *$transaction).await?;
        let found: Vec<(i64, i64)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        for migration in missing(&found)? {
            $transaction.execute(migration.$dialect).await?;
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
    apply!(transaction, postgres);
    Ok(())
}

async fn on_file(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    apply!(transaction, sqlite);
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
