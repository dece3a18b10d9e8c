//! The database behind a pooler that gives each transaction another connection, and the bound on connections without.

use crate::harness::{Launch, Schema, eventually, free_address};
use crate::import::{config, import, is_served, litellm};
use futures::future::join_all;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, Row};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tollgate::domain::{CounterId, KeyDigest, Money, Scope};
use tollgate::store::{BUDGETS, DatabaseSettings, Doc, Filter, KEYS, Order, Query, Spent, Store, StoreError};

/// Connections that the pooler has to the server.
const SERVERS: usize = 2;

/// A PgBouncer before a database of its own.
struct Pooler {
    bouncer: Bouncer,
    /// Through the pooler, without arguments.
    url: String,
    database: Database,
}

/// Its process and its settings.
struct Bouncer(Child, #[expect(dead_code, reason = "it is kept as long")] TempDir);

impl Drop for Bouncer {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A database of its own, so that its connections can be counted.
struct Database {
    server: String,
    name: String,
}

impl Database {
    async fn make() -> Option<Self> {
        let Schema { url, name } = Schema::make().await?;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute(format!("DROP SCHEMA {name}").as_str()).await.unwrap();
        connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        Some(Self { server: url, name })
    }

    fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').unwrap();
        format!("{base}/{}", self.name)
    }

    /// Its connections at the moment.
    async fn connections(&self, asking: &mut PgConnection) -> usize {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        let row = asking.fetch_one(sql.as_str()).await.unwrap();
        usize::try_from(row.get::<i64, _>(0)).unwrap()
    }

    async fn drop(self) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        connection.execute(format!("DROP DATABASE {} WITH (FORCE)", self.name).as_str()).await.unwrap();
    }
}

impl Pooler {
    /// `None` without a server or a PgBouncer. `more` are further lines of its settings.
    async fn start(more: &str) -> Option<Self> {
        let binary = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let Some(binary) = binary.into_iter().find(|path| Path::new(path).exists()) else {
            eprintln!("there is no pgbouncer: it is left out");
            return None;
        };
        let database = Database::make().await?;
        let (_, place) = database.server.split_once("://").unwrap();
        let (user, place) = place.rsplit_once('@').unwrap();
        let (host, port) = place.split_once('/').unwrap().0.split_once(':').unwrap();
        let user = user.split(':').next().unwrap();
        let listen = free_address();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port={port} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = {SERVERS}\nmax_client_conn = 500\n{more}\n",
            listen.port()
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(binary);
        // It refuses to be root.
        if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.args(["-u", "nobody"]);
        }
        let child = command
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("postgresql://{user}@{listen}/{}", database.name);
        let pooler = Self { bouncer: Bouncer(child, folder), url, database };
        eventually("the pooler answers", async || try_connect(&pooler.url).await.ok()).await;
        Some(pooler)
    }

    /// Statements that clients have left on the connections to the server.
    async fn names_left(&self) -> usize {
        let ask = async || {
            let mut connection = try_connect(&self.url).await.unwrap();
            // Both connections are needed at the same time.
            let sql = "SELECT pg_backend_pid()::text, count(name)::text, pg_sleep(0.2)::text FROM pg_prepared_statements";
            let row = connection.fetch_one(sql).await.unwrap();
            (row.get::<String, _>(0), row.get::<String, _>(1))
        };
        let seen = join_all([ask(), ask(), ask(), ask()]).await;
        assert_eq!(seen.iter().map(|(pid, _)| pid).collect::<HashSet<_>>().len(), SERVERS);
        seen.iter().map(|(_, count)| count.parse::<usize>().unwrap()).sum()
    }

    async fn stop(self) {
        let Self { bouncer, database, .. } = self;
        drop(bouncer);
        database.drop().await;
    }
}

async fn try_connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    // PgBouncer refuses this parameter of the driver's.
    PgConnection::connect_with(&options.extra_float_digits(None)).await
}

fn doc(value: serde_json::Value) -> Doc {
    value.as_object().cloned().unwrap()
}

/// What the store is used for.
async fn story(store: &Store) {
    let digest = KeyDigest::new([7; 32]);
    store.insert(&BUDGETS, "b", doc(json!({ "rpm_limit": 5 }))).await.unwrap();
    store.insert(&KEYS, &digest.to_hex(), doc(json!({ "key_alias": "a", "budget_id": "b" }))).await.unwrap();
    let again = store.insert(&KEYS, "x", doc(json!({ "key_alias": "a" }))).await;
    assert!(matches!(again, Err(StoreError::Taken(_))), "{again:?}");
    let edit = |doc: &mut Doc| {
        doc.insert("user_id".to_owned(), json!("u"));
        Ok::<_, StoreError>(())
    };
    store.edit(&KEYS, &digest.to_hex(), edit).await.unwrap().unwrap();
    let order = Some(Order { column: "key_alias", descending: true });
    let query =
        Query { filters: vec![Filter::Is("user_id", "u".to_owned())], order, limit: 5, ..Query::default() };
    assert_eq!(store.list(&KEYS, &query).await.unwrap().total, 1);
    assert_eq!(store.key_facts(&digest).await.unwrap().unwrap().rates.rpm, Some(5));
    counters(store).await;
    assert!(store.changes(Duration::from_secs(60), 0).await.unwrap().len() >= 3);
    store.migrate().await.unwrap();
}

async fn counters(store: &Store) {
    let counter = CounterId { scope: Scope::Key, id: Arc::from("k"), slot: Arc::from("") };
    let spent = Spent { amount: Money::from_pico(3), period_end: 0 };
    store.set_spent(&counter, spent).await.unwrap();
    assert_eq!(store.spent(Scope::Key, "k").await.unwrap()[""], spent);
}

/// Many at once, so that connections change hands between statements; each must get its own answer.
async fn crowd(store: &Store) {
    let some: Vec<String> = (0..20).map(|n| format!("crowd-{n}")).collect();
    for id in &some {
        store.insert(&BUDGETS, id, doc(json!({ "who": id }))).await.unwrap();
    }
    let lookup = async |n: usize| {
        let id = &some[n % some.len()];
        for _ in 0..5 {
            assert_eq!(store.get(&BUDGETS, id).await.unwrap().unwrap()["who"], json!(id));
            assert!(store.spent(Scope::Team, id).await.unwrap().is_empty());
        }
    };
    join_all((0..200).map(lookup)).await;
}

#[tokio::test]
async fn a_pooler_needs_no_settings() {
    // It refuses parameters, or it was told to drop them silently.
    for more in ["", "ignore_startup_parameters = extra_float_digits, options"] {
        let Some(pooler) = Pooler::start(more).await else { return };
        for arguments in
            ["schema=tollgate_own&connection_limit=30", "connection_limit=30", "schema=second&pgbouncer=true"]
        {
            let settings = DatabaseSettings::postgres(&format!("{}?{arguments}", pooler.url)).unwrap();
            let (one, two) = tokio::join!(Store::open(&settings), Store::open(&settings));
            let (one, two) = (one.unwrap(), two.unwrap());
            story(&one).await;
            tokio::join!(crowd(&one), async { two.ping().await.unwrap() });
            one.close().await;
            two.close().await;
        }
        assert_eq!(pooler.names_left().await, 0, "a statement with a name stays behind");
        let mut direct = PgConnection::connect(&pooler.database.url()).await.unwrap();
        let sql = "SELECT string_agg(n.nspname, ' ' ORDER BY n.nspname) FROM pg_class c JOIN pg_namespace n \
                   ON n.oid = c.relnamespace WHERE c.relname = 'tollgate_key'";
        let row = direct.fetch_one(sql).await.unwrap();
        assert_eq!(row.get::<String, _>(0), "public second tollgate_own");
        let row = direct.fetch_one("SELECT count(*) FROM second.tollgate_key").await.unwrap();
        assert_eq!(row.get::<i64, _>(0), 1, "each in its own schema");
        drop(direct);
        pooler.stop().await;
    }
}

#[tokio::test]
async fn statements_are_stopped_behind_a_pooler_too() {
    let Some(pooler) = Pooler::start("").await else { return };
    let settings = DatabaseSettings::postgres(&format!("{}?schema=s", pooler.url)).unwrap();
    let store = Store::open(&settings).await.unwrap();
    let mut direct = PgConnection::connect(&pooler.database.url()).await.unwrap();
    // What a view of ours says is what holds while a statement of ours runs.
    let view = "DROP TABLE s.tollgate_setting; CREATE VIEW s.tollgate_setting AS SELECT 'x' AS id, 1::bigint AS version, \
                jsonb_build_object('timeout', current_setting('statement_timeout')) AS doc";
    direct.execute(view).await.unwrap();
    let seen = store.get(&tollgate::store::SETTINGS, "x").await.unwrap().unwrap();
    assert_eq!(seen["timeout"], "30s");
    store.close().await;
    drop(direct);
    pooler.stop().await;
}

#[tokio::test]
async fn a_gateway_moves_in_and_serves_through_a_pooler() {
    let Some(pooler) = Pooler::start("").await else { return };
    let mut direct = PgConnection::connect(&pooler.database.url()).await.unwrap();
    direct.execute("CREATE SCHEMA litellm; SET search_path TO litellm").await.unwrap();
    direct.execute(litellm().as_str()).await.unwrap();
    drop(direct);
    let folder = TempDir::new().unwrap();
    let (from, to) = (format!("{}?schema=litellm", pooler.url), format!("{}?schema=own", pooler.url));
    let (code, said) = import(folder.path(), &from, &to, &["--apply"]).await;
    assert!(code == 0 && said.contains("Done."), "{said}");
    for url in [from, to] {
        is_served(Launch::of(&config()).variable("DATABASE_URL", &url)).await;
    }
    pooler.stop().await;
}

#[tokio::test]
async fn there_are_never_more_connections_than_allowed() {
    let Some(database) = Database::make().await else { return };
    let settings =
        DatabaseSettings::postgres(&format!("{}?connection_limit=3&schema=s", database.url())).unwrap();
    let store = Store::open(&settings).await.unwrap();
    story(&store).await;
    let mut asking = PgConnection::connect(&database.server).await.unwrap();
    let mut most = 0;
    let mut crowds = std::pin::pin!(async {
        for n in 0..5 {
            crowd_of(&store, n).await;
        }
    });
    loop {
        tokio::select! {
            () = &mut crowds => break,
            count = database.connections(&mut asking) => most = most.max(count),
        }
    }
    assert_eq!(most, 3);
    store.close().await;
    drop(asking);
    database.drop().await;
}

async fn crowd_of(store: &Store, n: usize) {
    if n == 0 {
        return crowd(store).await;
    }
    let lookups =
        (0..200).map(async |n| store.get(&BUDGETS, &format!("crowd-{}", n % 20)).await.unwrap().unwrap());
    join_all(lookups).await;
}
