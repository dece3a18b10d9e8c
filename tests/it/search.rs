//! Search tools: questions to a scripted engine, in one shape, paid for and written down.

use crate::harness::{Asked, Config, Gateway, Reply, Scripted, request};
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
