//! An upstream that speaks any vendor's words: a script says what it answers, and it remembers what it was asked.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use futures::stream;
use serde_json::Value;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) uri: String,
    /// By their names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// Null if it is no JSON.
    pub(crate) body: Value,
    pub(crate) raw: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
    /// Sent in pieces of so many bytes; 0 is at once.
    pub(crate) pieces: usize,
}

impl Told {
    pub(crate) fn json(body: &Value) -> Self {
        Self::bytes("application/json", body.to_string())
    }

    pub(crate) fn bytes(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, kind: kind.to_owned(), body: body.into(), pieces: 0 }
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn pieces(self, pieces: usize) -> Self {
        Self { pieces, ..self }
    }
}

type Script = dyn Fn(&Asked) -> Told + Send + Sync;
type Seen = Arc<Mutex<Vec<Asked>>>;

/// An upstream on a port of its own.
pub(crate) struct Vendor {
    /// Its origin.
    pub(crate) base: String,
    seen: Seen,
}

impl Vendor {
    pub(crate) async fn start(script: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> Self {
        let seen = Seen::default();
        let script: Arc<Script> = Arc::new(script);
        let router = Router::new().fallback(tell).with_state((Arc::clone(&seen), script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, seen }
    }

    /// One that answers everything in the same way.
    pub(crate) async fn telling(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let told = Told::bytes(kind, body);
        Self::start(move |_| told.clone()).await
    }

    /// The last request.
    pub(crate) fn asked(&self) -> Asked {
        self.seen.lock().unwrap().last().cloned().expect("it was asked")
    }

    /// All requests.
    pub(crate) fn all(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }
}

async fn tell(State((seen, script)): State<(Seen, Arc<Script>)>, request: Request) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let headers = request.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let raw: Bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&raw).unwrap_or_default();
    let asked = Asked { method, uri, headers, body, raw: raw.to_vec() };
    seen.lock().unwrap().push(asked.clone());
    let told = script(&asked);
    let answer = Response::builder().status(told.status).header(CONTENT_TYPE, told.kind);
    if told.pieces == 0 {
        return answer.body(Body::from(told.body)).unwrap();
    }
    let pieces: Vec<Result<Bytes, Infallible>> =
        told.body.chunks(told.pieces).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    answer.body(Body::from_stream(stream::iter(pieces))).unwrap()
}
