//! Files and batches: kept by the deployment that was asked, for the key or team that asked, whichever replica is called.

use crate::harness::{Config, Gateway, Response, eventually, request};
use crate::support::{bearer, error, get, post, sha256};
use serde_json::{Value, json};
use tollgate::simulator::{Script, Simulator};

const BOUNDARY: &str = "deposit-9c";

fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .bytes(),
        );
    }
    body.extend(
        format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f.jsonl\"\r\n\r\n"
        )
        .bytes(),
    );
    body.extend_from_slice(file);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
    body
}

fn upload(path: &str, key: &str, fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    request("POST", path, &[("authorization", key), ("content-type", &content_type)], &form(fields, file))
}

fn asks(method: &str, path: &str, key: &str, body: &Value) -> Vec<u8> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    request(method, path, &[("authorization", key), ("content-type", "application/json")], text.as_bytes())
}

async fn ask(gate: &Gateway, bytes: &[u8]) -> Response {
    gate.connect().await.ask(bytes).await
}

fn config(one: &Simulator, other: &Simulator) -> Config {
    let prices = json!({ "input_cost_per_token": 1e-3, "output_cost_per_token": 1e-3,
        "input_cost_per_token_batches": 1e-6, "output_cost_per_token_batches": 2e-6, "temperature": 0.5 });
    Config::new()
        .target("one", "cheap=gpt-c", &one.base_url(), "key-1", prices.clone())
        .target("two", "dear=gpt-d", &other.base_url(), "key-2", prices)
        .set("router_settings", json!({ "fallbacks": [{ "cheap": ["dear"] }] }))
}

async fn key(gate: &Gateway, fields: Value) -> String {
    let made = gate.post("/key/generate", &fields).await.json();
    format!("Bearer {}", made["key"].as_str().unwrap())
}

fn lines(model: &str) -> String {
    let line = |id: &str| {
        json!({ "custom_id": id, "method": "POST", "url": "/v1/chat/completions",
        "body": { "model": model, "messages": [] } })
    };
    format!("{}\n{}\n", line("a"), line("b"))
}

#[tokio::test]
async fn a_file_belongs_to_who_made_it_and_is_asked_of_who_has_it() {
    let (one, other) = (
        Simulator::start(Script::default()).await.unwrap(),
        Simulator::start(Script::default()).await.unwrap(),
    );
    let gate = Gateway::start(&config(&one, &other)).await;
    let mine = key(&gate, json!({})).await;
    let others = key(&gate, json!({})).await;
    let sound: Vec<u8> = (0..=250_u8).cycle().take(7_000_000).collect();
    let made =
        ask(&gate, &upload("/v1/files", &mine, &[("purpose", "user_data"), ("model", "dear")], &sound)).await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("file-") && made.json()["bytes"] == sound.len());
    let sent = &other.seen()[0];
    assert_eq!((sent.path.as_str(), sent.key.as_str()), ("/v1/files", "key-2"));
    assert!(
        !String::from_utf8_lossy(&sent.body[..400]).contains("model"),
        "it is not the upstream's to know"
    );
    // A second replica reads the id, and a restart changes nothing.
    let replica = Gateway::start(&config(&one, &other)).await;
    for gate in [&gate, &replica] {
        let told = ask(gate, &get(&format!("/v1/files/{id}"))).await;
        assert_eq!((told.status(), told.json()["id"].as_str()), (200, Some(&*id)), "{}", told.text());
        let content = ask(gate, &get(&format!("/files/{id}/content"))).await;
        assert_eq!(content.header("content-type"), Some("application/octet-stream"));
        assert_eq!(sha256(&content.body), sha256(&sound));
    }
    let own = ask(&gate, &asks("GET", &format!("/openai/v1/files/{id}"), &mine, &Value::Null)).await;
    assert_eq!(own.status(), 200, "{}", own.text());
    for (method, path) in [("GET", ""), ("GET", "/content"), ("DELETE", "")] {
        let strange =
            ask(&gate, &asks(method, &format!("/v1/files/{id}{path}"), &others, &Value::Null)).await;
        assert_eq!(strange.status(), 404, "{}", strange.text());
    }
    // What the upstream calls it is nothing to a client, and nothing can be made up.
    for made_up in ["file-sim1", "file-AAAA", &id[..id.len() - 1], &format!("{id}A")] {
        let missing = ask(&gate, &get(&format!("/v1/files/{made_up}"))).await;
        assert_eq!(missing.status(), 404, "{made_up}: {}", missing.text());
    }
    assert_eq!(ask(&gate, &asks("PUT", &format!("/v1/files/{id}"), &mine, &Value::Null)).await.status(), 405);
    let gone = ask(&gate, &asks("DELETE", &format!("/v1/files/{id}"), &mine, &Value::Null)).await;
    assert_eq!(gone.json(), json!({ "id": id, "object": "file", "deleted": true }));
    assert_eq!(ask(&gate, &get(&format!("/v1/files/{id}"))).await.status(), 404);
}

#[tokio::test]
async fn lists_are_for_the_master_key() {
    let (one, other) = (
        Simulator::start(Script::default()).await.unwrap(),
        Simulator::start(Script::default()).await.unwrap(),
    );
    let gate = Gateway::start(&config(&one, &other)).await;
    let mine = key(&gate, json!({})).await;
    let made = ask(&gate, &upload("/files", &mine, &[("purpose", "assistants")], b"x")).await;
    assert_eq!(made.status(), 200, "the first of OpenAI's keeps it: {}", made.text());
    let refused = ask(&gate, &asks("GET", "/v1/files", &mine, &Value::Null)).await;
    assert!(refused.status() == 403 && error(&refused).contains("master key"), "{}", refused.text());
    let list = ask(&gate, &get("/v1/files?purpose=assistants&api_key=x&limit=5")).await.json();
    let listed = list["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(one.seen().last().unwrap().path, "/v1/files?purpose=assistants&limit=5");
    assert_eq!(ask(&gate, &get(&format!("/v1/files/{listed}"))).await.json()["filename"], "f.jsonl");
    let bad = ask(&gate, &get("/v1/files?custom_llm_provider=nobody")).await;
    assert!(bad.status() == 400 && error(&bad).contains("nobody"), "{}", bad.text());
    let empty = ask(&gate, &get("/v1/batches?model=dear")).await;
    assert_eq!((empty.status(), empty.json()["data"].as_array().unwrap().len()), (200, 0));
}

#[tokio::test]
async fn a_batch_is_made_of_a_file_and_billed_once_at_its_own_price() {
    let (one, other) = (
        Simulator::start(Script::default()).await.unwrap(),
        Simulator::start(Script::default()).await.unwrap(),
    );
    let gate = Gateway::start(&config(&one, &other)).await;
    let team = gate.post("/team/new", &json!({})).await.json()["team_id"].as_str().unwrap().to_owned();
    let mine = key(&gate, json!({ "team_id": team, "models": ["dear"] })).await;
    let mate = key(&gate, json!({ "team_id": team })).await;
    let stranger = key(&gate, json!({})).await;
    let file =
        ask(&gate, &upload("/v1/files", &mine, &[("purpose", "batch")], lines("dear").as_bytes())).await;
    assert_eq!(file.status(), 200, "{}", file.text());
    let kept = other.seen()[0].body.clone();
    assert!(String::from_utf8_lossy(&kept).contains(&lines("gpt-d")), "the upstream's name of the model");
    let input = file.json()["id"].clone();
    let body = json!({ "input_file_id": input, "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "metadata": { "note": "mine" } });
    assert_eq!(ask(&gate, &asks("POST", "/v1/batches", &stranger, &body)).await.status(), 404);
    let made = ask(&gate, &asks("POST", "/v1/batches", &mate, &body)).await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let sent: Value = serde_json::from_slice(&other.seen().last().unwrap().body).unwrap();
    assert_eq!(
        sent,
        json!({ "input_file_id": "file-sim1", "endpoint": "/v1/chat/completions", "completion_window": "24h",
            "metadata": { "note": "mine" } })
    );
    let batch = made.json();
    assert_eq!(
        (&batch["input_file_id"], &batch["metadata"]["note"], &batch["error_file_id"]),
        (&input, &json!("mine"), &Value::Null)
    );
    let id = batch["id"].as_str().unwrap();
    assert!(id.starts_with("batch_"));
    for key in [&mine, &mate] {
        let told = ask(&gate, &asks("GET", &format!("/v1/batches/{id}"), key, &Value::Null)).await;
        assert_eq!(
            (told.status(), told.json()["status"].as_str()),
            (200, Some("completed")),
            "{}",
            told.text()
        );
        let output = told.json()["output_file_id"].as_str().unwrap().to_owned();
        let content =
            ask(&gate, &asks("GET", &format!("/v1/files/{output}/content"), key, &Value::Null)).await;
        assert_eq!(content.text(), lines("gpt-d"));
    }
    assert_eq!(
        ask(&gate, &asks("GET", &format!("/v1/batches/{id}"), &stranger, &Value::Null)).await.status(),
        404
    );
    let ended = ask(&gate, &asks("POST", &format!("/v1/batches/{id}/cancel"), &mine, &Value::Null)).await;
    assert_eq!(ended.json()["status"], "cancelling", "{}", ended.text());
    eventually("the batch is booked", async || {
        let spend = gate.get("/global/spend").await.json()["spend"].as_f64();
        spend.filter(|spend| (spend - (100.0 * 1e-6 + 50.0 * 2e-6)).abs() < 1e-12)
    })
    .await;
}

#[tokio::test]
async fn a_batch_asks_for_one_model_that_its_maker_may_call() {
    let (one, other) = (
        Simulator::start(Script::default()).await.unwrap(),
        Simulator::start(Script::default()).await.unwrap(),
    );
    let gate = Gateway::start(&config(&one, &other)).await;
    let mine = key(&gate, json!({ "models": ["cheap"] })).await;
    let two = format!("{}{}", lines("cheap"), lines("dear"));
    for (fields, file, status, says) in [
        (&[("purpose", "batch")][..], lines("dear"), 401, "not allowed to access model"),
        (&[("purpose", "batch")], two, 400, "line 3"),
        (&[("purpose", "batch")], lines("nobody"), 401, "nobody"),
        (&[("purpose", "batch"), ("model", "cheap")], lines("dear"), 400, "the request names cheap"),
        (&[("purpose", "batch")], "not json".to_owned(), 400, "line 1"),
        (&[("purpose", "batch")], "\n".to_owned(), 400, "empty"),
        (
            &[("purpose", "batch"), ("purpose", "user_data")],
            lines("cheap"),
            400,
            "Duplicate parameter: 'purpose'",
        ),
        (&[("purpose", "batch")], lines("cheap").repeat(40_000), 413, "5 MiB"),
    ] {
        let answer = ask(&gate, &upload("/v1/files", &mine, fields, file.as_bytes())).await;
        assert_eq!(answer.status(), status, "{fields:?}: {}", answer.text());
        assert!(error(&answer).contains(says), "{fields:?}: {}", answer.text());
    }
    assert!(one.seen().is_empty() && other.seen().is_empty(), "nobody was asked");
    let bare = ask(&gate, &post("/v1/batches", br#"{"endpoint":"/v1/chat/completions"}"#)).await;
    assert!(bare.status() == 400 && error(&bare).contains("input_file_id"));
    let nobody = request("GET", "/v1/files", &[], b"");
    assert_eq!(ask(&gate, &nobody).await.status(), 401);
    assert_eq!(bearer().0, "authorization");
}
