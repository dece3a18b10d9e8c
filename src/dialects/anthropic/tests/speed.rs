//! Timings, to be run by hand: `cargo test --release --lib speed -- --ignored --nocapture`.

use super::harness_sample;
use crate::dialects::anthropic::{Anthropic, Relay};
use crate::dialects::gemini::{self, Gemini};
use crate::dialects::openai::{OpenAi, request};
use crate::dialects::responses::{self, Responses};
use crate::dialects::tests::harness;
use crate::dialects::{Ask, Dialect, Flow, Inbound, Shape, ShapeParams, Translation, translate};
use crate::domain::EndpointKind;
use bytes::Bytes;
use serde_json::Map;
use std::hint::black_box;
use std::time::Instant;

fn time(name: &str, rounds: u32, mut work: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..rounds {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(rounds));
    }
    println!("{name:<48} {:>10.0} ns", best * 1e9);
}

fn body(bytes: usize) -> Bytes {
    let text = "All work and no play, \\\"said\\\" Jack.\\n".repeat(bytes.div_ceil(40));
    Bytes::from(format!(
        r#"{{"model":"m","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{text}"}}],"temperature":0.2,"max_tokens":64,"stream":true,"top_p":0.9,"tools":[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object","properties":{{"a":{{"type":"string"}}}}}}}}}}]}}"#
    ))
}

#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_translated_requests_and_answers() {
    let none = Map::new();
    let params = ShapeParams {
        defaults: &none,
        extra_body: &none,
        allowed: &[],
        drop: &[],
        takes_stream_options: true,
    };
    let shape = Shape { model: "claude-sonnet-4-5", params, drop_params: false, ask_usage: true };
    let ask = Ask { model: "claude-sonnet-4-5", provider: "anthropic", shape: &shape };
    for (size, rounds) in [(1 << 10, 20_000), (100 << 10, 500), (10 << 20, 5)] {
        let body = body(size);
        let read = request::read(EndpointKind::ChatCompletions, body.clone()).unwrap();
        time(&format!("a request of {} bytes translated", body.len()), rounds, || {
            black_box(translate::encode(black_box(&read), &OpenAi, &Anthropic, &ask).unwrap());
        });
    }
    let answer = harness_sample("answer", "tools.json");
    time(&format!("an answer of {} bytes translated", answer.len()), 20_000, || {
        black_box(OpenAi.write(&Anthropic.decode(black_box(&answer)).unwrap(), &harness::given()));
    });
}

#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_translated_chunks() {
    let anthropics = Bytes::from_static(
        b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" goes on\"}}\n\n",
    );
    let openais = Bytes::from_static(
        b"data: {\"id\":\"chatcmpl-1234567890\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" goes on\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
    );
    let pairs: [(&str, &dyn Dialect, &dyn Inbound, &Bytes); 5] = [
        ("a chunk from anthropic to openai", &Anthropic, &OpenAi, &anthropics),
        ("a chunk from openai to anthropic", &OpenAi, &Anthropic, &openais),
        ("a chunk from openai to openai by the hub", &OpenAi, &OpenAi, &openais),
        ("a chunk from openai to responses", &OpenAi, &Responses, &openais),
        ("a chunk from openai to gemini", &OpenAi, &Gemini, &openais),
    ];
    for (name, dialect, inbound, chunk) in pairs {
        let encoder = inbound.encoder(harness::given());
        let mut flow = Flow::Translated(Box::new(Translation::new(dialect.decoder(), encoder)));
        time(name, 100_000, || {
            black_box(flow.push(black_box(chunk.clone())).unwrap());
        });
    }
    let mut relay = Relay::default();
    time("a chunk relayed from anthropic to anthropic", 100_000, || {
        black_box(relay.push(black_box(anthropics.clone())).unwrap());
    });
    let chunk = Bytes::from_static(
        b"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\" goes on\",\"logprobs\":[]}\n\n",
    );
    let mut relay = responses::Relay::default();
    time("a chunk relayed from responses to responses", 100_000, || {
        black_box(relay.push(black_box(chunk.clone())).unwrap());
    });
    let chunk = Bytes::from_static(
        b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" goes on\"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":1},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"r1\"}\r\n\r\n",
    );
    let mut relay = gemini::Relay::default();
    time("a chunk relayed from gemini to gemini", 100_000, || {
        black_box(relay.push(black_box(chunk.clone())).unwrap());
    });
}
