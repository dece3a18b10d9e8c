//! Both databases for tests of what is kept in them: a file, and a schema of its own on the server that
//! `TOLLGATE_TEST_DATABASE_URL` names.

use crate::harness::{Config, Gateway, Launch, Response, request};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};

/// A database that a gateway is started on.
pub(crate) struct Database {
    variables: Vec<(&'static str, String)>,
    _folder: tempfile::TempDir,
}

/// Both, each empty.
pub(crate) async fn both() -> Vec<Database> {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}", folder.path().join("t.db").display());
    let mut all = vec![Database { variables: vec![("DATABASE_URL", file)], _folder: folder }];
    match std::env::var("TOLLGATE_TEST_DATABASE_URL") {
        Ok(url) => {
            let schema = format!("p{}", uuid::Uuid::new_v4().simple());
            let mut connection = PgConnection::connect(&url).await.unwrap();
            connection.execute(format!("CREATE SCHEMA {schema}").as_str()).await.unwrap();
            let glue = if url.contains('?') { '&' } else { '?' };
            let url = format!("{url}{glue}schema={schema}&connection_limit=3");
            let folder = tempfile::tempdir().unwrap();
            all.push(Database { variables: vec![("DATABASE_URL", url)], _folder: folder });
        }
        Err(_) => eprintln!("TOLLGATE_TEST_DATABASE_URL is not set: Postgres is left out"),
    }
    all
}

impl Database {
    /// Starts a gateway on it.
    pub(crate) async fn gateway(&self, config: &Config, variables: &[(&str, &str)]) -> Gateway {
        let own = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        let all = own.chain(variables.iter().copied());
        all.fold(Launch::of(config), |launch, (name, value)| launch.variable(name, value)).start().await
    }
}

/// A call with any method and key; `Null` sends no body.
pub(crate) async fn call(gateway: &Gateway, key: &str, method: &str, path: &str, body: Value) -> Response {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    gateway.call(&request(method, path, &headers, body.as_bytes())).await
}

/// A call of the admin that must go well.
pub(crate) async fn admin(gateway: &Gateway, method: &str, path: &str, body: Value) -> Value {
    let response = call(gateway, &gateway.key, method, path, body).await;
    assert_eq!(response.status(), 200, "{method} {path}: {}", response.text());
    response.json()
}
