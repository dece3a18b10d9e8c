//! Timings, to be run by hand: `cargo test --release --lib speed -- --ignored --nocapture`.

use super::sample;
use crate::dialects::openai::{StreamOptions, StreamRelay, answer, encode, request};
use crate::dialects::{Shape, ShapeParams};
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
    println!("{name:<40} {:>10.0} ns", best * 1e9);
}

fn chunk() -> Bytes {
    let stream = sample("stream", "openai.sse");
    let second = stream.windows(2).position(|w| w == b"\n\n").unwrap() + 2;
    let length = stream[second..].windows(2).position(|w| w == b"\n\n").unwrap() + 2;
    Bytes::copy_from_slice(&stream[second..second + length])
}

#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_chunks() {
    let chunk = chunk();
    println!("a chunk of {} bytes", chunk.len());
    for (name, rename) in [("relayed as it is", None), ("with the model renamed", Some("public"))] {
        let options = StreamOptions { rename_to: rename.map(Into::into), strip_usage: true };
        let mut relay = StreamRelay::new(options);
        time(name, 200_000, || {
            black_box(relay.push(black_box(chunk.clone())).unwrap());
        });
    }
    let (head, tail) = (chunk.slice(..100), chunk.slice(100..));
    let mut relay = StreamRelay::new(StreamOptions::default());
    time("cut in two", 200_000, || {
        black_box(relay.push(black_box(head.clone())).unwrap());
        black_box(relay.push(black_box(tail.clone())).unwrap());
    });
}

fn body(bytes: usize) -> Bytes {
    let text = "All work and no play, \\\"said\\\" Jack.\\n".repeat(bytes.div_ceil(40));
    let body = format!(
        r#"{{"model":"glm","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{}"}}],"temperature":0.2,"max_tokens":64,"stream":true,"top_p":0.9,"user":"u-1","tools":[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object","properties":{{"a":{{"type":"string"}}}}}}}}}}]}}"#,
        text
    );
    Bytes::from(body)
}

#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_requests_and_answers() {
    let none = Map::new();
    let params = ShapeParams {
        defaults: &none,
        extra_body: &none,
        allowed: &[],
        drop: &[],
        takes_stream_options: true,
    };
    let shape = Shape { model: "upstream", params, drop_params: false, ask_usage: true };
    for (size, rounds) in [(1 << 10, 50_000), (100 << 10, 1_000), (20 << 20, 5)] {
        let body = body(size);
        time(&format!("read {} bytes", body.len()), rounds, || {
            black_box(request::read(EndpointKind::ChatCompletions, black_box(body.clone())).unwrap());
        });
        let read = request::read(EndpointKind::ChatCompletions, body.clone()).unwrap();
        time(&format!("encode {} bytes", body.len()), rounds, || {
            black_box(encode(black_box(&read), &shape).unwrap());
        });
    }
    let image = format!(
        r#"{{"model":"glm","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "iVBORw0KGgo".repeat((20 << 20) / 11)
    );
    let image = Bytes::from(image);
    time(&format!("read {} bytes of base64", image.len()), 5, || {
        black_box(request::read(EndpointKind::ChatCompletions, black_box(image.clone())).unwrap());
    });
    let embedding = format!(
        r#"{{"object":"list","data":[{{"embedding":[{}0.5]}}],"model":"emb","usage":{{"prompt_tokens":5}}}}"#,
        "0.0123456,".repeat(100_000)
    );
    time(&format!("read an embedding of {} bytes", embedding.len()), 100, || {
        black_box(answer::read(black_box(embedding.as_bytes())));
    });
    let small = sample("answer", "openai.json");
    time(&format!("read an answer of {} bytes", small.len()), 50_000, || {
        black_box(answer::read(black_box(&small)));
    });
}
