//! Search tools: questions to a scripted engine, in one shape, paid for and written down.

use crate::harness::{Asked, CHAT, Config, Gateway, Reply, Scripted, request};
use serde_json::{Value, json};

/// A SearXNG that finds `count` pages; a question with `trouble` in it fails.
async fn searxng(count: usize) -> Scripted {
    Scripted::start(move |asked: &Asked| {
        if asked.route() != "/search" || !asked.path.contains("format=json") || asked.path.contains("trouble") {
            return Reply::status(503);
        }
        let row = |n: usize| json!({ "title": format!("Page {n}"), "url": format!("http://page/{n}"), "content": "what it says", "engine": "e", "score": 1.0 });
        Reply::json(&json!({ "query": "q", "results": (0..count).map(row).collect::<Vec<_>>(), "answers": [] }))
    })
    .await
}

/// The same as a file has it.
fn tools(config: Config, base: &str) -> Config {
    let file: Value = json!([
        { "search_tool_name": "searxng-search", "litellm_params": { "search_provider": "searxng", "api_base": base }, "search_tool_info": { "description": "the web" } },
        { "search_tool_name": "paid", "litellm_params": { "search_provider": "searxng", "api_base": base, "api_key": "engine-key-7d1f", "input_cost_per_query": 0.25 } },
    ]);
    config.section("search_tools", file)
}

#[tokio::test]
async fn a_tool_answers_on_every_path_and_is_listed() {
    let engine = searxng(30).await;
    let gateway = Gateway::start(&tools(Config::new(), &engine.url())).await;
    let ask = json!({ "query": "toll gates", "max_results": 2, "search_domain_filter": ["example.org"] });
    for path in ["/v1/search/searxng-search", "/search/searxng-search"] {
        let answer = gateway.post(path, &ask).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let page = |n: u8| json!({ "title": format!("Page {n}"), "url": format!("http://page/{n}"), "snippet": "what it says", "date": null, "last_updated": null });
        assert_eq!(answer.json(), json!({ "object": "search", "results": [page(0), page(1)] }));
        assert_eq!(answer.header("x-litellm-response-cost"), Some("0.0"));
    }
    for path in ["/v1/search", "/search"] {
        let mut ask = ask.clone();
        ask["search_tool_name"] = "paid".into();
        let answer = gateway.post(path, &ask).await;
        assert_eq!(
            (answer.status(), answer.header("x-litellm-response-cost")),
            (200, Some("0.25")),
            "{}",
            answer.text()
        );
    }
    let asked = engine.asked();
    assert_eq!(asked[0].path, "/search?q=toll%20gates%20site%3Aexample%2Eorg&format=json");
    assert_eq!(
        (asked[0].header("authorization"), asked[2].header("authorization")),
        (None, Some("Bearer engine-key-7d1f"))
    );
    assert!(
        asked.iter().all(|asked| !format!("{asked:?}").contains("sk-master")),
        "no key of a client's goes there"
    );

    let listed = gateway.get("/v1/search/tools").await.json();
    assert_eq!(
        listed["data"][0],
        json!({ "search_tool_name": "searxng-search", "search_provider": "searxng", "description": "the web" })
    );
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains("engine-key"));
    let records = gateway.records(4).await;
    assert_eq!(
        (&records[0]["requested_model"], &records[3]["spend"]),
        (&json!("searxng-search"), &json!(0.25)),
        "{records:?}"
    );
}

#[tokio::test]
async fn a_search_wants_a_key_a_tool_and_a_question() {
    let engine = searxng(1).await;
    let gateway = Gateway::start(&tools(Config::new(), &engine.url())).await;
    let ask = json!({ "query": "q", "api_base": "http://127.0.0.1:1/", "search_provider": "tavily" });
    let bare = gateway.call(&request("POST", "/v1/search/paid", &[], ask.to_string().as_bytes())).await;
    assert_eq!(bare.status(), 401);
    assert_eq!(engine.asked().len(), 0);
    assert_eq!(
        gateway.post("/v1/search/paid", &ask).await.status(),
        200,
        "only the configuration says where"
    );
    assert_eq!(engine.asked().len(), 1);
    for (path, body, status) in [
        ("/v1/search/none", json!({ "query": "q" }), 404),
        ("/v1/search", json!({ "query": "q" }), 400),
        ("/v1/search/paid", json!({}), 400),
        ("/v1/search/paid", json!({ "query": "q", "max_results": 99 }), 400),
        ("/v1/search/paid", json!([1]), 400),
    ] {
        let answer = gateway.post(path, &body).await;
        assert_eq!(answer.status(), status, "{path} {body}: {}", answer.text());
        assert!(answer.json()["error"]["message"].is_string());
    }
    assert_eq!(gateway.get("/v1/search/paid").await.status(), 405);
    let trouble = gateway.post("/v1/search/paid", &json!({ "query": "trouble" })).await;
    assert_eq!(trouble.status(), 503, "{}", trouble.text());
    assert!(
        !trouble.text().contains("127.0.0.1")
            && trouble.text().contains("the search engine answered with status 503")
    );
}

#[tokio::test]
async fn searches_are_paid_from_the_keys_budget() {
    let engine = searxng(1).await;
    let gateway = Gateway::start(&tools(Config::new(), &engine.url())).await;
    let made = gateway.post("/key/generate", &json!({ "max_budget": 0.5 })).await.json();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let search = async || {
        let body = json!({ "query": "q" }).to_string();
        gateway
            .call(&request("POST", "/v1/search/paid", &[("authorization", &bearer)], body.as_bytes()))
            .await
    };
    assert_eq!(search().await.status(), 200);
    let second = search().await;
    assert_eq!(
        (second.status(), second.header("x-litellm-key-spend")),
        (200, Some("0.5")),
        "{}",
        second.text()
    );
    let third = search().await;
    assert_eq!(third.status(), 400, "{}", third.text());
    assert_eq!(third.json()["error"]["type"], "budget_exceeded");
    assert_eq!(engine.asked().len(), 2);
    let body = json!({ "query": "q" }).to_string();
    let other = gateway
        .call(&request("POST", "/v1/search/searxng-search", &[("authorization", &bearer)], body.as_bytes()))
        .await;
    assert_eq!(other.status(), 200, "what is free needs no budget");
}

/// A model that calls the tool until it was given results `rounds` times, then answers in words.
async fn searching_model(rounds: usize) -> Scripted {
    Scripted::start(move |asked: &Asked| {
        let body = asked.json();
        let given = body["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "tool").count();
        let (message, end) = if given < rounds && body["tool_choice"] != "none" {
            let call = json!({ "id": format!("call_{given}"), "type": "function", "function": { "name": "paid", "arguments": format!("{{\"query\": \"question {given}\"}}") } });
            (json!({ "role": "assistant", "content": null, "tool_calls": [call] }), "tool_calls")
        } else {
            (json!({ "role": "assistant", "content": format!("Found after {given}.") }), "stop")
        };
        Reply::json(&json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{ "index": 0, "message": message, "finish_reason": end }],
            "usage": { "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 } }))
    })
    .await
}

fn question(stream: bool) -> Value {
    json!({
        "model": "m", "stream": stream, "messages": [{ "role": "user", "content": "What is new?" }],
        "tools": [{ "type": "function", "function": { "name": "paid", "description": "Search the web" } }],
    })
}

async fn looping(rounds: usize, rules: Value) -> (Scripted, Scripted, Gateway) {
    let (engine, model) = (searxng(3).await, searching_model(rounds).await);
    let config = Config::new().deployment("m", "m", &format!("{}/v1", model.url()), "upstream-key");
    let config = tools(config, &engine.url()).set("tollgate", json!({ "search_loop": rules }));
    let gateway = Gateway::start(&config).await;
    (engine, model, gateway)
}

#[tokio::test]
async fn a_model_that_searches_is_given_what_was_found() {
    let (engine, model, gateway) = looping(2, json!(true)).await;
    let answer = gateway.post(CHAT, &question(false)).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Found after 2.", "{}", answer.text());
    assert_eq!((model.count("/v1/chat/completions"), engine.count("/search")), (3, 2));
    let last = model.asked().last().unwrap().json();
    let roles: Vec<&str> = last["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "tool"]);
    assert!(last["messages"][2]["content"].as_str().unwrap().contains("http://page/0"));
    assert_eq!(
        (&last["messages"][2]["tool_call_id"], &last["tools"][0]["function"]["parameters"]["required"][0]),
        (&json!("call_0"), &json!("query"))
    );
    // Three rounds and two searches, each in the books.
    let records = gateway.records(5).await;
    let kinds: Vec<&str> = records.iter().map(|record| record["call_type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["acompletion", "asearch", "acompletion", "asearch", "acompletion"]);
    let tokens: u64 = records.iter().map(|record| record["total_tokens"].as_u64().unwrap()).sum();
    let spent: f64 = records.iter().map(|record| record["spend"].as_f64().unwrap()).sum();
    assert_eq!((tokens, spent), (45, 0.5));

    let streamed = gateway.post(CHAT, &question(true)).await;
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"), "{}", streamed.text());
    let text = streamed.text();
    assert!(text.contains("Found after 2.") && text.trim_end().ends_with("data: [DONE]"), "{text}");
    assert!(text.contains("chat.completion.chunk") && !text.contains("tool_calls"), "{text}");
}

#[tokio::test]
async fn searching_for_a_model_has_its_bounds() {
    let (engine, model, gateway) = looping(100, json!({ "max_rounds": 2 })).await;
    let answer = gateway.post(CHAT, &question(false)).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Found after 2.", "{}", answer.text());
    assert_eq!((model.count("/v1/chat/completions"), engine.count("/search")), (3, 2));

    let (engine, _model, gateway) = looping(100, json!({ "max_rounds": 9, "max_cost": 0.3 })).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status(), 200);
    assert_eq!(engine.count("/search"), 2, "0.25 each");

    // A key's budget holds for searches too: the model is told, and answers.
    let made = gateway.post("/key/generate", &json!({ "max_budget": 0.25 })).await.json();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let body = question(false).to_string();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = gateway.call(&request("POST", CHAT, &headers, body.as_bytes())).await;
    assert!(matches!(answer.status(), 200 | 400), "{}", answer.text());
    assert_eq!(engine.count("/search"), 3);
}

#[tokio::test]
async fn without_the_switch_or_with_a_tool_of_the_clients_the_calls_are_the_clients() {
    let (engine, model, gateway) = looping(2, json!(false)).await;
    let answer = gateway.post(CHAT, &question(false)).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls", "{answer}");
    assert_eq!((model.count("/v1/chat/completions"), engine.count("/search")), (1, 0));

    let (engine, _model, gateway) = looping(2, json!(true)).await;
    let mut other = question(false);
    other["tools"][0]["function"]["name"] = "mine".into();
    let answer = gateway.post(CHAT, &other).await.json();
    assert_eq!((&answer["choices"][0]["finish_reason"], engine.count("/search")), (&json!("tool_calls"), 0));
}
