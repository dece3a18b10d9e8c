//! The pool of a Postgres, right also behind a pooler that gives each transaction another connection (PgBouncer).
//!
//! Such a pooler takes no session parameters, and what a session sets or prepares stays behind for others. So:
//! - parameters (`search_path`, `statement_timeout`) are asked for when connecting, together with a word that nobody else
//!   uses. If the pooler refuses them, or the word is not there afterwards, connections are taken to be shared;
//! - on a shared one every statement runs in a transaction that begins by setting the parameters for itself alone;
//! - no statement has a name. On a shared connection a name would meet another client's, and without a cache, which a
//!   shared connection cannot have, the driver would never forget it.

use futures::TryStreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, TryFutureExt};
use sqlx::error::BoxDynError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo,
};
use sqlx::{Describe, Either, Error, Execute, Executor, PgPool, Postgres, Row};
use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// No statement of ours takes longer, in milliseconds; one that does holds others up.
const STATEMENT_TIMEOUT: &str = "30000";
/// A parameter that only we set.
const WORD: &str = "tollgate.session";
/// A pooler's answer to a parameter that it does not know: a violation of the protocol.
const REFUSED: &str = "08P01";

const UNKNOWN: u8 = 0;
const OWN: u8 = 1;
const SHARED: u8 = 2;

/// A pool of connections to a Postgres. Cloning shares it.
#[derive(Clone)]
pub(in crate::store) struct Server {
    pool: PgPool,
    shared: Arc<Shared>,
}

struct Shared {
    /// Whether connections keep what is set on them.
    kind: AtomicU8,
    /// Options without session parameters.
    plain: PgConnectOptions,
    /// Begins a transaction that sets what the session cannot keep.
    begin: String,
    schema: Option<String>,
    word: String,
}

/// A transaction; it is rolled back when it is dropped.
pub(in crate::store) struct Transaction {
    connection: Connection,
}

/// The connection of a transaction.
pub(in crate::store) struct Connection {
    transaction: sqlx::Transaction<'static, Postgres>,
}

// === impl Server ===

impl Server {
    /// Connects at the first use. `is_shared` is for those who know that there is a pooler.
    pub(in crate::store) fn new(
        pool: PgPoolOptions,
        options: PgConnectOptions,
        schema: Option<&str>,
        is_shared: bool,
    ) -> Self {
        // Poolers refuse this one too, and Postgres needs it no more.
        let plain = options.statement_cache_capacity(0).extra_float_digits(None);
        let word = uuid::Uuid::new_v4().simple().to_string();
        let mut asking =
            plain.clone().options([("statement_timeout", STATEMENT_TIMEOUT), (WORD, word.as_str())]);
        let mut begin = format!("BEGIN; SET LOCAL statement_timeout TO {STATEMENT_TIMEOUT}");
        if let Some(schema) = schema {
            asking = asking.options([("search_path", format!("\"{schema}\""))]);
            begin.push_str(&format!("; SET LOCAL search_path TO \"{schema}\""));
        }
        let (kind, options) = if is_shared { (SHARED, plain.clone()) } else { (UNKNOWN, asking) };
        let schema = schema.map(str::to_owned);
        let shared = Shared { kind: AtomicU8::new(kind), plain, begin, schema, word };
        Self { pool: pool.connect_lazy_with(options), shared: Arc::new(shared) }
    }

    /// Whether connections are shared with others, statement by statement.
    pub(in crate::store) async fn is_shared(&self) -> Result<bool, Error> {
        loop {
            match self.shared.kind.load(Ordering::Relaxed) {
                UNKNOWN => drop(self.connection().await?),
                kind => return Ok(kind == SHARED),
            }
        }
    }

    /// The schema to work in, if it is not the default one.
    pub(in crate::store) fn schema(&self) -> Option<&str> {
        self.shared.schema.as_deref()
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, Error> {
        let kind = &self.shared.kind;
        let mut connection = match self.pool.acquire().await {
            Err(error) if kind.load(Ordering::Relaxed) != SHARED && is_refused(&error) => {
                self.share();
                return self.pool.acquire().await;
            }
            other => other?,
        };
        if kind.load(Ordering::Relaxed) == UNKNOWN {
            // One message, so that even a pooler cannot part it.
            let asked = format!("SELECT current_setting('{WORD}', true)");
            let row = connection.fetch_one(asked.as_str()).await?;
            if row.try_get::<Option<String>, _>(0)?.as_deref() == Some(self.shared.word.as_str()) {
                kind.store(OWN, Ordering::Relaxed);
            } else {
                self.share();
            }
        }
        Ok(connection)
    }

    fn share(&self) {
        self.pool.set_connect_options(self.shared.plain.clone());
        if self.shared.kind.swap(SHARED, Ordering::Relaxed) != SHARED {
            log::info!("the database is behind a pooler: each statement sets its own parameters");
        }
    }

    /// Begins a transaction.
    pub(in crate::store) async fn begin(&self) -> Result<Transaction, Error> {
        let begin = if self.is_shared().await? { self.shared.begin.clone() } else { "BEGIN".to_owned() };
        Ok(Transaction { connection: Connection { transaction: self.begin_with(begin).await? } })
    }

    /// Begins a transaction with a statement of the caller's, and nothing else.
    pub(in crate::store) async fn begin_with(
        &self,
        statement: impl Into<Cow<'static, str>>,
    ) -> Result<sqlx::Transaction<'static, Postgres>, Error> {
        self.is_shared().await?;
        self.pool.begin_with(statement).await
    }

    /// Gives all connections back.
    pub(in crate::store) async fn close(&self) {
        self.pool.close().await;
    }

    async fn run<'q, E: 'q + Execute<'q, Postgres>>(
        self,
        query: E,
    ) -> Result<Vec<Either<PgQueryResult, PgRow>>, Error> {
        let query = Unnamed(query);
        if self.is_shared().await? {
            let mut transaction = self.begin().await?;
            let done = transaction.fetch_many(query).try_collect().await?;
            transaction.commit().await?;
            return Ok(done);
        }
        self.connection().await?.fetch_many(query).try_collect().await
    }
}

fn is_refused(error: &Error) -> bool {
    error.as_database_error().and_then(|fault| fault.code()).as_deref() == Some(REFUSED)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.pool.size()).finish_non_exhaustive()
    }
}

impl<'c> Executor<'c> for &'_ Server {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let done = self.clone().run(query);
        Box::pin(done.map_ok(|found| stream::iter(found.into_iter().map(Ok))).try_flatten_stream())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let done = self.clone().run(query);
        done.map_ok(|found| found.into_iter().find_map(Either::right)).boxed()
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>>
    where
        'c: 'e,
    {
        let server = self.clone();
        Box::pin(async move {
            let mut transaction = server.begin().await?;
            transaction.connection.transaction.prepare_with(sql, parameters).await
        })
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let server = self.clone();
        Box::pin(async move {
            let mut transaction = server.begin().await?;
            transaction.connection.transaction.describe(sql).await
        })
    }
}

// === impl Transaction ===

impl Transaction {
    pub(in crate::store) async fn commit(self) -> Result<(), Error> {
        self.connection.transaction.commit().await
    }

    pub(in crate::store) async fn rollback(self) -> Result<(), Error> {
        self.connection.transaction.rollback().await
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        (&mut *self.transaction).fetch_many(Unnamed(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        (&mut *self.transaction).fetch_optional(Unnamed(query))
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>>
    where
        'c: 'e,
    {
        (&mut *self.transaction).prepare_with(sql, parameters)
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        (&mut *self.transaction).describe(sql)
    }
}

/// A query whose statement has no name.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(&self) -> &'q str {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement<'q>> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}
