//! "Why did it route there?": the header that answers it, and the route that says it beforehand.

use crate::harness::{CHAT, Config, Gateway, MASTER_KEY, MODEL, Response, chat, upstream_of, with};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

const EXPLAIN: &str = "/tollgate/explain";
const ROUTE: &str = "x-tollgate-route";

fn route(answer: &Response) -> Value {
    serde_json::from_str(answer.header(ROUTE).expect("no account of the route")).unwrap()
}

async fn asking(gateway: &Gateway, body: &Value) -> Response {
    gateway.post_with(CHAT, &[(ROUTE, "1")], body).await
}

/// `a` before `b`, whatever the strategy; retries and cooldowns on.
async fn pair(a: &str, b: &str, router: Value) -> (Simulator, Gateway) {
    let simulator = upstream_of(&[("up-a", a), ("up-b", b)]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("a", MODEL, &base, "up-a", json!({ "order": 1 }))
        .target("b", MODEL, &base, "up-b", json!({ "order": 2 }))
        .set("router_settings", json!({ "disable_cooldowns": false, "cooldown_time": 60, "num_retries": 1 }))
        .set("router_settings", router);
    let gateway = Gateway::start(&config).await;
    (simulator, gateway)
}

#[tokio::test]
async fn who_asks_is_told_each_choice_and_nobody_else_is() {
    let (_simulator, gateway) =
        pair("429+retry-after=50", "ok", json!({ "routing_strategy": "least-busy" })).await;
    assert_eq!(gateway.post(CHAT, &chat()).await.header(ROUTE), None, "it was not asked for");
    // The first call has taken `a` out.
    let told = route(&asking(&gateway, &chat()).await);
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_eq!(
        (&told[0]["group"], &told[0]["strategy"], &told[0]["picked"]),
        (&json!(MODEL), &json!("least-busy"), &json!("b"))
    );
    let rows = told[0]["considered"].as_array().unwrap();
    assert_eq!(rows[0], json!({ "id": "b", "score": 0.0 }));
    assert_eq!((&rows[1]["id"], &rows[1]["out"]), (&json!("a"), &json!("cooled")));
    assert!((1..=50).contains(&rows[1]["seconds"].as_u64().unwrap()), "{told}");
}

#[tokio::test]
async fn a_retry_is_a_choice_of_its_own_and_an_error_has_the_account_too() {
    let (simulator, gateway) = pair("500", "500", json!({})).await;
    let answer = asking(&gateway, &chat()).await;
    assert_eq!(answer.status(), 500);
    let told = route(&answer);
    assert_eq!((&told[0]["picked"], &told[1]["picked"]), (&json!("a"), &json!("b")), "{told}");
    let tried = &told[1]["considered"][1];
    assert_eq!((&tried["id"], &tried["passed_over"]), (&json!("a"), &json!("tried")));
    let text = answer.header(ROUTE).unwrap();
    assert!(!text.contains(&simulator.base_url()) && !text.contains("up-a"), "{text}");
}

#[tokio::test]
async fn when_nobody_can_be_asked_the_reasons_are_in_the_head() {
    let (_simulator, gateway) =
        pair("ok", "ok", json!({ "enable_tag_filtering": true, "enable_pre_call_checks": true })).await;
    let told = route(&asking(&gateway, &chat()).await);
    assert_eq!(told[0]["picked"], "a");
    let many = (0..30).fold(Config::new(), |config, n| {
        config.target(&format!("模型-{n}"), MODEL, "http://127.0.0.1:9/v1", "k", json!({ "tags": ["never"] }))
    });
    let gateway = Gateway::start(&many.set("router_settings", json!({ "enable_tag_filtering": true }))).await;
    let answer = gateway.post_with(CHAT, &[(ROUTE, "true"), ("x-litellm-tags", "eu")], &chat()).await;
    assert_eq!(answer.status(), 401);
    let told = route(&answer);
    assert_eq!((&told[0]["picked"], &told[0]["more"]), (&Value::Null, &json!(22)));
    assert_eq!(told[0]["considered"][0]["id"], "模型-0");
    assert!(told[0]["considered"].as_array().unwrap().iter().all(|row| row["out"] == "tags"), "{told}");
}

/// What the gateway says would become of a call.
async fn explained(gateway: &Gateway, body: Value) -> Value {
    let answer = gateway.post(EXPLAIN, &body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn an_explanation_says_what_serving_then_does_and_counts_nothing() {
    let simulator = upstream_of(&[("up-a", "ok"), ("up-b", "ok")]).await;
    let base = simulator.base_url();
    let price = json!({ "rpm": 2, "input_cost_per_token": 0.001, "output_cost_per_token": 0.002 });
    let config = Config::new()
        .target("a", MODEL, &base, "up-a", price)
        .target("b", MODEL, &base, "up-b", json!({ "rpm": 2 }))
        .set("router_settings", json!({ "routing_strategy": "headroom" }));
    let gateway = Gateway::start(&config).await;
    for sent in 0..4 {
        for _ in 0..20 {
            let told = explained(&gateway, with(chat(), json!({ "max_tokens": 10 }))).await;
            assert_eq!((&told["verdict"], &told["wait_seconds"]), (&json!("served"), &json!(0.0)), "{told}");
            let out =
                told["considered"].as_array().unwrap().iter().filter(|row| row["out"] == "quota").count();
            assert_eq!(out, usize::from(sent == 3), "after {sent}: {told}");
        }
        let told = explained(&gateway, chat()).await;
        let answer = gateway.post(CHAT, &chat()).await;
        if sent % 2 == 1 {
            // While both have as much of their quota left the choice is by lot.
            assert_eq!(answer.header("x-litellm-model-id"), told["next"].as_str(), "{told}");
        }
    }
    let told = explained(&gateway, chat()).await;
    assert_eq!((&told["verdict"], &told["status"]), (&json!("refused"), &json!(429)), "{told}");
    assert!(told["wait_seconds"].as_f64().unwrap() > 1.0, "{told}");
    let answer = gateway.post(CHAT, &chat()).await;
    let (said, told) = (answer.json()["error"]["message"].clone(), told["error"]["message"].clone());
    let start = "No deployments available for selected model, Try again in";
    assert!(
        said.as_str().unwrap().starts_with(start) && told.as_str().unwrap().starts_with(start),
        "{said} {told}"
    );
    assert_eq!(simulator.seen().len(), 4, "an explanation asks nobody");
}

#[tokio::test]
async fn an_admin_sees_where_what_and_for_how_much() {
    let (simulator, gateway) = pair("ok", "ok", json!({})).await;
    let told = explained(&gateway, chat()).await;
    let first = &told["considered"][0];
    assert_eq!((&first["id"], &first["order"]), (&json!("a"), &json!(1)));
    assert_eq!((&first["api_base"], &first["in_flight"]), (&json!(simulator.base_url()), &json!(0)));
    assert_eq!((&told["group"], &told["strategy"]["name"]), (&json!(MODEL), &json!("simple-shuffle")));
    assert_eq!(told["estimate"]["unpriced"], true);
    assert!(!told.to_string().contains("up-a") && !told.to_string().contains(MASTER_KEY), "{told}");
}

#[tokio::test]
async fn the_limits_and_budget_of_a_key_are_told_and_decide() {
    let simulator = upstream_of(&[("up", "ok")]).await;
    let price = json!({ "input_cost_per_token": 0.01, "output_cost_per_token": 0.01 });
    let config = Config::new().target("only", MODEL, &simulator.base_url(), "up", price);
    let mut gateway = Gateway::start(&config).await;
    let made = gateway
        .post(
            "/key/generate",
            &json!({ "key_alias": "robot", "rpm_limit": 1, "max_budget": 100, "models": [MODEL] }),
        )
        .await
        .json();
    let (key, hash) = (made["key"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned());
    let of = |key: &str| with(chat(), json!({ "key": key }));
    for name in [key.as_str(), hash.as_str()] {
        let told = explained(&gateway, of(name)).await;
        assert_eq!((&told["verdict"], &told["key"]["alias"]), (&json!("served"), &json!("robot")), "{told}");
        let limits = &told["limits"][0];
        assert_eq!(
            (&limits["of"], &limits["requests"]),
            (&json!("api_key"), &json!({ "limit": 1, "used": 0 }))
        );
        assert_eq!(
            (&limits["budgets"][0]["max"], &limits["budgets"][0]["spent"]),
            (&json!(100.0), &json!(0.0))
        );
        assert!(told["estimate"]["cost"].as_f64().unwrap() > 0.0, "{told}");
        assert!(!told.to_string().contains(&key), "{told}");
    }
    let other = explained(&gateway, with(of(&key), json!({ "model": "n" }))).await;
    assert_eq!((&other["status"], &other["error"]["type"]), (&json!(401), &json!("key_model_access_denied")));
    gateway.key.clone_from(&key);
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    let refused = gateway.post(EXPLAIN, &chat()).await;
    assert_eq!(refused.status(), 401, "it is for admins: {}", refused.text());
    MASTER_KEY.clone_into(&mut gateway.key);
    let told = explained(&gateway, of(&key)).await;
    assert_eq!((&told["verdict"], &told["status"]), (&json!("refused"), &json!(429)), "{told}");
    assert_eq!(told["limits"][0]["requests"]["used"], 1);
    assert!((1.0..=60.0).contains(&told["wait_seconds"].as_f64().unwrap()), "{told}");
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_refused() {
    let (_simulator, gateway) = pair("ok", "ok", json!({})).await;
    for (body, status) in [
        (with(chat(), json!({ "key": "sk-nobody-has-this-one" })), 404),
        (with(chat(), json!({ "key": 7 })), 422),
        (with(chat(), json!({ "ip": "somewhere" })), 400),
        (with(chat(), json!({ "headers": { "x y": "z" } })), 400),
    ] {
        let answer = gateway.post(EXPLAIN, &body).await;
        assert_eq!(answer.status(), status, "{body}: {}", answer.text());
    }
    for (body, status) in [
        (json!({ "model": MODEL }), 400),
        (with(chat(), json!({ "model": "unheard-of" })), 400),
        (with(chat(), json!({ "api_base": "http://10.0.0.1" })), 401),
        (with(chat(), json!({ "endpoint": "/v1/models" })), 404),
    ] {
        let told = explained(&gateway, body.clone()).await;
        assert_eq!(
            (&told["verdict"], &told["status"]),
            (&json!("refused"), &json!(status)),
            "{body}: {told}"
        );
    }
    let embed = json!({ "model": MODEL, "input": "text", "endpoint": "/v1/embeddings" });
    assert_eq!(explained(&gateway, embed).await["verdict"], "served");
}
