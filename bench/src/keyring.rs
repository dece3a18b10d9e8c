//! Virtual keys by the million: one is made through the admin API with its user and team, the others are copies of
//! its row, written by the database itself.

use crate::client::{Client, post};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the gateway keeps its keys.
#[derive(Clone, Debug)]
pub enum Database {
    File(PathBuf),
    Server { url: String, schema: String },
}

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Digits of a key's number, which are its last characters.
pub const DIGITS: usize = 16;
/// Rows of one statement.
const ROWS: usize = 10_000;

/// The key of this number.
pub fn key(number: usize) -> String {
    format!("sk-bench-{number:0DIGITS$x}")
}

fn digest(key: &str) -> String {
    Sha256::digest(key).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Makes a user, a team and the first key of both through the admin API, with the admin's key. Everything is limited, and far away.
pub async fn make_first(addr: SocketAddr, admin: &str) -> Fallible<()> {
    let limits = json!({
        "rpm_limit": 1_000_000_000_u64, "tpm_limit": 1_000_000_000_000_u64, "max_parallel_requests": 1_000_000,
        "max_budget": 1_000_000.0, "budget_duration": "30d",
    });
    let with = |more: Value| {
        let mut all = limits.clone();
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        all
    };
    let member = json!([{ "role": "user", "user_id": "bench-user" }]);
    let calls = [
        ("/user/new", with(json!({ "user_id": "bench-user", "auto_create_key": false }))),
        ("/team/new", with(json!({ "team_id": "bench-team", "members_with_roles": member }))),
        ("/key/generate", with(json!({ "key": key(0), "user_id": "bench-user", "team_id": "bench-team" }))),
    ];
    let mut client = Client::connect(addr).await?;
    for (path, body) in calls {
        client
            .call(&post(admin, path, &body.to_string()))
            .await
            .map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

impl Database {
    /// A new, empty one: a file in `folder`, or a schema of its own on the server.
    pub async fn new(server: Option<&str>, folder: &Path, name: &str) -> Fallible<Self> {
        let Some(url) = server else { return Ok(Self::File(folder.join("tollgate.db"))) };
        let schema = format!("bench_{}_{}", std::process::id(), name.replace('-', "_"));
        let mut connection = PgConnection::connect(url).await?;
        connection.execute(format!("CREATE SCHEMA {schema}").as_str()).await?;
        Ok(Self::Server { url: url.to_owned(), schema })
    }

    /// As the gateway is told.
    pub fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{}", path.display()),
            Self::Server { url, schema } => {
                let glue = if url.contains('?') { '&' } else { '?' };
                format!("{url}{glue}schema={schema}")
            }
        }
    }

    /// Copies the first key's row until there are `stored`.
    pub async fn fill(&self, stored: usize) -> Fallible<()> {
        let first = digest(&key(0));
        match self {
            Self::File(path) => {
                let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await?;
                let mut all = connection.begin().await?;
                for ids in batches(stored) {
                    let ids = Value::from(ids).to_string();
                    sqlx::query(COPY[0]).bind(&first).bind(ids).execute(&mut *all).await?;
                }
                all.commit().await?;
            }
            Self::Server { url, schema } => {
                let mut connection = PgConnection::connect(url).await?;
                connection.execute(format!("SET search_path TO {schema}").as_str()).await?;
                let mut all = connection.begin().await?;
                for ids in batches(stored) {
                    sqlx::query(COPY[1]).bind(&first).bind(ids).execute(&mut *all).await?;
                }
                all.commit().await?;
                connection.execute("ANALYZE tollgate_key").await?;
            }
        }
        Ok(())
    }

    /// Leaves nothing on a server.
    pub async fn drop_all(&self) -> Fallible<()> {
        let Self::Server { url, schema } = self else { return Ok(()) };
        let mut connection = PgConnection::connect(url).await?;
        connection.execute(format!("DROP SCHEMA {schema} CASCADE").as_str()).await?;
        Ok(())
    }
}

const COPY: [&str; 2] = [
    "INSERT INTO tollgate_key (id, doc, version) \
     SELECT value, (SELECT doc FROM tollgate_key WHERE id = $1), 1 FROM json_each($2)",
    "INSERT INTO tollgate_key (id, doc, version) \
     SELECT n.id, k.doc, 1 FROM UNNEST($2::text[]) AS n (id), tollgate_key k WHERE k.id = $1",
];

/// The ids of the rows that are missing, in pieces.
fn batches(stored: usize) -> impl Iterator<Item = Vec<String>> {
    let starts = (1..stored.max(1)).step_by(ROWS);
    starts.map(move |start| (start..(start + ROWS).min(stored)).map(|n| digest(&key(n))).collect())
}
