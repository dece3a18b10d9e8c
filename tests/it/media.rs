//! Audio, images, moderations and reranking: bytes as they come, models renamed, and each billed by what it is counted in.

use crate::bodies::Two;
use crate::harness::{
    Config, Gateway, MASTER_KEY, Response, chunked_request, eventually, free_address, request,
};
use crate::support::{bearer, error, post, sha256};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate::simulator::{Behaviour, Ending, Fault, Script, Simulator, UsageReport};

const SPEECH: &str = "/v1/audio/speech";
const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
const BOUNDARY: &str = "tollgate-form-1b";

/// A form of these fields, a field without a value being the file.
fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(file.len() + 1024);
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes(),
        );
        if value.is_empty() {
            body.extend_from_slice(b"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n");
            body.extend_from_slice(file);
        } else {
            body.extend_from_slice(format!("\r\n\r\n{value}").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

fn headers() -> [(&'static str, &'static str); 2] {
    [bearer(), ("content-type", "multipart/form-data; boundary=tollgate-form-1b")]
}

fn upload(path: &str, fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    request("POST", path, &headers(), &form(fields, file))
}

fn sound(size: usize) -> Vec<u8> {
    (0..=252_u8).cycle().take(size).collect()
}

async fn started(behaviour: Behaviour, prices: Value) -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::of(behaviour)).await.unwrap();
    let config = Config::new().target("t", "voice=tts-x", &simulator.base_url(), "upstream-key", prices);
    let gateway = Gateway::start(&config).await;
    (simulator, gateway)
}

async fn ask(gate: &Gateway, bytes: &[u8]) -> Response {
    gate.connect().await.ask(bytes).await
}

async fn spent(gate: &Gateway, dollars: f64) {
    eventually("the calls are booked", async || {
        let spend = gate.get("/global/spend").await.json()["spend"].as_f64();
        spend.filter(|spend| (spend - dollars).abs() < 1e-12)
    })
    .await;
}

fn cost(answer: &Response) -> &str {
    answer.header("x-litellm-response-cost").unwrap_or_else(|| panic!("no cost: {}", answer.text()))
}

#[tokio::test]
async fn speech_is_passed_on_as_it_comes_and_billed_by_the_character() {
    let (simulator, gate) = started(Behaviour::default(), json!({ "input_cost_per_character": 1e-5 })).await;
    let body = r#"{"model":"voice","voice":"nova","input":"héllo","user":"stays here"}"#;
    for path in [SPEECH, "/audio/speech", "/openai/deployments/voice/audio/speech"] {
        let answer = ask(&gate, &post(path, body.as_bytes())).await;
        assert_eq!((answer.status(), answer.header("content-type")), (200, Some("audio/mpeg")), "{path}");
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        let expected: Vec<u8> =
            (0..8_u8).flat_map(|at| ["tts-x:nova:héllo:".as_bytes(), &[0xFF, at]].concat()).collect();
        assert_eq!(answer.body, expected);
    }
    let seen = simulator.seen();
    assert_eq!(seen[0].path, "/v1/audio/speech");
    assert!(!String::from_utf8_lossy(&seen[0].body).contains("stays here"));
    spent(&gate, 3.0 * 5.0 * 1e-5).await;
    let wav =
        ask(&gate, &post(SPEECH, br#"{"model":"voice","voice":"v","input":"a","response_format":"wav"}"#))
            .await;
    assert_eq!(wav.header("content-type"), Some("audio/wav"));
    let events =
        ask(&gate, &post(SPEECH, br#"{"model":"voice","voice":"v","input":"a","stream_format":"sse"}"#))
            .await;
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    assert!(events.text().contains("speech.audio.done"));
    let metrics = gate.get("/metrics").await.text();
    assert!(
        metrics.contains("/openai/deployments/{model}/audio/speech"),
        "a route without the client's words"
    );
}

#[tokio::test]
async fn a_cut_speech_is_cut_for_the_client_too() {
    let behaviour = Behaviour { ending: Ending::Cut(3), ..Behaviour::default() };
    let (_simulator, gate) = started(behaviour, json!({})).await;
    let mut connection = gate.connect().await;
    connection.send(&post(SPEECH, br#"{"model":"voice","voice":"v","input":"a"}"#)).await;
    let cut = connection.read_response().await;
    assert!(cut.status() == 200 && !cut.complete, "no false end");
    let behaviour = Behaviour { ending: Ending::Truncate(1), ..Behaviour::default() };
    let (_simulator, gate) = started(behaviour, json!({})).await;
    let body = br#"{"model":"voice","voice":"v","input":"a","stream_format":"sse"}"#;
    let answer = ask(&gate, &post(SPEECH, body)).await;
    assert!(answer.text().contains("\"error\""), "a stream without an end says so: {}", answer.text());
}

#[tokio::test]
async fn a_form_arrives_with_its_model_renamed_whatever_the_order() {
    let (_simulator, gate) =
        started(Behaviour::default(), json!({ "input_cost_per_second": 0.0001, "language": "de" })).await;
    let file = sound(300_000);
    let orders: [&[(&str, &str)]; 3] = [
        &[("model", "voice"), ("file", ""), ("temperature", "0.5")],
        &[("file", ""), ("temperature", "0.5"), ("model", "voice")],
        &[("metadata", "m"), ("temperature", "0.5"), ("file", ""), ("tags", "x"), ("model", "voice")],
    ];
    for fields in orders {
        let body = form(fields, &file);
        for bytes in [
            request("POST", TRANSCRIPTIONS, &headers(), &body),
            chunked_request("POST", "/audio/transcriptions", &headers(), &body, 7000),
        ] {
            let answer = ask(&gate, &bytes).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let sim = &answer.json()["sim"];
            assert_eq!(
                *sim,
                json!({ "model": "tts-x", "temperature": "0.5", "language": "de", "files": [
                    { "part": "file", "filename": "a.mp3", "bytes": file.len(), "sha256": sha256(&file) }] })
            );
            assert_eq!(cost(&answer), "0.0003", "three seconds");
        }
    }
    let named = upload("/openai/deployments/voice/audio/translations", &[("file", "")], &file);
    assert_eq!(ask(&gate, &named).await.json()["sim"]["model"], "tts-x");
}

/// Around what is held whole, what is held of more, and what a proxy replays; with a length and without, by HTTP/1.1 and 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_any_size_and_framing_arrives_whole() {
    const MIB: usize = 1 << 20;
    let (_simulator, gate) = started(Behaviour::default(), json!({})).await;
    let mut twos = [Two::open(&gate).await, Two::late(&gate).await];
    for size in
        [0, 1, 65_000, 65_536, 4 * MIB - 500, 4 * MIB, 5 * MIB - 500, 5 * MIB, 5 * MIB + 70_000, 12 * MIB]
    {
        let file = sound(size);
        let expected = json!({ "part": "file", "filename": "a.mp3", "bytes": size, "sha256": sha256(&file) });
        for fields in [&[("model", "voice"), ("file", "")][..], &[("file", ""), ("model", "voice")]] {
            let body = form(fields, &file);
            let one = request("POST", TRANSCRIPTIONS, &headers(), &body);
            let chunks = chunked_request("POST", TRANSCRIPTIONS, &headers(), &body, 50_000);
            for bytes in [one, chunks] {
                let answer = ask(&gate, &bytes).await;
                assert_eq!(answer.status(), 200, "{size} {fields:?}: {}", answer.text());
                assert_eq!(answer.json()["sim"]["files"][0], expected, "{size} {fields:?}");
                assert_eq!(answer.json()["sim"]["model"], "tts-x");
            }
            let known = Some(body.len());
            for (which, length) in [(0, known), (0, None), (1, known), (1, None)] {
                let two = &mut twos[which];
                let (status, answer) = two.post(TRANSCRIPTIONS, headers()[1].1, length, &body, 100_000).await;
                assert_eq!(status, 200, "{size} {length:?}: {}", String::from_utf8_lossy(&answer));
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                assert_eq!(answer["sim"]["files"][0], expected, "{size} {length:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_wait_for_their_turn_and_for_their_second_attempt() {
    let slow = Behaviour { first_byte: Duration::from_millis(300), ..Behaviour::default() };
    let simulator = Simulator::start(Script::of(slow)).await.unwrap();
    // A port that no other test is given.
    let away = "http://127.0.0.1:1/v1";
    let config = Config::new()
        .target("t", "voice=x", &simulator.base_url(), "k", json!({ "max_parallel_requests": 1 }))
        .target("a", "far=x", away, "k", json!({ "order": 1 }))
        .target("b", "far=x", &simulator.base_url(), "k", json!({ "order": 2 }))
        .set("router_settings", json!({ "num_retries": 2, "retry_after": 1, "disable_cooldowns": true }));
    let gate = Gateway::start(&config).await;
    let one = |model: &'static str| {
        let file = sound(9_000_000);
        let fields = [("model", model), ("file", "")];
        let whole = form(&fields, &file);
        [
            request("POST", TRANSCRIPTIONS, &headers(), &whole),
            chunked_request("POST", TRANSCRIPTIONS, &headers(), &whole, 50_000),
        ]
    };
    let [first, second] = one("voice");
    let [third, fourth] = one("far");
    let answers =
        futures::future::join_all([first, second, third, fourth].iter().map(|bytes| ask(&gate, bytes))).await;
    for answer in answers {
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.json()["sim"]["files"][0]["bytes"], 9_000_000);
    }
}

#[tokio::test]
async fn a_long_recording_of_unknown_length_is_not_free() {
    let (_simulator, gate) = started(Behaviour::default(), json!({ "input_cost_per_second": 0.0001 })).await;
    let body = form(&[("model", "voice"), ("response_format", "text"), ("file", "")], &sound(8_000_000));
    let answer = ask(&gate, &chunked_request("POST", TRANSCRIPTIONS, &headers(), &body, 50_000)).await;
    let cost: f64 = cost(&answer).parse().unwrap();
    assert!((0.05..0.0501).contains(&cost), "500 seconds at 128 kbit/s: {cost}");
}

#[tokio::test]
async fn who_leaves_in_the_middle_of_an_upload_gives_back_what_it_held() {
    let params = json!({ "max_parallel_requests": 1 });
    let (simulator, gate) = started(Behaviour::default(), params).await;
    let body = form(&[("model", "voice"), ("file", "")], &sound(12_000_000));
    let late = form(&[("file", ""), ("model", "voice")], &sound(12_000_000));
    let whole = [
        request("POST", TRANSCRIPTIONS, &headers(), &body),
        chunked_request("POST", TRANSCRIPTIONS, &headers(), &body, 50_000),
        request("POST", TRANSCRIPTIONS, &headers(), &late),
        chunked_request("POST", TRANSCRIPTIONS, &headers(), &late, 50_000),
    ];
    for bytes in &whole {
        let mut connection = gate.connect().await;
        connection.send(&bytes[..9_000_000]).await;
        drop(connection);
    }
    gate.metric_is("litellm_in_flight_requests", &[], 0.0).await;
    let small = upload(TRANSCRIPTIONS, &[("model", "voice"), ("file", "")], b"sound");
    assert_eq!(ask(&gate, &small).await.status(), 200);
    assert_eq!(simulator.seen().len(), 1, "no upstream took half of an upload for all of it");
}

#[tokio::test]
async fn every_response_format_is_the_clients() {
    let (_simulator, gate) = started(Behaviour::default(), json!({ "input_cost_per_second": 0.0001 })).await;
    for (format, content_type, says, price) in [
        ("json", "application/json", "\"text\"", "0.0003"),
        ("verbose_json", "application/json", "\"segments\"", "0.00025"),
        ("diarized_json", "application/json", "\"speaker\"", "0.00025"),
        ("text", "text/plain; charset=utf-8", "Every call pays its toll.\n", "6.25e-05"),
        ("srt", "text/plain", "-->", "0.00025"),
        ("vtt", "text/vtt", "WEBVTT", "0.00025"),
    ] {
        let fields = [("file", ""), ("model", "voice"), ("response_format", format)];
        let answer = ask(&gate, &upload(TRANSCRIPTIONS, &fields, &sound(10_000))).await;
        assert_eq!(answer.header("content-type"), Some(content_type), "{format}");
        assert!(answer.text().contains(says), "{format}: {}", answer.text());
        // Of plain text nobody knows how long it took to say: 10 kB are taken for 0.625 seconds.
        assert_eq!(cost(&answer), price, "{format}");
    }
    let fields = [("file", ""), ("model", "voice"), ("stream", "true")];
    let answer = ask(&gate, &upload(TRANSCRIPTIONS, &fields, b"x")).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.text().contains("transcript.text.done"));
}

#[tokio::test]
async fn a_form_that_says_two_things_is_refused() {
    let (simulator, gate) = started(Behaviour::default(), json!({})).await;
    for (fields, status, says) in [
        (&[("model", "voice"), ("file", ""), ("model", "other")][..], 400, "Duplicate parameter: 'model'"),
        (&[("model", "voice"), ("api_base", "http://evil"), ("file", "")], 401, "api_base is not allowed"),
        (&[("Model", "voice"), ("file", "")], 400, "must be written 'model'"),
        (&[("model", "voice")], 422, "'file'"),
        (&[("file", "")], 400, "model=None"),
        (&[("model", "nobody"), ("file", "")], 400, "nobody"),
    ] {
        let answer = ask(&gate, &upload(TRANSCRIPTIONS, fields, b"sound")).await;
        assert_eq!(answer.status(), status, "{fields:?}: {}", answer.text());
        assert!(error(&answer).contains(says), "{fields:?}: {}", answer.text());
    }
    let json = ask(&gate, &post(TRANSCRIPTIONS, br#"{"model":"voice"}"#)).await;
    assert!(json.status() == 400 && error(&json).contains("multipart/form-data"));
    let cut = form(&[("model", "voice"), ("file", "")], b"sound");
    let cut = request("POST", TRANSCRIPTIONS, &headers(), &cut[..cut.len() - 8]);
    assert!(error(&ask(&gate, &cut).await).contains("breaks off"));
    assert_eq!(simulator.seen().len(), 0, "nobody was asked");
}

#[tokio::test]
async fn a_second_model_after_a_long_file_is_found_on_the_way() {
    let (simulator, gate) = started(Behaviour::default(), json!({})).await;
    let fields = [("model", "voice"), ("file", ""), ("model", "dearer")];
    let answer = ask(&gate, &upload(TRANSCRIPTIONS, &fields, &sound(9_000_000))).await;
    assert_eq!(answer.status(), 400, "{}", answer.text());
    assert!(error(&answer).contains("Duplicate parameter: 'model'"));
    assert_eq!(simulator.seen().len(), 0, "no upstream has all of it");
}

#[tokio::test]
async fn what_is_held_of_an_upload_goes_to_another_deployment_and_what_is_not_does_not() {
    let broken = Behaviour { fault: Some(Fault::Status(500)), ..Behaviour::default() };
    let simulator = Simulator::start(Script::default().with_key("broken", broken)).await.unwrap();
    let (base, away) = (simulator.base_url(), format!("http://{}/v1", free_address()));
    let config = Config::new()
        .target("a", "voice=x", &base, "broken", json!({ "order": 1 }))
        .target("b", "voice=x", &base, "fine", json!({ "order": 2 }))
        .target("c", "far=x", &away, "away", json!({ "order": 1 }))
        .target("d", "far=x", &base, "fine", json!({ "order": 2 }))
        .set("router_settings", json!({ "num_retries": 2, "disable_cooldowns": true }));
    let gate = Gateway::start(&config).await;
    let small =
        ask(&gate, &upload(TRANSCRIPTIONS, &[("model", "voice"), ("file", "")], &sound(2_000_000))).await;
    assert_eq!(
        (small.status(), small.header("x-litellm-attempted-retries")),
        (200, Some("1")),
        "{}",
        small.text()
    );
    let large = sound(9_000_000);
    let told = ask(&gate, &upload(TRANSCRIPTIONS, &[("model", "voice"), ("file", "")], &large)).await;
    assert_eq!(told.status(), 500);
    assert!(error(&told).contains("no other deployment was asked"), "{}", told.text());
    // Nothing was sent to one that is not there.
    let whole = ask(&gate, &upload(TRANSCRIPTIONS, &[("model", "far"), ("file", "")], &large)).await;
    assert_eq!(whole.status(), 200, "{}", whole.text());
    assert_eq!(whole.json()["sim"]["files"][0]["sha256"], sha256(&large));
}

/// Whatever is uploaded and wherever its model stands, the gateway holds a few megabytes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_megabytes_of_sound_take_no_memory() {
    const SIZE: usize = 200 << 20;
    let script = Script { record: 0, ..Script::default() };
    let simulator = Simulator::start(script).await.unwrap();
    let config = Config::new().deployment("voice", "x", &simulator.base_url(), "k");
    let gate = Gateway::start(&config).await;
    let piece = vec![b'a'; 1 << 20];
    let digest = sha256(&vec![b'a'; SIZE]);
    for fields in [&[("model", "voice"), ("file", "")][..], &[("file", ""), ("model", "voice")]] {
        let around = form(fields, b"@");
        let at = around.iter().position(|byte| *byte == b'@').unwrap();
        let before = gate.resident();
        let mut connection = gate.connect().await;
        let head = format!(
            "POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {MASTER_KEY}\r\ncontent-type: \
             multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {}\r\n\r\n",
            around.len() - 1 + SIZE
        );
        connection.send(&[head.as_bytes(), &around[..at]].concat()).await;
        let mut most = 0;
        for _ in 0..200 {
            connection.send(&piece).await;
            most = most.max(gate.resident());
        }
        connection.send(&around[at + 1..]).await;
        let answer = connection.read_response().await;
        most = most.max(gate.resident());
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(
            answer.json()["sim"]["files"][0],
            json!({ "part": "file", "filename": "a.mp3", "bytes": SIZE, "sha256": digest })
        );
        assert_eq!(answer.json()["sim"]["model"], "x");
        assert!(most < before + (16 << 20), "{fields:?}: {before} bytes grew to {most}");
    }
}

#[tokio::test]
async fn images_are_billed_one_by_one_or_by_their_tokens() {
    let (simulator, gate) = started(Behaviour::default(), json!({ "output_cost_per_image": 0.04 })).await;
    let asked =
        post("/v1/images/generations", br#"{"model":"voice","prompt":"a toll","n":2,"stream":false}"#);
    let answer = ask(&gate, &asked).await;
    assert_eq!((answer.status(), cost(&answer)), (200, "0.08"), "{}", answer.text());
    assert_eq!(
        answer.json()["sim"],
        json!({ "model": "tts-x", "prompt": "a toll", "n": 2, "stream": false })
    );
    for (path, fields) in [
        ("/v1/images/edits", &[("image[]", ""), ("prompt", "a hat"), ("model", "voice")][..]),
        ("/images/variations", &[("image", ""), ("model", "voice")]),
    ] {
        let answer = ask(&gate, &upload(path, fields, b"png")).await;
        assert_eq!((answer.status(), cost(&answer)), (200, "0.04"), "{}", answer.text());
        assert_eq!(answer.json()["sim"]["model"], "tts-x");
    }
    simulator.set(Script::of(Behaviour { usage: UsageReport::Always, ..Behaviour::default() }));
    let config = Config::new().target(
        "i",
        "voice=x",
        &simulator.base_url(),
        "k",
        json!({ "input_cost_per_token": 5e-6, "output_cost_per_image_token": 4e-5, "output_cost_per_image": 9 }),
    );
    let gate = Gateway::start(&config).await;
    let answer = ask(&gate, &asked).await;
    assert_eq!(cost(&answer), "0.00805", "10 tokens in, 200 tokens of images out");
}

#[tokio::test]
async fn the_table_knows_what_an_image_of_a_size_costs() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let config = Config::new().deployment("dall-e-3", "dall-e-3", &simulator.base_url(), "k");
    let gate = Gateway::start(&config).await;
    for (more, price) in [
        ("", "0.04"),
        (r#","quality":"hd""#, "0.08"),
        (r#","size":"1024x1792","quality":"hd""#, "0.12"),
        (r#","size":"1792x1024""#, "0.08"),
    ] {
        let body = format!(r#"{{"model":"dall-e-3","prompt":"p"{more}}}"#);
        assert_eq!(
            cost(&ask(&gate, &post("/v1/images/generations", body.as_bytes())).await),
            price,
            "{more}"
        );
    }
}

#[tokio::test]
async fn rerankers_and_moderations_are_asked_in_each_form() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let base = simulator.base_url();
    let origin = base.strip_suffix("/v1").unwrap();
    let config = Config::new()
        .target(
            "j",
            "jina=r",
            &base,
            "k",
            json!({ "input_cost_per_token": 1e-6, "output_cost_per_token": 0 }),
        )
        .entry(json!({ "model_name": "cohere", "litellm_params":
            { "model": "cohere/rerank-v3.5", "api_base": origin, "api_key": "k" } }))
        .target("m", "guard=omni-moderation-latest", &base, "k", json!({}));
    let gate = Gateway::start(&config).await;
    for path in ["/v1/rerank", "/v2/rerank", "/rerank"] {
        for (model, price) in [("jina", "1.5e-05"), ("cohere", "0.002")] {
            let body = format!(r#"{{"model":"{model}","query":"q","documents":["a","b","c"],"top_n":2}}"#);
            let answer = ask(&gate, &post(path, body.as_bytes())).await;
            assert_eq!((answer.status(), cost(&answer)), (200, price), "{path} {model}: {}", answer.text());
            assert_eq!(answer.json()["results"].as_array().unwrap().len(), 2);
        }
    }
    let paths: Vec<String> = simulator.seen().iter().map(|seen| seen.path.clone()).collect();
    assert_eq!(paths[..2], ["/v1/rerank", "/v2/rerank"]);
    let answer =
        ask(&gate, &post("/v1/moderations", br#"{"model":"guard","input":["violence","peace"]}"#)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["results"][0]["flagged"], true);
    assert_eq!(answer.json()["results"][1]["flagged"], false);
}

#[tokio::test]
async fn who_has_no_such_api_is_left_out_of_a_group_and_named_if_there_is_nobody_else() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let base = simulator.base_url();
    let anthropic = |group: &str| {
        json!({ "model_name": group, "litellm_params":
        { "model": "anthropic/c", "api_base": base, "api_key": "k" } })
    };
    let config = Config::new()
        .entry(anthropic("mixed"))
        .deployment("mixed", "e", &base, "k")
        .entry(anthropic("alone"));
    let gate = Gateway::start(&config).await;
    for _ in 0..6 {
        let answer = ask(&gate, &post("/v1/embeddings", br#"{"model":"mixed","input":"a"}"#)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    for (path, body) in [
        ("/v1/embeddings", r#"{"model":"alone","input":"a"}"#),
        (SPEECH, r#"{"model":"alone","voice":"v","input":"a"}"#),
        ("/v1/rerank", r#"{"model":"alone","query":"a","documents":[]}"#),
    ] {
        let answer = ask(&gate, &post(path, body.as_bytes())).await;
        assert_eq!(answer.status(), 400, "{}", answer.text());
        let words = error(&answer);
        assert!(words.contains("anthropic has no") && words.contains("OpenAI's format"), "{words}");
    }
}

#[tokio::test]
async fn a_budget_is_held_by_what_a_call_will_cost() {
    let (_simulator, gate) = started(Behaviour::default(), json!({ "input_cost_per_character": 0.01 })).await;
    let key = gate.post("/key/generate", &json!({ "max_budget": 0.1, "models": ["voice"] })).await.json();
    let key = format!("Bearer {}", key["key"].as_str().unwrap());
    let say = |text: &str| {
        let body = format!(r#"{{"model":"voice","voice":"v","input":"{text}"}}"#);
        request(
            "POST",
            SPEECH,
            &[("authorization", &key), ("content-type", "application/json")],
            body.as_bytes(),
        )
    };
    assert_eq!(ask(&gate, &say("hello")).await.status(), 200);
    assert_eq!(ask(&gate, &say("a text")).await.status(), 200, "there was some left");
    let refused = ask(&gate, &say("no")).await;
    assert_eq!(refused.status(), 400, "{}", refused.text());
    assert_eq!(refused.json()["error"]["type"], "budget_exceeded");
}
