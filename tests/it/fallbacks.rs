//! Where a call goes when its group fails, what it takes along, and who may follow.

use crate::harness::{CHAT, Config, Gateway, Response, eventually, upstream_of, with};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

/// Groups of one deployment each, named after their keys, with the words of each; the router as given.
async fn groups(words: &[(&str, &str)], router: Value) -> (Simulator, Gateway) {
    let simulator = upstream_of(words).await;
    let gateway = Gateway::start(&config(&simulator, words).set("router_settings", router)).await;
    (simulator, gateway)
}

fn config(simulator: &Simulator, words: &[(&str, &str)]) -> Config {
    let base = simulator.base_url();
    words.iter().fold(Config::new(), |config, (name, _)| {
        config.target(&format!("id-{name}"), &format!("{name}=up-{name}"), &base, name, json!({}))
    })
}

fn ask(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Who answers?" }] })
}

fn keys(simulator: &Simulator) -> Vec<String> {
    simulator.seen().into_iter().map(|seen| seen.key).collect()
}

/// Who answered, after a look at what the head says of it.
fn answered(response: &Response, fallbacks: &str) -> String {
    assert_eq!(response.status(), 200, "{}", response.text());
    assert_eq!(response.header("x-litellm-attempted-fallbacks"), Some(fallbacks));
    let group = response.header("x-litellm-model-group").unwrap().to_owned();
    assert_eq!(response.header("x-litellm-model-id"), Some(format!("id-{group}").as_str()));
    group
}

#[tokio::test]
async fn a_group_that_fails_is_followed_by_its_fallbacks_in_order() {
    for words in ["500", "429", "401", "400", "close", "notjson"] {
        let router = json!({ "fallbacks": [{ "a": ["b", "c"] }], "num_retries": 0 });
        let (simulator, gateway) = groups(&[("a", words), ("b", "503"), ("c", "ok")], router).await;
        let answer = gateway.post(CHAT, &ask("a")).await;
        assert_eq!(answered(&answer, "2"), "c", "{words}");
        assert_eq!(keys(&simulator), ["a", "b", "c"], "{words}");
        assert_eq!(answer.json()["model"], "up-c", "who fell back is told the model that answered");
        let record = gateway.records(1).await.remove(0);
        assert_eq!((&record["model_group"], &record["model_id"]), (&json!("c"), &json!("id-c")), "{record}");
        assert_eq!((&record["requested_model"], &record["attempts"]), (&json!("a"), &json!(3)), "{record}");
        let streamed = gateway.post(CHAT, &with(ask("a"), json!({ "stream": true }))).await;
        assert_eq!(answered(&streamed, "2"), "c", "{words}");
        assert!(streamed.text().ends_with("data: [DONE]\n\n"), "{}", streamed.text());
    }
}

#[tokio::test]
async fn a_group_that_answers_has_no_fallback() {
    let router = json!({ "fallbacks": [{ "a": ["b"] }], "default_fallbacks": ["b"] });
    let (simulator, gateway) = groups(&[("a", "ok"), ("b", "ok")], router).await;
    let answer = gateway.post(CHAT, &ask("a")).await;
    assert_eq!(answered(&answer, "0"), "a");
    assert_eq!((answer.json()["model"].as_str(), keys(&simulator).len()), (Some("a"), 1));
}

#[tokio::test]
async fn each_group_has_its_own_retries() {
    let router = json!({ "fallbacks": [{ "a": ["b"] }], "num_retries": 1 });
    let (simulator, gateway) = groups(&[("a", "500"), ("b", "500+first=1")], router).await;
    let answer = gateway.post(CHAT, &ask("a")).await;
    assert_eq!(answered(&answer, "1"), "b");
    assert_eq!(keys(&simulator), ["a", "a", "b", "b"]);
    assert_eq!(answer.header("x-litellm-attempted-retries"), Some("1"), "of the group that answered");
}

#[tokio::test]
async fn when_all_fail_the_client_hears_of_the_group_it_asked() {
    let router = json!({ "fallbacks": [{ "a": ["b"] }, { "b": ["c"] }], "num_retries": 0 });
    let words = [("a", "503"), ("b", "401"), ("c", "500")];
    let (simulator, gateway) = groups(&words, router).await;
    let refused = gateway.post(CHAT, &ask("a")).await;
    assert_eq!(refused.status(), 503, "{}", refused.text());
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("litellm.ServiceUnavailableError"), "{message}");
    let tried = "Received Model Group=a\nAvailable Model Group Fallbacks=['b', 'c']\nError doing the fallback: litellm.InternalServerError";
    assert!(message.contains(tried), "{message}");
    assert_eq!(refused.header("x-litellm-attempted-fallbacks"), Some("2"));
    assert_eq!(keys(&simulator), ["a", "b", "c"]);
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["model_group"], &record["attempts"]), (&json!("a"), &json!(3)), "{record}");
}

#[tokio::test]
async fn a_default_stands_in_for_every_group() {
    for router in [
        json!({ "default_fallbacks": ["d"] }),
        json!({ "fallbacks": [{ "*": ["d"] }] }),
        json!({ "fallbacks": "[{\"*\": [\"d\"]}]" }),
    ] {
        let (_simulator, gateway) = groups(&[("a", "500"), ("b", "404"), ("d", "ok")], router).await;
        for model in ["a", "b"] {
            assert_eq!(answered(&gateway.post(CHAT, &ask(model)).await, "1"), "d");
        }
        let unknown = gateway.post(CHAT, &ask("nobody")).await;
        assert_eq!(unknown.status(), 400, "a name that nobody knows is not rescued");
    }
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_and_one_that_is_refused_have_lists_of_their_own() {
    let router = json!({
        "fallbacks": [{ "long": ["common"] }, { "bad": ["common"] }, { "down": ["common"] }],
        "context_window_fallbacks": [{ "long": ["large"] }],
        "content_policy_fallbacks": [{ "bad": ["lenient"] }],
    });
    let words = [
        ("long", "context"),
        ("bad", "policy"),
        ("down", "500"),
        ("large", "ok"),
        ("lenient", "ok"),
        ("common", "ok"),
    ];
    let (_simulator, gateway) = groups(&words, router).await;
    for (model, group) in [("long", "large"), ("bad", "lenient"), ("down", "common")] {
        assert_eq!(answered(&gateway.post(CHAT, &ask(model)).await, "1"), group);
    }
}

#[tokio::test]
async fn a_client_names_its_own() {
    let router = json!({ "fallbacks": [{ "a": ["configured"] }] });
    let words = [("a", "500"), ("b", "ok"), ("configured", "ok"), ("c", "context")];
    let (simulator, gateway) = groups(&words, router).await;
    for (own, group) in [
        (json!({ "fallbacks": ["b"] }), "b"),
        (json!({ "fallbacks": ["nobody", "b"] }), "b"),
        (json!({ "fallbacks": [{ "a": ["b"] }] }), "b"),
        (json!({ "fallbacks": [] }), "configured"),
        (json!({ "context_window_fallbacks": ["b"] }), "configured"),
        (json!({ "mock_testing_fallbacks": true }), "configured"),
        (json!({ "mock_testing_context_fallbacks": true, "context_window_fallbacks": ["b"] }), "b"),
    ] {
        let answer = gateway.post(CHAT, &with(ask("a"), own.clone())).await;
        assert_eq!(answered(&answer, "1"), group, "{own}");
    }
    let own = json!({ "context_window_fallbacks": [{ "c": ["b"] }] });
    assert_eq!(answered(&gateway.post(CHAT, &with(ask("c"), own)).await, "1"), "b");
    let changed = json!({ "fallbacks": [{ "model": "b", "temperature": 0.25, "stream": true }], "seed": 5 });
    let answer = gateway.post(CHAT, &with(ask("a"), changed)).await;
    assert_eq!(answered(&answer, "1"), "b");
    let sent: Value = serde_json::from_slice(&simulator.seen().last().unwrap().body).unwrap();
    let messages = ask("a")["messages"].clone();
    assert_eq!(sent, json!({ "model": "up-b", "messages": messages, "temperature": 0.25, "seed": 5 }));
}

#[tokio::test]
async fn a_client_that_wants_none_has_none() {
    let router = json!({ "fallbacks": [{ "a": ["b"] }, { "b": ["c"] }], "num_retries": 0 });
    let (simulator, gateway) = groups(&[("a", "500"), ("b", "500"), ("c", "ok")], router).await;
    let none = json!({ "disable_fallbacks": true, "fallbacks": ["c"] });
    for (own, asked) in [(none, 1), (json!({ "max_fallbacks": 0 }), 1), (json!({ "max_fallbacks": 1 }), 2)] {
        let before = simulator.seen().len();
        assert_eq!(gateway.post(CHAT, &with(ask("a"), own.clone())).await.status(), 500, "{own}");
        assert_eq!(simulator.seen().len() - before, asked, "{own}");
    }
    let header = [("x-litellm-max-fallbacks", "1")];
    let own = with(ask("a"), json!({ "max_fallbacks": 5 }));
    assert_eq!(gateway.post_with(CHAT, &header, &own).await.status(), 500);
    assert_eq!(answered(&gateway.post(CHAT, &ask("a")).await, "2"), "c");
}

#[tokio::test]
async fn a_client_sets_neither_destination_nor_credential_by_a_fallback() {
    let (simulator, gateway) = groups(&[("a", "500"), ("b", "ok")], json!({})).await;
    for name in ["api_base", "base_url", "api_key", "aws_secret_access_key"] {
        let own = json!({ "fallbacks": [{ "model": "b", name: "http://127.0.0.1:1/v1" }] });
        let refused = gateway.post(CHAT, &with(ask("a"), own)).await;
        assert_eq!(refused.status(), 401, "{name}: {}", refused.text());
    }
    for own in [json!("b"), json!([7]), json!([{ "seed": 1 }])] {
        let refused = gateway.post(CHAT, &with(ask("a"), json!({ "fallbacks": own }))).await;
        assert_eq!((refused.status(), &refused.json()["error"]["param"]), (400, &json!("fallbacks")));
    }
    assert!(simulator.seen().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn fallbacks_stay_within_the_models_of_the_key() {
    let router = json!({ "fallbacks": [{ "a": ["forbidden", "b"] }], "num_retries": 0 });
    let (simulator, mut gateway) = groups(&[("a", "500"), ("forbidden", "ok"), ("b", "ok")], router).await;
    let made = gateway.post("/key/generate", &json!({ "models": ["a", "b"] })).await;
    gateway.key = made.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(answered(&gateway.post(CHAT, &ask("a")).await, "1"), "b");
    assert_eq!(keys(&simulator), ["a", "b"]);
    let own = with(ask("a"), json!({ "fallbacks": ["forbidden"] }));
    let refused = gateway.post(CHAT, &own).await;
    assert_eq!(refused.status(), 401, "{}", refused.text());
    assert_eq!(refused.json()["error"]["type"], "key_model_access_denied");
    assert_eq!(keys(&simulator).len(), 2);
}

#[tokio::test]
async fn a_keys_own_name_for_a_model_works_for_its_fallbacks() {
    let router = json!({ "fallbacks": [{ "a": ["b"] }] });
    let (_simulator, mut gateway) = groups(&[("a", "500"), ("b", "ok"), ("c", "ok")], router).await;
    let made = gateway.post("/key/generate", &json!({ "aliases": { "mine": "a", "other": "c" } })).await;
    gateway.key = made.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(answered(&gateway.post(CHAT, &ask("mine")).await, "1"), "b");
    let own = with(ask("mine"), json!({ "fallbacks": ["other"] }));
    assert_eq!(answered(&gateway.post(CHAT, &own).await, "1"), "c");
}

#[tokio::test]
async fn a_call_is_charged_where_it_was_answered() {
    let prices = |price: f64| json!({ "input_cost_per_token": price, "output_cost_per_token": price });
    let simulator = upstream_of(&[("cheap", "500"), ("dear", "ok"), ("free", "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("id-cheap", "cheap", &base, "cheap", prices(0.000_001))
        .target("id-dear", "dear", &base, "dear", prices(1.0))
        .target("id-free", "free", &base, "free", prices(0.0))
        .set("router_settings", json!({ "fallbacks": [{ "cheap": ["dear", "free"] }], "num_retries": 0 }));
    let mut gateway = Gateway::start(&config).await;
    let master = gateway.key.clone();
    let made = gateway.post("/key/generate", &json!({ "max_budget": 100_000.0 })).await.json();
    gateway.key = made["key"].as_str().unwrap().to_owned();
    let answer = gateway.post(CHAT, &ask("cheap")).await;
    assert_eq!(answered(&answer, "1"), "dear");
    let cost: f64 = answer.header("x-litellm-response-cost").unwrap().parse().unwrap();
    assert!(cost > 1.0, "{cost}");
    let record = gateway.records(1).await.remove(0);
    assert_eq!(record["spend"].as_f64().or(record["cost"].as_f64()), Some(cost), "{record}");

    // A model of its own budget that is used up is passed over, and the one that was left is not charged.
    gateway.key = master;
    let limits =
        json!({ "model_max_budget": { "dear": { "budget_limit": 0.000_001, "time_period": "1d" } } });
    let made = gateway.post("/key/generate", &limits).await.json();
    gateway.key = made["key"].as_str().unwrap().to_owned();
    eventually("the budget of one model is used up", async || {
        let answer = gateway.post(CHAT, &ask("cheap")).await;
        (answer.header("x-litellm-model-group") == Some("free")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_group_that_is_out_of_rotation_is_left_without_a_call() {
    let router = json!({
        "fallbacks": [{ "a": ["b"] }, { "b": ["c"] }],
        "num_retries": 2, "disable_cooldowns": false,
    });
    let words = [("a", "429+retry-after=50"), ("b", "429+retry-after=40"), ("c", "ok")];
    let (simulator, gateway) = groups(&words, router).await;
    assert_eq!(answered(&gateway.post(CHAT, &ask("a")).await, "2"), "c");
    assert_eq!(keys(&simulator), ["a", "b", "c"], "nobody waits for a quota while another group answers");
    assert_eq!(answered(&gateway.post(CHAT, &ask("a")).await, "1"), "c");
    assert_eq!(keys(&simulator), ["a", "b", "c", "c"]);
    let alone = with(ask("a"), json!({ "disable_fallbacks": true }));
    let refused = gateway.post(CHAT, &alone).await;
    assert_eq!((refused.status(), refused.header("retry-after").is_some()), (429, true));
}

#[tokio::test]
async fn entries_of_one_name_stand_in_for_each_other() {
    let simulator = upstream_of(&[("large", "500"), ("small", "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("large", "llama", &base, "large", json!({}))
        .target("small", "llama", &base, "small", json!({}))
        .set("router_settings", json!({ "num_retries": 2 }));
    let gateway = Gateway::start(&config).await;
    for _ in 0..20 {
        let answer = gateway.post(CHAT, &ask("llama")).await;
        assert_eq!((answer.status(), answer.header("x-litellm-model-id")), (200, Some("small")));
    }
    assert!(keys(&simulator).contains(&"large".to_owned()), "the first was never asked");
}
