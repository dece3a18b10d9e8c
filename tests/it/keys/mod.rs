//! Virtual keys through the program, on both databases: LiteLLM's calls, quirks and refusals.

mod lifecycle;
mod often;
mod people;
mod quirks;
mod seeds;
mod trickery;

use crate::harness::{Config, Gateway, Launch, MODEL, Response, request, upstream};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tollgate::simulator::Simulator;
use tollgate::store::{DatabaseSettings, Store, Table};

/// A gateway, its upstream and its database.
pub(crate) struct Place {
    pub(crate) gate: Gateway,
    pub(crate) store: Store,
    _upstream: Simulator,
}

/// One on a file, and one on the server that `TOLLGATE_TEST_DATABASE_URL` names.
pub(crate) async fn places() -> Vec<Place> {
    let mut places = vec![place(None).await];
    match std::env::var("TOLLGATE_TEST_DATABASE_URL") {
        Ok(url) => places.push(place(Some(with_schema(&url).await)).await),
        Err(_) => eprintln!("TOLLGATE_TEST_DATABASE_URL is not set: Postgres is left out"),
    }
    places
}

async fn with_schema(url: &str) -> String {
    let schema = format!("keys{}", uuid::Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(format!("CREATE SCHEMA {schema}").as_str()).await.unwrap();
    let glue = if url.contains('?') { '&' } else { '?' };
    format!("{url}{glue}schema={schema}&connection_limit=4")
}

async fn place(url: Option<String>) -> Place {
    let upstream = upstream("ok").await;
    let config = Config::new().deployment(MODEL, MODEL, &upstream.base_url(), "upstream-key");
    let mut launch = Launch::of(&config);
    if let Some(url) = &url {
        launch = launch.variable("DATABASE_URL", url);
    }
    let gate = launch.start().await;
    let settings = match &url {
        Some(url) => DatabaseSettings::postgres(url).unwrap(),
        None => DatabaseSettings::sqlite(gate.folder().join(".local/share/tollgate/tollgate.db")),
    };
    Place { gate, store: Store::connect(&settings).unwrap(), _upstream: upstream }
}

impl Place {
    /// Posts with the master key and wants a 200.
    pub(crate) async fn done(&self, path: &str, body: Value) -> Value {
        answered(path, &self.gate.post(path, &body).await, 200)
    }

    /// Asks with the master key and wants a 200.
    pub(crate) async fn asked(&self, path: &str) -> Value {
        answered(path, &self.gate.get(path).await, 200)
    }

    /// Posts with the master key and wants to be refused so; the answer's body.
    pub(crate) async fn refused(&self, path: &str, body: Value, status: u16) -> Value {
        answered(&format!("{path} {body}"), &self.gate.post(path, &body).await, status)
    }

    /// A new key: its text and the whole answer.
    pub(crate) async fn key(&self, fields: Value) -> (String, Value) {
        let made = self.done("/key/generate", fields).await;
        (made["key"].as_str().unwrap().to_owned(), made)
    }

    /// A call by somebody else.
    pub(crate) async fn by(&self, key: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let bearer = format!("Bearer {key}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response =
            self.gate.call(&request(method, path, &[("authorization", &bearer)], body.as_bytes())).await;
        (response.status(), serde_json::from_slice(&response.body).unwrap_or_default())
    }

    /// A chat call by this key.
    pub(crate) async fn chat(&self, key: &str) -> u16 {
        self.by(key, "POST", crate::harness::CHAT, crate::harness::chat()).await.0
    }

    /// Puts a row into the database, as another process would.
    pub(crate) async fn row(&self, table: &Table, id: &str, doc: Value) {
        self.store.insert(table, id, doc.as_object().cloned().unwrap()).await.unwrap();
    }

    /// An internal user and a key of theirs.
    pub(crate) async fn user(&self, id: &str, role: &str, fields: Value) -> String {
        self.row(&tollgate::store::USERS, id, json!({ "user_role": role, "teams": ["t1"] })).await;
        self.key(crate::harness::with(fields, json!({ "user_id": id }))).await.0
    }
}

pub(crate) fn answered(what: &str, response: &Response, status: u16) -> Value {
    let text = response.text();
    assert_eq!(response.status(), status, "{what}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {text}"))
}
