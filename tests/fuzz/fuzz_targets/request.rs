//! What is sent upstream is JSON if what came was, and names no destination or credential. The first
//! byte of the input chooses the endpoint and the deployment, the rest is the body.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use tollgate::dialects::openai::{OpenAi, encode, request};
use tollgate::dialects::{self, Ask, Shape, ShapeParams, translate};
use tollgate::domain::EndpointKind;

fn map(on: bool, value: &Value) -> Map<String, Value> {
    value.as_object().filter(|_| on).cloned().unwrap_or_default()
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, body)) = input.split_first() else { return };
    let kinds = [
        EndpointKind::ChatCompletions,
        EndpointKind::Completions,
        EndpointKind::Embeddings,
        EndpointKind::Responses,
        EndpointKind::GenerateContent,
        EndpointKind::StreamContent,
    ];
    let kind = kinds[usize::from(flags >> 4) % kinds.len()];
    let Ok(read) = request::read(kind, Bytes::copy_from_slice(body)) else { return };
    assert!(read.opening().len() <= 1024 && read.tags().len() <= 32);
    let defaults = map(flags & 1 != 0, &json!({"temperature": 0.5, "a\"b": [1]}));
    let extra_body = map(flags & 2 != 0, &json!({"top_k": 1, "stream_options": {"x": 1}}));
    let params = ShapeParams {
        defaults: &defaults,
        extra_body: &extra_body,
        allowed: &["user".to_owned()],
        drop: &["seed".to_owned()],
        takes_stream_options: flags & 4 != 0,
    };
    let shape = Shape { model: "up\"stream", params, drop_params: flags & 8 != 0, ask_usage: true };
    if dialects::is_translatable(kind) {
        let ask = Ask { model: "m", provider: "openai", shape: &shape };
        let _ = translate::encode(&read, dialects::inbound(kind), &OpenAi, &ask);
        let _ = dialects::inbound(kind).echo(&read);
    }
    let Ok(sent) = encode(&read, &shape) else { return };
    let came = body.is_empty() || serde_json::from_slice::<Value>(body).is_ok();
    match serde_json::from_slice::<Value>(&sent) {
        Ok(sent) => {
            if !kind.is_googles() {
                assert_eq!(sent["model"], "up\"stream");
            }
            for banned in ["api_base", "base_url", "api_key", "user_config", "num_retries", "extra_body"] {
                assert!(sent.get(banned).is_none(), "{banned} was sent");
            }
            if kind == EndpointKind::ChatCompletions && read.stream() && flags & 6 == 4 {
                assert_eq!(sent["stream_options"]["include_usage"], true);
            }
        }
        Err(e) => assert!(!came, "JSON came and {e} was sent: {}", String::from_utf8_lossy(&sent)),
    }
});
