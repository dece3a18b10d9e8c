//! Where rows come from: LiteLLM's database, only read and all at one moment, or files that it was copied to.

use super::ImportError;
use crate::store::db::{Db, Store};
use crate::store::settings::{DatabaseSettings, Target};
use crate::store::table::Doc;
use csv::{Reader, StringRecord};
use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, Postgres, Row, Transaction};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Rows that are read at one time.
pub(super) const BATCH: usize = 500;

/// Everything is as it was when the first statement ran, however long the reading takes, and nothing can be written.
const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL default_transaction_read_only = on; SET LOCAL extra_float_digits = 3; SET LOCAL statement_timeout = 0";
const IS_TABLE: &str = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'f')";
const TABLES: &str = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f')";
const FETCH: &str = "FETCH 500 FROM tollgate_rows";
/// Any number that no other program is likely to lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7311070222)";

/// LiteLLM's tables.
pub struct Source {
    from: From,
}

enum From {
    Server { transaction: Transaction<'static, Postgres>, schema: String, is_open: bool },
    Folder { folder: PathBuf, file: Option<(Reader<File>, StringRecord)> },
}

impl Source {
    /// Connects to LiteLLM's database.
    ///
    /// # Errors
    /// It cannot be reached, or is none.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, ImportError> {
        let mut source = Self::at(settings).await?;
        let is_litellms = source.has(super::kinds::KEY_TABLE).await?;
        if is_litellms { Ok(source) } else { Err(ImportError::NotLiteLlm("this database")) }
    }

    async fn at(settings: &DatabaseSettings) -> Result<Self, ImportError> {
        let Target::Postgres { url, schema, .. } = &settings.target else {
            return Err(ImportError::NotPostgres);
        };
        let options = PgConnectOptions::from_str(url.expose())
            .map_err(|_| ImportError::BadUrl)?
            .statement_cache_capacity(0)
            .extra_float_digits(None)
            .application_name("tollgate import");
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(settings.pool_timeout);
        let transaction = pool.connect_lazy_with(options).begin_with(BEGIN).await?;
        Self::of(transaction, schema.clone()).await
    }

    /// LiteLLM's tables in the very database of a store, if there are any. Others who want the same wait.
    pub(super) async fn beside(
        store: &Store,
        settings: &DatabaseSettings,
    ) -> Result<Option<Self>, ImportError> {
        let Db::Postgres(pool) = &store.db else { return Ok(None) };
        let Target::Postgres { schema, .. } = &settings.target else { return Ok(None) };
        let mut source = if settings.connections > 1 {
            Self::of(pool.begin_with(BEGIN).await?, schema.clone()).await?
        } else {
            // The only connection of the store is needed for writing.
            Self::at(settings).await?
        };
        if !source.has(super::kinds::KEY_TABLE).await? {
            return Ok(None);
        }
        if let From::Server { transaction, .. } = &mut source.from {
            sqlx::query(LOCK).persistent(false).execute(&mut **transaction).await?;
        }
        Ok(Some(source))
    }

    /// Reads files like `LiteLLM_VerificationToken.csv` in a folder.
    ///
    /// # Errors
    /// There is none.
    pub fn folder(folder: &Path) -> Result<Self, ImportError> {
        let source = Self { from: From::Folder { folder: folder.to_owned(), file: None } };
        let known = super::kinds::ALL.iter().any(|kind| file_of(folder, kind.table).is_file());
        if known { Ok(source) } else { Err(ImportError::NotLiteLlm("this folder")) }
    }

    async fn of(
        mut transaction: Transaction<'static, Postgres>,
        schema: Option<String>,
    ) -> Result<Self, ImportError> {
        let schema = match schema {
            Some(schema) => schema,
            None => {
                let asked = sqlx::query_scalar("SELECT current_schema()::text").persistent(false);
                asked.fetch_one(&mut *transaction).await?
            }
        };
        Ok(Self { from: From::Server { transaction, schema, is_open: false } })
    }

    /// Whether a table is there; a view is none.
    pub(super) async fn has(&mut self, table: &str) -> Result<bool, ImportError> {
        match &mut self.from {
            From::Folder { folder, .. } => Ok(file_of(folder, table).is_file()),
            From::Server { transaction, schema, .. } => {
                let asked =
                    sqlx::query_scalar::<_, i64>(IS_TABLE).persistent(false).bind(&*schema).bind(table);
                Ok(asked.fetch_one(&mut **transaction).await? > 0)
            }
        }
    }

    /// LiteLLM's tables that are there, by name.
    pub(super) async fn tables(&mut self) -> Result<Vec<String>, ImportError> {
        let mut tables: Vec<String> = match &mut self.from {
            From::Folder { folder, .. } => {
                let fault = |error: std::io::Error| {
                    ImportError::File(folder.display().to_string(), error.to_string())
                };
                let entries = std::fs::read_dir(&*folder).map_err(fault)?;
                let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
                names.filter_map(|name| Some(name.strip_suffix(".csv")?.to_owned())).collect()
            }
            From::Server { transaction, schema, .. } => {
                let asked = sqlx::query_scalar(TABLES).persistent(false).bind(&*schema);
                asked.fetch_all(&mut **transaction).await?
            }
        };
        tables.retain(|table| table.starts_with("LiteLLM_"));
        tables.sort_unstable();
        Ok(tables)
    }

    /// How many rows a table has.
    pub(super) async fn count(&mut self, table: &str) -> Result<u64, ImportError> {
        if let From::Server { transaction, schema, .. } = &mut self.from {
            let sql = format!("SELECT count(*) FROM \"{schema}\".\"{}\"", table.replace('"', "\"\""));
            let rows: i64 = sqlx::query_scalar(&sql).persistent(false).fetch_one(&mut **transaction).await?;
            return Ok(u64::try_from(rows).unwrap_or_default());
        }
        let mut rows = 0;
        if self.open(table, &[]).await? {
            while let Some(some) = self.next().await? {
                rows += some.len() as u64;
            }
        }
        Ok(rows)
    }

    /// Begins to read a table, in the order of these columns if it comes from a database; false if there is none.
    pub(super) async fn open(&mut self, table: &str, order: &[&str]) -> Result<bool, ImportError> {
        if !self.has(table).await? {
            return Ok(false);
        }
        match &mut self.from {
            From::Folder { folder, file } => {
                let path = file_of(folder, table);
                let mut reader = Reader::from_path(&path).map_err(|fault| bad_file(&path, &fault))?;
                let names = reader.headers().map_err(|fault| bad_file(&path, &fault))?.clone();
                *file = Some((reader, names));
            }
            From::Server { transaction, schema, is_open } => {
                if std::mem::replace(is_open, true) {
                    transaction.execute("CLOSE tollgate_rows").await?;
                }
                let order: Vec<String> = order.iter().map(|column| format!("t.\"{column}\"")).collect();
                let order =
                    if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
                let sql = format!(
                    "DECLARE tollgate_rows NO SCROLL CURSOR FOR SELECT row_to_json(t)::text FROM \"{schema}\".\"{table}\" t{order}"
                );
                transaction.execute(sql.as_str()).await?;
            }
        }
        Ok(true)
    }

    /// The next rows of the table; `None` at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Doc>>, ImportError> {
        let rows: Vec<Doc> = match &mut self.from {
            From::Folder { folder, file } => {
                let Some((reader, names)) = file else { return Ok(None) };
                let rows = reader.records().take(BATCH).map(|row| Ok(from_record(names, &row?)));
                rows.collect::<Result<_, csv::Error>>().map_err(|fault| bad_file(folder, &fault))?
            }
            From::Server { transaction, .. } => {
                let rows = sqlx::query(FETCH).persistent(false).fetch_all(&mut **transaction).await?;
                let texts: Vec<String> =
                    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>()?;
                texts.iter().map(|text| from_json(text).ok_or(ImportError::Row)).collect::<Result<_, _>>()?
            }
        };
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }
}

fn file_of(folder: &Path, table: &str) -> PathBuf {
    folder.join(format!("{table}.csv"))
}

/// What is wrong with a file, without what stands in it.
fn bad_file(path: &Path, fault: &csv::Error) -> ImportError {
    let place = fault.position().map(|at| format!(" in line {}", at.line())).unwrap_or_default();
    let why = match fault.kind() {
        csv::ErrorKind::Io(fault) => fault.to_string(),
        csv::ErrorKind::Utf8 { .. } => format!("not UTF-8{place}"),
        _ => format!("not a row of this table{place}"),
    };
    ImportError::File(path.display().to_string(), why)
}

/// Money stays the text that it is, because a float read from JSON may be off by its last digit.
fn from_json(text: &str) -> Option<Doc> {
    let row: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let read = |(name, raw): (String, &RawValue)| {
        let is_money = name == "spend" && raw.get() != "null";
        let value = if is_money {
            Value::from(raw.get().trim_matches('"'))
        } else {
            serde_json::from_str(raw.get()).ok()?
        };
        Some((name, value))
    };
    row.into_iter().map(read).collect()
}

/// A field of a file is a text or, if it is empty, nothing.
fn from_record(names: &StringRecord, record: &StringRecord) -> Doc {
    let filled = names.iter().zip(record).filter(|(_, value)| !value.is_empty());
    filled.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}
