//! A schema of a test's own on the Postgres that `tests/run` starts.

use sqlx::{Connection, Executor, PgConnection, Row};

/// A schema of its own on the server that `tests/run` starts.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) url: String,
    pub(crate) name: String,
}

impl Schema {
    /// `None` without a server.
    pub(crate) async fn make() -> Option<Self> {
        let Ok(url) = std::env::var("TOLLGATE_TEST_DATABASE_URL") else {
            eprintln!("TOLLGATE_TEST_DATABASE_URL is not set: Postgres is left out");
            return None;
        };
        let schema = Self { url, name: format!("i{:016x}", fastrand::u64(..)) };
        schema.run(&format!("CREATE SCHEMA {}", schema.name)).await;
        Some(schema)
    }

    /// As a user writes it.
    pub(crate) fn url(&self) -> String {
        format!("{}?schema={}&connection_limit=5", self.url, self.name)
    }

    /// A connection that works in it.
    pub(crate) async fn connect(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        connection.execute(format!("SET search_path TO {}", self.name).as_str()).await.unwrap();
        connection
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.connect().await.execute(sql).await.unwrap();
    }

    /// The text of the first column of all rows.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.connect().await.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Removes it with all it holds.
    pub(crate) async fn drop(self) {
        self.run(&format!("DROP SCHEMA {} CASCADE", self.name)).await;
    }
}
