//! The second seed document whole: its configuration, unchanged but for the addresses, in front of scripted servers.

use crate::harness::{Asked, Gateway, Launch, MASTER_KEY, Reply, Scripted, eventually, request};
use serde_json::{Value, json};

const SEED: &str = include_str!("../fixtures/seeds/seed1.yaml");

/// llama-swap, with a model that answers in words.
async fn llama_swap() -> Scripted {
    Scripted::start(|asked: &Asked| match asked.route() {
        "/v1/models" => Reply::json(&json!({ "object": "list", "data": [
            { "id": "qwen3-30b-a3b" }, { "id": "qwen2.5-14b-instruct" }, { "id": "gemma3-27b" }, { "id": "gpt-oss-120b" },
        ] })),
        "/v1/chat/completions" => {
            let (body, usage) = (asked.json(), json!({ "prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12 }));
            let model = &body["model"];
            if body["stream"] == true {
                let chunk = |delta: Value, end: Value| json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [{ "index": 0, "delta": delta, "finish_reason": end }] });
                let last = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [], "usage": usage });
                let chunks = [chunk(json!({ "role": "assistant", "content": "Bits " }), Value::Null), chunk(json!({ "content": "fall." }), json!("stop")), last];
                let events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
                return Reply::text("text/event-stream", format!("{events}data: [DONE]\n\n"));
            }
            Reply::json(&json!({ "id": "c", "object": "chat.completion", "created": 1, "model": model, "usage": usage,
                "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello!" } }] }))
        }
        _ => Reply::status(404),
    })
    .await
}

/// A synthesizer whose sound says who it is.
async fn speech(sound: &'static str) -> Scripted {
    Scripted::start(move |asked: &Asked| match asked.route() {
        "/v1/audio/speech" => Reply::text("audio/mpeg", sound),
        _ => Reply::status(404),
    })
    .await
}

async fn whisper() -> Scripted {
    Scripted::start(|asked: &Asked| match asked.route() {
        "/v1/audio/transcriptions"
            if asked.header("content-type").unwrap_or_default().starts_with("multipart/form-data") =>
        {
            Reply::json(&json!({ "text": format!("{} bytes were said", asked.body.len()) }))
        }
        _ => Reply::status(404),
    })
    .await
}

async fn searxng() -> Scripted {
    Scripted::start(|asked: &Asked| match asked.route() {
        "/search" => Reply::json(
            &json!({ "results": [{ "title": "News", "url": "http://news/1", "content": "AI news" }] }),
        ),
        _ => Reply::status(404),
    })
    .await
}

/// A form with a file and a model, as `curl -F` sends it.
fn form(model: &str) -> Vec<u8> {
    format!("--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"audio.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFFsound\r\n--b0undary\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--b0undary--\r\n").into_bytes()
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=b0undary");

async fn open_post(gateway: &Gateway, path: &str, kind: (&str, &str), body: &[u8]) -> (u16, String) {
    let answer = gateway.call(&request("POST", path, &[kind], body)).await;
    (answer.status(), answer.text())
}

#[tokio::test]
async fn the_second_document_is_served_whole() {
    let (swap, piper, style, whisper, searxng) =
        (llama_swap().await, speech("piper").await, speech("style").await, whisper().await, searxng().await);
    let hosts = [
        ("http://llama-swap:8080", swap.url()),
        ("http://openedai-speech:8000", piper.url()),
        ("http://styletts2-openai:8000", style.url()),
        ("http://faster-whisper:8000", whisper.url()),
    ];
    let text = hosts.iter().fold(SEED.to_owned(), |text, (name, url)| text.replace(name, url));
    // Its clients show no key there; who wants that must say so here.
    let text = text.replace("      target: ", "      auth: false\n      target: ");
    let launch = Launch::of_text(text)
        .variable("LITELLM_MASTER_KEY", MASTER_KEY)
        .variable("SEARXNG_API_BASE", &searxng.url());
    let gateway = launch.start().await;

    // Its models: everything that llama-swap has, and the names of the file.
    let listed = gateway.get("/v1/models").await.json();
    let names: Vec<&str> =
        listed["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    for name in [
        "qwen3-30b-a3b",
        "gemma3-27b",
        "gpt-oss-120b",
        "gpt-4",
        "gpt-4-turbo",
        "gpt-3.5-turbo",
        "tts-1",
        "tts-1-hd",
        "styletts2",
        "whisper-large-v3",
        "whisper-1",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(!names.contains(&"*"), "{names:?}");

    // Chat: by llama-swap's name, by a name of OpenAI's, streamed, with a tool.
    let hello = json!({ "model": "qwen3-30b-a3b", "messages": [{ "role": "user", "content": "Hello!" }], "max_tokens": 100 });
    let answer = gateway.post("/v1/chat/completions", &hello).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello!", "{}", answer.text());
    let haiku = json!({ "model": "gpt-4", "messages": [{ "role": "user", "content": "Write a haiku about coding" }], "stream": true });
    let streamed = gateway.post("/v1/chat/completions", &haiku).await.text();
    assert!(streamed.contains("fall.") && streamed.trim_end().ends_with("data: [DONE]"), "{streamed}");
    assert_eq!(swap.asked().last().unwrap().json()["model"], "qwen3-30b-a3b");
    let tool = json!({ "model": "qwen3-30b-a3b-q8-abl", "messages": [{ "role": "user", "content": "What are the latest AI news today?" }], "tool_choice": "auto",
        "tools": [{ "type": "function", "function": { "name": "searxng-search", "description": "Search the web for information" } }] });
    assert_eq!(gateway.post("/v1/chat/completions", &tool).await.status(), 200);
    assert_eq!(swap.asked().last().unwrap().json()["tools"], tool["tools"]);

    // Search.
    let found = gateway.post("/v1/search/searxng-search", &json!({ "query": "latest AI news" })).await;
    assert_eq!(found.json()["results"][0]["url"], "http://news/1", "{}", found.text());
    assert_eq!(gateway.get("/v1/search/tools").await.json()["data"][0]["search_tool_name"], "searxng-search");

    // The three pass-through endpoints, without a key.
    let say =
        json!({ "model": "tts-1", "input": "Direct access to Piper TTS.", "voice": "echo" }).to_string();
    let json_kind = ("content-type", "application/json");
    assert_eq!(
        open_post(&gateway, "/tts/v1/audio/speech", json_kind, say.as_bytes()).await,
        (200, "piper".to_owned())
    );
    assert_eq!(
        open_post(&gateway, "/styletts2/v1/audio/speech", json_kind, say.as_bytes()).await,
        (200, "style".to_owned())
    );
    let (status, said) = open_post(&gateway, "/stt/v1/audio/transcriptions", FORM, &form("whisper-1")).await;
    assert!(status == 200 && said.contains("bytes were said"), "{status} {said}");

    // The same through the router.
    if tollgate::endpoints::find("/v1/audio/speech").is_some() {
        for (model, sound) in [("tts-1", "piper"), ("tts-1-hd", "piper"), ("styletts2", "style")] {
            let say = json!({ "model": model, "input": "Hello, this is a test of the text-to-speech system.", "voice": "alloy" });
            let answer = gateway.post("/v1/audio/speech", &say).await;
            assert_eq!(
                (answer.status(), answer.text().as_str(), answer.header("content-type")),
                (200, sound, Some("audio/mpeg"))
            );
        }
        for model in ["whisper-1", "whisper-large-v3"] {
            let bearer = gateway.bearer();
            let bytes = request(
                "POST",
                "/v1/audio/transcriptions",
                &[FORM, ("authorization", &bearer)],
                &form(model),
            );
            let answer = gateway.call(&bytes).await;
            assert!(answer.status() == 200 && answer.text().contains("bytes were said"), "{}", answer.text());
        }
    }

    // Keys and what they spent, and what watches it.
    let wish = json!({ "models": ["gpt-4", "gpt-3.5-turbo"], "user_id": "user@example.com", "max_budget": 100.0, "duration": "30d" });
    let made = gateway.post("/key/generate", &wish).await.json();
    assert!(made["key"].as_str().unwrap().starts_with("sk-"), "{made}");
    let rows = eventually("rows of the ledger", async || {
        let rows = gateway.get("/spend/logs").await.json();
        (rows.as_array()?.len() >= 3).then_some(rows)
    })
    .await;
    assert!(rows.to_string().contains("qwen3-30b-a3b"), "{rows}");
    for (path, status) in [("/health/liveliness", 200), ("/health/readiness", 200), ("/metrics", 200)] {
        assert_eq!(gateway.get(path).await.status(), status, "{path}");
    }
    assert_eq!(
        gateway.get(&format!("/key/info?key={}", made["key"].as_str().unwrap())).await.json()["info"]["user_id"],
        "user@example.com"
    );
}
