//! Budgets hold: for a burst, for everybody whom a call touches, and anew in each period.

use crate::databases::both;
use crate::harness::{
    CHAT, Config, Gateway, Load, MODEL, Response, chat, eventually, streamed, upstream, with,
};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

/// A dollar a prompt token and two a produced one, in millionths.
const INPUT: f64 = 1e-6;
const OUTPUT: f64 = 2e-6;

fn config(simulator: &Simulator) -> Config {
    let prices = json!({ "input_cost_per_token": INPUT, "output_cost_per_token": OUTPUT });
    Config::new().target("only", MODEL, &simulator.base_url(), "sk-up", prices)
}

async fn made(gateway: &Gateway, path: &str, fields: Value) -> Value {
    let made = gateway.post(path, &fields).await;
    assert_eq!(made.status(), 200, "{path}: {}", made.text());
    made.json()
}

async fn key(gateway: &Gateway, fields: Value) -> String {
    made(gateway, "/key/generate", fields).await["key"].as_str().unwrap().to_owned()
}

fn call_of(key: &str, body: &Value) -> Vec<u8> {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    crate::harness::request("POST", CHAT, &headers, body.to_string().as_bytes())
}

fn cost(response: &Response) -> f64 {
    response.header("x-litellm-response-cost").unwrap().parse().unwrap()
}

/// What the database says that a key has spent, once it says the expected.
async fn spent(gateway: &Gateway, key: &str, expected: f64) {
    eventually(&format!("{expected} are spent"), async || {
        let info = gateway.get(&format!("/key/info?key={key}")).await.json();
        let spend = info["info"]["spend"].as_f64().unwrap();
        ((spend - expected).abs() < 1e-12).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_burst_of_two_hundred_spends_no_more_than_there_is() {
    let simulator = upstream("wait=20").await;
    let gateway = Gateway::start(&config(&simulator)).await;
    let body = with(chat(), json!({ "max_tokens": 64 }));
    let one = cost(&gateway.post(CHAT, &body).await);
    let budget = one * 50.0;
    let key = key(&gateway, json!({ "max_budget": budget })).await;
    let responses = Load::of(200).unkept().run(&gateway, 200, &call_of(&key, &body)).await;
    let passed: Vec<&Response> = responses.iter().filter(|response| response.status() == 200).collect();
    let sum: f64 = passed.iter().map(|response| cost(response)).sum();
    assert!(sum <= budget + one + 1e-12, "{sum} of {budget}, by {} calls", passed.len());
    assert!(!passed.is_empty());
    let refused = responses.iter().find(|response| response.status() != 200).unwrap();
    let error = &refused.json()["error"];
    assert_eq!((refused.status(), &error["type"]), (400, &json!("budget_exceeded")), "{error}");
    assert!(
        error["message"].as_str().unwrap().starts_with("Budget has been exceeded! Current cost: "),
        "{error}"
    );
    // What was refused only for calls under way can be spent now, to the last whole call.
    let mut count = passed.len();
    while gateway.call(&call_of(&key, &body)).await.status() == 200 {
        count += 1;
    }
    assert_eq!(count, 50);
    spent(&gateway, &key, budget).await;
}

#[tokio::test]
async fn everybody_whom_a_call_touches_pays() {
    let simulator = upstream("ok").await;
    let gateway = Gateway::start(&config(&simulator)).await;
    let one = cost(&gateway.post(CHAT, &chat()).await);
    made(&gateway, "/team/new", json!({ "team_id": "t", "max_budget": one * 2.5 })).await;
    made(&gateway, "/user/new", json!({ "user_id": "u", "max_budget": one * 1.5, "auto_create_key": false }))
        .await;
    made(&gateway, "/customer/new", json!({ "user_id": "c", "max_budget": one * 0.5 })).await;
    let tries = async |key: &str, body: &Value| {
        let mut passed = 0;
        loop {
            let answer = gateway.call(&call_of(key, body)).await;
            if answer.status() != 200 {
                let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
                return (passed, answer.status(), message);
            }
            passed += 1;
            assert!(passed < 20, "nobody is charged");
        }
    };
    let of_team = key(&gateway, json!({ "team_id": "t" })).await;
    let (passed, status, message) = tries(&of_team, &chat()).await;
    assert!(passed == 3 && status == 400 && message.contains("Team=t"), "{passed} {message}");
    let of_user = key(&gateway, json!({ "user_id": "u" })).await;
    let (passed, _, message) = tries(&of_user, &chat()).await;
    assert!(passed == 2 && message.contains("ExceededBudget: User=u over budget"), "{passed} {message}");
    let anybody = key(&gateway, json!({})).await;
    let (passed, _, message) = tries(&anybody, &with(chat(), json!({ "user": "c" }))).await;
    assert!(passed == 1 && message.contains("End User=c"), "{passed} {message}");
    let windows = json!({ "budget_limits": [{ "budget_duration": "1d", "max_budget": one * 1.5 }] });
    assert_eq!(tries(&key(&gateway, windows).await, &chat()).await.0, 2);
    let model = json!({ "model_max_budget": { MODEL: { "budget_limit": one * 0.5, "time_period": "1d" } } });
    assert_eq!(tries(&key(&gateway, model).await, &chat()).await.0, 1);
}

#[tokio::test]
async fn a_changed_duration_neither_forgets_nor_forgives_what_is_spent() {
    let simulator = upstream("ok").await;
    let gateway = Gateway::start(&config(&simulator)).await;
    let one = cost(&gateway.post(CHAT, &chat()).await);
    for (before, after) in
        [("30d", json!("1d")), ("1d", json!("30d")), ("30d", Value::Null), ("", json!("30d"))]
    {
        let duration = if before.is_empty() { Value::Null } else { json!(before) };
        let key = key(&gateway, json!({ "max_budget": one * 6.0, "budget_duration": duration })).await;
        for _ in 0..3 {
            assert_eq!(gateway.call(&call_of(&key, &chat())).await.status(), 200);
        }
        spent(&gateway, &key, one * 3.0).await;
        made(&gateway, "/key/update", json!({ "key": key, "budget_duration": after })).await;
        // Each is booked before the next one, so that what the database says decides.
        for calls in 4..=6 {
            assert_eq!(gateway.call(&call_of(&key, &chat())).await.status(), 200);
            spent(&gateway, &key, one * f64::from(calls)).await;
        }
        assert_eq!(gateway.call(&call_of(&key, &chat())).await.status(), 400, "{before} {after}");
    }
}

#[tokio::test]
async fn every_gateway_hears_what_an_admin_sets() {
    let simulator = upstream("ok").await;
    for database in both().await {
        let (one, other) = (
            database.gateway(&config(&simulator), &[]).await,
            database.gateway(&config(&simulator), &[]).await,
        );
        let cost = cost(&one.post(CHAT, &chat()).await);
        made(&one, "/team/new", json!({ "team_id": "t", "max_budget": cost * 2.5 })).await;
        let of_key = key(&one, json!({ "max_budget": cost * 2.5 })).await;
        let of_team = key(&one, json!({ "team_id": "t" })).await;
        for key in [&of_key, &of_team] {
            let call = call_of(key, &chat());
            while other.call(&call).await.status() == 200 {}
            spent(&other, key, cost * 3.0).await;
            let reset = async || {
                if key == &of_team {
                    made(&one, "/team/update", json!({ "team_id": "t", "spend": 0 })).await
                } else {
                    made(&one, &format!("/key/{key}/reset_spend"), json!({ "reset_to": 0 })).await
                }
            };
            reset().await;
            eventually("the other gateway hears of it", async || {
                (other.call(&call).await.status() == 200).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn whoever_is_made_anew_has_spent_nothing() {
    let simulator = upstream("ok").await;
    for database in both().await {
        let gateway = database.gateway(&config(&simulator), &[]).await;
        let chosen = "sk-made-twice";
        for round in 0..2 {
            made(&gateway, "/user/new", json!({ "user_id": "u", "auto_create_key": false })).await;
            made(&gateway, "/team/new", json!({ "team_id": "t" })).await;
            made(
                &gateway,
                "/team/member_add",
                json!({ "team_id": "t", "member": { "role": "user", "user_id": "u" },
                "max_budget_in_team": 9 }),
            )
            .await;
            made(&gateway, "/customer/new", json!({ "user_id": "c", "max_budget": 9 })).await;
            key(&gateway, json!({ "key": chosen, "user_id": "u", "team_id": "t" })).await;
            let body = with(chat(), json!({ "user": "c" }));
            let mut sum = 0.0;
            for _ in 0..3 {
                sum += cost(&gateway.call(&call_of(chosen, &body)).await);
            }
            let paths = [
                (format!("/key/info?key={chosen}"), "/info/spend"),
                ("/user/info?user_id=u".to_owned(), "/user_info/spend"),
                ("/team/info?team_id=t".to_owned(), "/team_info/spend"),
                ("/team/info?team_id=t".to_owned(), "/team_memberships/0/spend"),
                ("/customer/info?end_user_id=c".to_owned(), "/spend"),
            ];
            for (path, place) in &paths {
                eventually(&format!("{sum} is what {path} says at {place} in round {round}"), async || {
                    let info = gateway.get(path).await.json();
                    let spend = info.pointer(place).and_then(Value::as_f64).unwrap();
                    ((spend - sum).abs() < 1e-12).then_some(())
                })
                .await;
            }
            // What was not booked yet is not left to who comes.
            cost(&gateway.call(&call_of(chosen, &body)).await);
            made(&gateway, "/key/delete", json!({ "keys": [chosen] })).await;
            made(&gateway, "/user/delete", json!({ "user_ids": ["u"] })).await;
            made(&gateway, "/team/delete", json!({ "team_ids": ["t"] })).await;
            made(&gateway, "/customer/delete", json!({ "user_ids": ["c"] })).await;
        }
    }
}

#[tokio::test]
async fn an_end_user_without_a_row_is_shown_once_it_has_called() {
    let simulator = upstream("ok").await;
    for database in both().await {
        let gateway = database.gateway(&config(&simulator), &[]).await;
        let one = cost(&gateway.post(CHAT, &with(chat(), json!({ "user": "seen" }))).await);
        let spend = async |id: &str| {
            let info = gateway.get(&format!("/customer/info?end_user_id={id}")).await;
            (info.status(), info.json()["spend"].as_f64())
        };
        eventually("its calls are booked", async || (spend("seen").await == (200, Some(one))).then_some(()))
            .await;
        assert_eq!(spend("never").await, (404, None));
    }
}

#[tokio::test]
async fn a_key_in_the_place_of_another_has_its_spend_to_the_last_call() {
    let simulator = upstream("ok").await;
    for database in both().await {
        let gateway = database.gateway(&config(&simulator), &[]).await;
        let one = cost(&gateway.post(CHAT, &chat()).await);
        let old = key(&gateway, json!({})).await;
        for _ in 0..5 {
            assert_eq!(gateway.call(&call_of(&old, &chat())).await.status(), 200);
        }
        let new = made(&gateway, "/key/regenerate", json!({ "key": old })).await;
        spent(&gateway, new["key"].as_str().unwrap(), one * 5.0).await;
    }
}

#[tokio::test]
async fn the_whole_gateway_and_a_provider_have_budgets() {
    let simulator = upstream("ok").await;
    for (section, fields) in [
        ("litellm_settings", json!({ "max_budget": 1e-9 })),
        (
            "router_settings",
            json!({ "provider_budget_config": { "openai": { "budget_limit": 1e-9, "time_period": "1d" } } }),
        ),
    ] {
        let gateway = Gateway::start(&config(&simulator).set(section, fields)).await;
        assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200, "{section}");
        let refused = gateway.post(CHAT, &chat()).await;
        assert_eq!(refused.json()["error"]["type"], "budget_exceeded", "{section}: {}", refused.text());
    }
}

#[tokio::test]
async fn a_period_that_is_over_needs_no_sweep() {
    let simulator = upstream("ok").await;
    let gateway = Gateway::start(&config(&simulator)).await;
    let key = key(&gateway, json!({ "max_budget": 1e-9, "budget_duration": "2s" })).await;
    let call = call_of(&key, &chat());
    let mut passed = 0;
    let mut refused = 0;
    eventually("three periods", async || {
        match gateway.call(&call).await.status() {
            200 => passed += 1,
            _ => refused += 1,
        }
        (passed >= 3).then_some(())
    })
    .await;
    assert!(refused >= 2, "it was never used up");
}

#[tokio::test]
async fn a_stream_costs_what_it_said_and_a_client_that_left_pays_for_what_was_made() {
    let simulator = upstream("chunks=40+gap=10").await;
    let gateway = Gateway::start(&config(&simulator)).await;
    let key = key(&gateway, json!({ "max_budget": 1 })).await;
    let whole = gateway
        .call(&call_of(&key, &with(streamed(), json!({ "stream_options": { "include_usage": true } }))))
        .await;
    let text = whole.text();
    let events =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let usage = events
        .filter_map(|event| event.get("usage").filter(|usage| usage.is_object()).cloned())
        .next_back()
        .unwrap();
    let tokens = |name: &str| usage[name].as_f64().unwrap();
    let expected = tokens("prompt_tokens") * INPUT + tokens("completion_tokens") * OUTPUT;
    spent(&gateway, &key, expected).await;
    let mut stream = gateway.connect().await;
    stream.send(&call_of(&key, &streamed())).await;
    stream.read_head().await;
    stream.next_event().await;
    drop(stream);
    eventually("the rest is charged", async || {
        let info = gateway.get(&format!("/key/info?key={key}")).await.json();
        (info["info"]["spend"].as_f64().unwrap() > expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_or_flagged_and_one_for_nothing_is_not() {
    let simulator = upstream("ok").await;
    let base = simulator.base_url();
    let free = json!({ "input_cost_per_token": 0, "output_cost_per_token": 0 });
    let config =
        Config::new().deployment("dark", "dark", &base, "sk-up").target("free", "free", &base, "sk-up", free);
    for (policy, status) in [("deny", 400), ("allow", 200)] {
        let gateway =
            Gateway::start(&config.clone().set("tollgate", json!({ "unpriced_models": policy }))).await;
        let limited = key(&gateway, json!({ "max_budget": 1 })).await;
        let call = async |key: &str, model: &str| {
            gateway.call(&call_of(key, &with(chat(), json!({ "model": model })))).await
        };
        let answer = call(&limited, "dark").await;
        assert_eq!(answer.status(), status, "{policy}: {}", answer.text());
        assert_eq!(call(&limited, "free").await.status(), 200, "{policy}");
        let unlimited = key(&gateway, json!({})).await;
        assert_eq!(call(&unlimited, "dark").await.status(), 200, "{policy}");
    }
}

#[tokio::test]
async fn an_admin_sets_what_was_spent_and_raises_a_budget_for_a_while() {
    let simulator = upstream("ok").await;
    let gateway = Gateway::start(&config(&simulator)).await;
    let key = key(&gateway, json!({ "max_budget": 1e-9 })).await;
    let call = async || gateway.call(&call_of(&key, &chat())).await.status();
    assert_eq!((call().await, call().await), (200, 400));
    made(
        &gateway,
        "/key/update",
        json!({ "key": key, "temp_budget_increase": 1.0, "temp_budget_expiry": "2099-01-01T00:00:00Z" }),
    )
    .await;
    assert_eq!(call().await, 200);
    made(&gateway, "/key/update", json!({ "key": key, "temp_budget_increase": 0.0 })).await;
    assert_eq!(call().await, 400);
    let one = cost(&gateway.post(CHAT, &chat()).await);
    spent(&gateway, &key, one * 2.0).await;
    made(&gateway, &format!("/key/{key}/reset_spend"), json!({ "reset_to": 0 })).await;
    assert_eq!((call().await, call().await), (200, 400));
}

#[tokio::test]
async fn end_users_without_a_row_have_the_default_budget() {
    let simulator = upstream("ok").await;
    let one = 1e-9;
    let config = config(&simulator).set("litellm_settings", json!({ "max_end_user_budget": one }));
    let gateway = Gateway::start(&config).await;
    let call = async |user: &str| gateway.post(CHAT, &with(chat(), json!({ "user": user }))).await;
    assert_eq!(call("a").await.status(), 200);
    let refused = call("a").await;
    assert_eq!(refused.json()["error"]["type"], "budget_exceeded", "{}", refused.text());
    assert_eq!(call("b").await.status(), 200, "each has one of its own");
}

#[tokio::test]
async fn what_was_said_is_kept_only_when_asked_for() {
    let simulator = upstream("ok").await;
    for (keeps, kept) in [(false, false), (true, true)] {
        let config =
            config(&simulator).set("general_settings", json!({ "store_prompts_in_spend_logs": keeps }));
        let gateway = Gateway::start(&config).await;
        let id = gateway.post(CHAT, &chat()).await.json()["id"].as_str().unwrap().to_owned();
        eventually("the call's row", async || {
            let rows = gateway.get(&format!("/spend/logs?request_id={id}")).await.json();
            rows.as_array()?.first().cloned()
        })
        .await;
        let row = gateway.get(&format!("/spend/logs/ui/{id}?start_date=2020-01-01")).await.text();
        assert_eq!(row.contains("How does a toll gate work?"), kept, "{row}");
    }
}
