//! What every behaviour test is made of: a configuration, the real gateway, and a client of exact bytes.
//!
//! The upstream is `tollgate::simulator`, in the test's own runtime.
#![allow(dead_code, unused_imports, reason = "a helper may wait for its test")]

pub(crate) mod collector;
pub(crate) mod config;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod schema;
pub(crate) mod scripted;
pub(crate) mod traffic;
pub(crate) mod vendor;
pub(crate) mod websocket;

pub(crate) use collector::{Collector, Manner, Post};
pub(crate) use config::Config;
pub(crate) use gateway::{ACCESS_LOG, Gateway, Launch, MASTER_KEY, free_address, program};
pub(crate) use http::{Connection, Event, Head, Response, chunked_request, request};

pub(crate) use load::Load;
pub(crate) use raw::{Raw, Step};
pub(crate) use redis::Redis;
pub(crate) use schema::Schema;
pub(crate) use scripted::{Asked, Reply, Scripted};
pub(crate) use traffic::Traffic;
pub(crate) use vendor::{Told, Vendor};
pub(crate) use websocket::{Realtime, Talk, handshake};

use serde_json::{Value, json};
use std::time::Duration;
use tollgate::simulator::{Behaviour, Script, Simulator};

/// Where a chat completion is asked for.
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// The group that most tests ask.
pub(crate) const MODEL: &str = "m";

/// A call of [`MODEL`]; six words of prompt.
pub(crate) fn chat() -> Value {
    json!({ "model": MODEL, "messages": [{ "role": "user", "content": "How does a toll gate work?" }] })
}

/// The same, streamed.
pub(crate) fn streamed() -> Value {
    with(chat(), json!({ "stream": true }))
}

/// A body with more members.
pub(crate) fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("members are a mapping") {
        body[name] = value.clone();
    }
    body
}

/// A behaviour by its words.
pub(crate) fn behaviour(words: &str) -> Behaviour {
    words.parse().unwrap()
}

/// An upstream that treats every key alike.
pub(crate) async fn upstream(words: &str) -> Simulator {
    Simulator::start(Script::of(behaviour(words))).await.unwrap()
}

/// An upstream that knows these keys, each by its words.
pub(crate) async fn upstream_of(keys: &[(&str, &str)]) -> Simulator {
    Simulator::start(script(keys)).await.unwrap()
}

/// The script of [`upstream_of`].
pub(crate) fn script(keys: &[(&str, &str)]) -> Script {
    keys.iter()
        .fold(Script::default(), |script, (key, words)| script.with_key(*key, behaviour(words)))
        .known_keys_only()
}

/// How long anything may take before a test gives up; never how long something is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until there is a value.
pub(crate) async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = poll().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
