//! The golden files of every dialect, through the whole gateway: what the library writes and reads is what goes over
//! the wire, whatever the vendor.

use crate::harness::vendor::Asked;
use crate::harness::{Config, Gateway, Told, Vendor};
use crate::support::CHAT;
use crate::vertex;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const MESSAGES: &str = "/v1/messages";

/// A dialect's golden files, and a deployment that is spoken to in it.
struct Spoken {
    dialect: &'static str,
    stream_type: &'static str,
    /// A deployment at this base.
    params: fn(&str) -> Value,
    /// Whether its clients of Anthropic's dialect are translated, too.
    translates_messages: bool,
    /// What differs from the snapshot in the body that is sent.
    changed: fn(&mut Map<String, Value>),
}

const AS_IT_IS: fn(&mut Map<String, Value>) = |_| {};
const SSE: &str = "text/event-stream";

const ALL: [Spoken; 7] = [
    Spoken {
        dialect: "gemini",
        stream_type: SSE,
        params: |base| json!({ "model": "gemini/gemini-2.5-flash", "api_key": "k", "api_base": base }),
        translates_messages: true,
        changed: AS_IT_IS,
    },
    Spoken {
        dialect: "cohere",
        stream_type: SSE,
        params: |base| json!({ "model": "cohere/command-a-03-2025", "api_key": "k", "api_base": base }),
        translates_messages: true,
        changed: AS_IT_IS,
    },
    Spoken {
        dialect: "converse",
        stream_type: "application/vnd.amazon.eventstream",
        params: |base| {
            json!({ "model": "bedrock/eu.anthropic.claude-sonnet-4-20250514-v1:0", "aws_region_name": "eu-west-1",
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "s", "api_base": base })
        },
        translates_messages: true,
        changed: AS_IT_IS,
    },
    Spoken {
        dialect: "ollama",
        stream_type: "application/x-ndjson",
        params: |base| json!({ "model": "ollama_chat/qwen3:8b", "api_base": base }),
        translates_messages: true,
        changed: AS_IT_IS,
    },
    Spoken {
        dialect: "anthropic",
        stream_type: SSE,
        params: |base| json!({ "model": "anthropic/claude-sonnet-4-5", "api_key": "k", "api_base": base }),
        translates_messages: false,
        changed: AS_IT_IS,
    },
    Spoken {
        dialect: "gemini",
        stream_type: SSE,
        params: |base| vertex::params("vertex_ai/gemini-2.5-flash", base),
        translates_messages: true,
        changed: AS_IT_IS,
    },
    Spoken {
        dialect: "anthropic",
        stream_type: SSE,
        params: |base| vertex::params("vertex_ai/claude-sonnet-4-5", base),
        translates_messages: true,
        changed: |body| {
            body.shift_remove("model");
            body.insert("anthropic_version".to_owned(), "vertex-2023-10-16".into());
        },
    },
];

fn folder(dialect: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects").join(dialect).join("golden")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn samples(dialect: &str, kind: &str) -> Vec<(String, Vec<u8>)> {
    let found = std::fs::read_dir(folder(dialect).join(kind)).unwrap().map(Result::unwrap);
    found
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// A vendor whose next answer can be set, and a gateway before it.
struct Pair {
    vendor: Vendor,
    gate: Gateway,
    next: Arc<Mutex<Told>>,
}

impl Pair {
    async fn of(spoken: &Spoken) -> Self {
        let next = Arc::new(Mutex::new(Told::json(&json!({}))));
        let script = {
            let next = Arc::clone(&next);
            move |asked: &Asked| vertex::token(asked).unwrap_or_else(|| next.lock().unwrap().clone())
        };
        let vendor = Vendor::start(script).await;
        let entry = json!({ "model_name": "m", "litellm_params": (spoken.params)(&vendor.base) });
        let router = json!({ "num_retries": 0, "disable_cooldowns": true });
        let gate = Gateway::start(&Config::new().entry(entry).set("router_settings", router)).await;
        Self { vendor, gate, next }
    }

    fn answers(&self, told: Told) {
        *self.next.lock().unwrap() = told;
    }
}

#[tokio::test]
async fn every_golden_request_goes_out_as_the_snapshot_says() {
    for spoken in &ALL {
        let pair = Pair::of(spoken).await;
        let (_, answer) =
            samples(spoken.dialect, "answer").into_iter().find(|(name, _)| name == "text.json").unwrap();
        pair.answers(Told::bytes("application/json", answer));
        let snapshot = read(&folder(spoken.dialect).join("requests.snapshot.json"));
        let mut sent = 0;
        for (client, path, file) in [("openai", CHAT, "chats.json"), ("anthropic", MESSAGES, "messages.json")]
        {
            if client == "anthropic" && !spoken.translates_messages {
                continue;
            }
            let requests = read(&folder("").join(file));
            for (name, body) in requests.as_object().unwrap() {
                let expected = &snapshot[format!("{client}: {name}")];
                let mut body = body.clone();
                body["model"] = "m".into();
                let answer = pair.gate.post(path, &body).await;
                if expected.get("refused").is_some() {
                    assert_eq!(answer.status(), 400, "{name}: {}", answer.text());
                    continue;
                }
                let mut written = expected["body"].as_object().unwrap().clone();
                (spoken.changed)(&mut written);
                assert_eq!(pair.vendor.asked().body, Value::Object(written), "{name} of {client}");
                sent += 1;
            }
        }
        assert!(sent > 15, "{}: {sent}", spoken.dialect);
    }
}

/// What stays the same whoever gives the ids and the time.
fn bare(mut message: Value) -> Value {
    let object = message.as_object_mut().unwrap();
    for name in ["id", "created", "model"] {
        object.shift_remove(name);
    }
    if let Some(Value::Object(inner)) = object.get_mut("message") {
        inner.shift_remove("id");
        inner.shift_remove("model");
    }
    message
}

/// The events of a stream, each with its name.
fn events(text: &str) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    for event in text.split("\n\n").filter(|event| !event.trim().is_empty()) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let data = field("data: ");
        let data = if data == "[DONE]" { json!(data) } else { bare(serde_json::from_str(data).unwrap()) };
        events.push((field("event: ").to_owned(), data));
    }
    events
}

fn question(path: &str, stream: bool) -> Value {
    let mut body =
        json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "Hi" }] });
    if stream {
        body["stream"] = true.into();
    }
    if stream && path == CHAT {
        body["stream_options"] = json!({ "include_usage": true });
    }
    body
}

#[tokio::test]
async fn every_golden_answer_comes_in_as_the_snapshot_says() {
    for spoken in &ALL {
        let pair = Pair::of(spoken).await;
        let snapshot = read(&folder(spoken.dialect).join("answers.snapshot.json"));
        for (client, path) in [("openai", CHAT), ("anthropic", MESSAGES)] {
            if client == "anthropic" && !spoken.translates_messages {
                continue;
            }
            for (name, answer) in samples(spoken.dialect, "answer") {
                pair.answers(Told::bytes("application/json", answer));
                let answer = pair.gate.post(path, &question(path, false)).await;
                let expected = &snapshot[format!("{name} for {client}")];
                if expected.get("unreadable").is_some() {
                    assert!(answer.status() >= 500, "{name}: {}", answer.text());
                    continue;
                }
                assert_eq!(answer.status(), 200, "{name}: {}", answer.text());
                assert_eq!(bare(answer.json()), bare(expected.clone()), "{name} for {client}");
            }
        }
    }
}

#[tokio::test]
async fn every_golden_stream_comes_in_as_the_snapshot_says() {
    for spoken in &ALL {
        let pair = Pair::of(spoken).await;
        let snapshot = read(&folder(spoken.dialect).join("streams.snapshot.json"));
        for (client, path) in [("openai", CHAT), ("anthropic", MESSAGES)] {
            if client == "anthropic" && !spoken.translates_messages {
                continue;
            }
            for (name, stream) in samples(spoken.dialect, "stream") {
                pair.answers(Told::bytes(spoken.stream_type, stream).pieces(7));
                let answer = pair.gate.post(path, &question(path, true)).await;
                let expected = &snapshot[format!("{name} for {client}")];
                let sent: String =
                    expected["sent"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
                let (found, expected_events) = (events(&answer.text()), events(&sent));
                let told = &expected["told"];
                if told["failure"].is_null() && told["complete"] == true {
                    assert_eq!(found, expected_events, "{name} for {client}");
                    continue;
                }
                // What is amiss is told last, and never looks like an end.
                let (last, before) = found.split_last().unwrap();
                assert_eq!(before, expected_events, "{name} for {client}");
                assert!(last.1.get("error").is_some(), "{name} for {client}: {last:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_deployment_adds_and_drops_reaches_every_vendor() {
    for spoken in &ALL {
        let (_, answer) =
            samples(spoken.dialect, "answer").into_iter().find(|(name, _)| name == "text.json").unwrap();
        let told = Told::bytes("application/json", answer);
        let vendor = Vendor::start(move |asked| vertex::token(asked).unwrap_or_else(|| told.clone())).await;
        let mut params = (spoken.params)(&vendor.base);
        let more = json!({ "extra_headers": { "x-own": "canary-header" }, "extra_body": { "own": { "a": 1 } },
            "drop_params": true, "additional_drop_params": ["stop"], "allowed_openai_params": ["prediction"] });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let entry = json!({ "model_name": "m", "litellm_params": params });
        let gate = Gateway::start(&Config::new().entry(entry)).await;
        let mut body = question(CHAT, false);
        for (name, value) in [
            ("logit_bias", json!({ "5": 1 })),
            ("stop", json!(["never-sent"])),
            ("prediction", json!("sent")),
        ] {
            body[name] = value;
        }
        let answer = gate.post(CHAT, &body).await;
        assert_eq!(answer.status(), 200, "{}: {}", spoken.dialect, answer.text());
        let asked = vendor.asked();
        assert_eq!(asked.header("x-own"), "canary-header");
        assert_eq!((&asked.body["own"], &asked.body["prediction"]), (&json!({ "a": 1 }), &json!("sent")));
        let sent = asked.body.to_string();
        assert!(!sent.contains("never-sent") && !sent.contains("logit_bias"), "{sent}");
    }
}
