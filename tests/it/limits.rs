//! Limits of speed hold to the request, for keys and for those they belong to, and slots come back.

use crate::harness::{
    CHAT, Config, Gateway, Load, MODEL, Response, chat, eventually, streamed, upstream, upstream_of, with,
};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

async fn gateway(simulator: &Simulator) -> Gateway {
    Gateway::start(&Config::new().deployment(MODEL, MODEL, &simulator.base_url(), "sk-up")).await
}

/// A new key with these fields, as a client of its own.
async fn key(gateway: &Gateway, fields: Value) -> String {
    let made = gateway.post("/key/generate", &fields).await;
    assert_eq!(made.status(), 200, "{}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

fn call_of(key: &str, body: &Value) -> Vec<u8> {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    crate::harness::request("POST", CHAT, &headers, body.to_string().as_bytes())
}

fn count(responses: &[Response], status: u16) -> usize {
    responses.iter().filter(|response| response.status() == status).count()
}

#[tokio::test]
async fn a_hundred_requests_a_minute_are_a_hundred() {
    let simulator = upstream("ok").await;
    let gateway = gateway(&simulator).await;
    let key = key(&gateway, json!({ "rpm_limit": 100 })).await;
    let responses = Load::of(600).run(&gateway, 32, &call_of(&key, &chat())).await;
    assert_eq!((count(&responses, 200), count(&responses, 429)), (100, 500));
    assert_eq!(simulator.seen().len(), 100, "a refused call reaches nobody");
    let refused = responses.iter().find(|response| response.status() == 429).unwrap();
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.header("rate_limit_type"), Some("requests"));
    assert!(refused.header("reset_at").unwrap().ends_with(" UTC"));
    let error = &refused.json()["error"];
    assert_eq!((&error["code"], &error["type"]), (&json!("429"), &json!("None")));
    assert!(error["message"].as_str().unwrap().starts_with("Rate limit exceeded for api_key: "), "{error}");
    let passed = responses.iter().find(|response| response.status() == 200).unwrap();
    assert_eq!(passed.header("x-ratelimit-api_key-limit-requests"), Some("100"));
    assert_eq!(passed.header("x-litellm-key-rpm-limit"), Some("100"));
}

#[tokio::test]
async fn ten_at_one_time_are_never_eleven_and_slots_come_back() {
    let simulator = upstream("wait=50").await;
    let gateway = gateway(&simulator).await;
    let key = key(&gateway, json!({ "max_parallel_requests": 10 })).await;
    let call = call_of(&key, &chat());
    for _ in 0..3 {
        let responses = Load::of(60).unkept().run(&gateway, 60, &call).await;
        let passed = count(&responses, 200);
        assert!(passed >= 10 && passed + count(&responses, 429) == 60, "{passed}");
    }
    let seen = simulator.seen();
    let ended = |at: usize| seen[at].answered.or(seen[at].closed_early);
    let at_once = |moment| {
        (0..seen.len())
            .filter(|at| seen[*at].at <= moment && ended(*at).is_none_or(|end| moment < end))
            .count()
    };
    let most = (0..seen.len()).map(|at| at_once(seen[at].at)).max().unwrap_or_default();
    assert!(most <= 10, "{most} at one time");
}

#[tokio::test]
async fn a_slot_comes_back_after_errors_and_from_clients_that_leave() {
    let simulator = upstream_of(&[("sk-bad", "500"), ("sk-slow", "chunks=1000+gap=50")]).await;
    let config = Config::new().deployment("bad", "bad", &simulator.base_url(), "sk-bad").deployment(
        "slow",
        "slow",
        &simulator.base_url(),
        "sk-slow",
    );
    let gateway = Gateway::start(&config).await;
    let key = key(&gateway, json!({ "max_parallel_requests": 1 })).await;
    for _ in 0..5 {
        let refused = gateway.call(&call_of(&key, &with(chat(), json!({ "model": "bad" })))).await;
        assert_eq!(refused.status(), 500, "{}", refused.text());
    }
    for _ in 0..3 {
        let mut stream = gateway.connect().await;
        stream.send(&call_of(&key, &with(streamed(), json!({ "model": "slow" })))).await;
        stream.read_head().await;
        let second = gateway.call(&call_of(&key, &with(chat(), json!({ "model": "bad" })))).await;
        assert_eq!(second.header("rate_limit_type"), Some("max_parallel_requests"), "{}", second.text());
        drop(stream);
        eventually("the slot is back", async || {
            let next = gateway.call(&call_of(&key, &with(chat(), json!({ "model": "bad" })))).await;
            (next.status() == 500).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn tokens_are_reserved_and_then_settled() {
    let simulator = upstream("ok").await;
    let gateway = gateway(&simulator).await;
    let key = key(&gateway, json!({ "tpm_limit": 200 })).await;
    let body = with(chat(), json!({ "max_tokens": 20 }));
    let first = gateway.call(&call_of(&key, &body)).await;
    assert_eq!(first.status(), 200, "{}", first.text());
    let used = first.json()["usage"]["total_tokens"].as_u64().unwrap();
    let mut passed = 1;
    let refused = loop {
        let next = gateway.call(&call_of(&key, &body)).await;
        if next.status() != 200 {
            break next;
        }
        passed += 1;
        assert!(passed < 100, "nothing is counted");
    };
    assert_eq!(refused.header("rate_limit_type"), Some("tokens"), "{}", refused.text());
    assert!(passed * used <= 200, "{passed} calls of {used} tokens");
}

#[tokio::test]
async fn a_team_a_user_and_a_model_have_limits_of_their_own() {
    let simulator = upstream("ok").await;
    let config = Config::new().deployment("m", "m", &simulator.base_url(), "sk-up").deployment(
        "n",
        "n",
        &simulator.base_url(),
        "sk-up",
    );
    let gateway = Gateway::start(&config).await;
    let team = gateway.post("/team/new", &json!({ "team_id": "t", "rpm_limit": 3 })).await;
    assert_eq!(team.status(), 200, "{}", team.text());
    let user =
        gateway.post("/user/new", &json!({ "user_id": "u", "rpm_limit": 2, "auto_create_key": false })).await;
    assert_eq!(user.status(), 200, "{}", user.text());
    let passes = async |key: &str, model: &str| {
        let mut passed = 0;
        loop {
            let answer = gateway.call(&call_of(key, &with(chat(), json!({ "model": model })))).await;
            if answer.status() != 200 {
                let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
                return (passed, message);
            }
            passed += 1;
        }
    };
    let of_team =
        [key(&gateway, json!({ "team_id": "t" })).await, key(&gateway, json!({ "team_id": "t" })).await];
    let (first, message) = passes(&of_team[0], "m").await;
    assert!(first == 3 && message.contains("for team: t"), "{first} {message}");
    assert_eq!(passes(&of_team[1], "m").await.0, 0, "a team's keys share its limit");
    let of_user = key(&gateway, json!({ "user_id": "u" })).await;
    let (passed, message) = passes(&of_user, "m").await;
    assert!(passed == 2 && message.contains("for user: u"), "{passed} {message}");
    let of_model = key(&gateway, json!({ "model_rpm_limit": { "m": 1 } })).await;
    let (passed, message) = passes(&of_model, "m").await;
    assert!(passed == 1 && message.contains("model_per_key"), "{passed} {message}");
    let other = gateway.call(&call_of(&of_model, &with(chat(), json!({ "model": "n" })))).await;
    assert_eq!(other.status(), 200, "{}", other.text());
}

#[tokio::test]
async fn everybody_together_has_a_limit() {
    let simulator = upstream("ok").await;
    let config = Config::new()
        .deployment(MODEL, MODEL, &simulator.base_url(), "sk-up")
        .set("tollgate", json!({ "limits": { "rpm": 5 } }));
    let gateway = Gateway::start(&config).await;
    let responses = Load::of(20).run(&gateway, 4, &gateway.post_bytes(CHAT, &chat())).await;
    assert_eq!((count(&responses, 200), count(&responses, 429)), (5, 15));
}

#[tokio::test]
async fn what_a_key_may_call_is_checked_at_once_and_changes_at_once() {
    let simulator = upstream("ok").await;
    let config = Config::new().deployment("m", "m", &simulator.base_url(), "sk-up").deployment(
        "n",
        "n",
        &simulator.base_url(),
        "sk-up",
    );
    let gateway = Gateway::start(&config).await;
    let key = key(&gateway, json!({ "models": ["m"], "aliases": { "mine": "m" } })).await;
    let call =
        async |model: &str| gateway.call(&call_of(&key, &with(chat(), json!({ "model": model })))).await;
    assert_eq!(call("m").await.status(), 200);
    let denied = call("n").await;
    assert_eq!(denied.status(), 401);
    let error = &denied.json()["error"];
    assert_eq!(error["type"], "key_model_access_denied");
    assert_eq!(
        error["message"],
        "key not allowed to access model. This key can only access models=['m']. Tried to access n"
    );
    let models = gateway
        .call(&crate::harness::request(
            "GET",
            "/v1/models",
            &[("authorization", &format!("Bearer {key}"))],
            b"",
        ))
        .await;
    assert_eq!(models.json()["data"].as_array().unwrap().len(), 1, "{}", models.text());
    let steps = [
        ("/key/update", json!({ "key": key, "models": ["m", "n"] }), "n", 200, ""),
        ("/key/block", json!({ "key": key }), "m", 401, "auth_error"),
        ("/key/unblock", json!({ "key": key }), "m", 200, ""),
        ("/key/delete", json!({ "keys": [key] }), "m", 401, "token_not_found_in_db"),
    ];
    for (path, body, model, status, kind) in steps {
        let changed = gateway.post(path, &body).await;
        assert_eq!(changed.status(), 200, "{path}: {}", changed.text());
        let answer = call(model).await;
        assert_eq!(answer.status(), status, "after {path}: {}", answer.text());
        assert!(kind.is_empty() || answer.json()["error"]["type"] == kind, "after {path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_key_ends_when_its_time_is_over_and_an_alias_is_its_own() {
    let simulator = upstream("ok").await;
    let gateway = gateway(&simulator).await;
    let short = key(&gateway, json!({ "duration": "1s" })).await;
    let ended = eventually("the key has expired", async || {
        let answer = gateway.call(&call_of(&short, &chat())).await;
        (answer.status() != 200).then_some(answer)
    })
    .await;
    assert_eq!((ended.status(), &ended.json()["error"]["type"]), (400, &json!("expired_key")));
    let aliased = key(&gateway, json!({ "aliases": { "mine": MODEL } })).await;
    let answer = gateway.call(&call_of(&aliased, &with(chat(), json!({ "model": "mine" })))).await;
    assert_eq!((answer.status(), &answer.json()["model"]), (200, &json!("mine")));
}
