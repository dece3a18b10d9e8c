//! What the books show besides: deleted keys, refusals of deployments, answers of streams, resets, who a series is of.

use crate::databases::{Database, admin, both, call};
use crate::harness::{
    CHAT, Config, Connection, Gateway, MODEL, chat, eventually, request, streamed, upstream, with,
};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

const PRICES: [(&str, f64); 2] = [("input_cost_per_token", 1e-6), ("output_cost_per_token", 1e-6)];

async fn config(words: &str) -> (Simulator, Config) {
    let simulator = upstream(words).await;
    let mut info = json!({ "id": "d-1" });
    PRICES.iter().for_each(|(name, price)| info[*name] = json!(price));
    let entry = json!({
        "model_name": MODEL,
        "litellm_params": { "model": format!("openai/{MODEL}"), "api_base": simulator.base_url(), "api_key": "k" },
        "model_info": info,
    });
    (simulator, Config::new().entry(entry))
}

async fn key(gateway: &Gateway, fields: Value) -> String {
    let made = admin(gateway, "POST", "/key/generate", fields).await;
    made["key"].as_str().unwrap().to_owned()
}

async fn started(database: &Database, config: &Config) -> Gateway {
    database.gateway(config, &[]).await
}

#[tokio::test]
async fn deleted_keys_are_listed_as_they_were() {
    let (_upstream, config) = config("ok").await;
    for database in both().await {
        let gateway = started(&database, &config).await;
        let own = json!({ "user_id": "u1", "auto_create_key": false, "user_role": "internal_user" });
        admin(&gateway, "POST", "/user/new", own).await;
        let mut deleted = Vec::new();
        for alias in ["one", "two"] {
            let key = key(&gateway, json!({ "key_alias": alias, "user_id": "u1", "max_budget": 3 })).await;
            assert_eq!(call(&gateway, &key, "POST", CHAT, chat()).await.status(), 200);
            deleted.push(key);
        }
        let spent = eventually("the calls are booked", async || {
            let info = admin(&gateway, "GET", &format!("/key/info?key={}", deleted[0]), Value::Null).await;
            info["info"]["spend"].as_f64().filter(|spent| *spent > 0.0)
        })
        .await;
        let kept = key(&gateway, json!({ "user_id": "u1" })).await;
        let list =
            async |asked: &str| admin(&gateway, "GET", &format!("/key/list?{asked}"), Value::Null).await;
        assert_eq!(list("status=deleted").await["total_count"], 0);
        admin(&gateway, "POST", "/key/delete", json!({ "keys": [deleted[0]] })).await;
        admin(&gateway, "POST", "/key/delete", json!({ "key_aliases": ["two"] })).await;
        // The same key may be made anew and deleted again.
        let again = key(&gateway, json!({ "key": deleted[0], "key_alias": "one", "user_id": "u2" })).await;
        admin(&gateway, "POST", "/key/delete", json!({ "keys": [again] })).await;

        let found = list("status=deleted&sort_by=key_alias&sort_order=desc").await;
        assert_eq!((&found["total_count"], &found["total_pages"]), (&json!(3), &json!(1)), "{found}");
        let token = crate::support::sha256(deleted[0].as_bytes());
        assert_eq!(found["keys"][1], token, "by its digest");
        let of_user = list("status=deleted&user_id=u1&key_alias=one&return_full_object=true").await;
        let row = &of_user["keys"][0];
        assert_eq!((&of_user["total_count"], &row["token"]), (&json!(1), &json!(token)), "{of_user}");
        assert_eq!(
            (&row["max_budget"], &row["deleted_by"]),
            (&json!(3.0), &json!("default_user_id")),
            "{row}"
        );
        assert!(row["deleted_at"].as_str().unwrap().ends_with('Z'), "{row}");
        assert!((row["spend"].as_f64().unwrap() - spent).abs() < 1e-12, "{row}");
        for (asked, count) in [(format!("key_hash={token}"), 2), ("size=2&page=2".to_owned(), 3)] {
            assert_eq!(list(&format!("status=deleted&{asked}")).await["total_count"], count, "{asked}");
        }
        assert_eq!(list("user_id=u1").await["total_count"], 1, "the one that is there");
        // Whoever sees only its own sees only its own of them.
        let own = call(&gateway, &kept, "GET", "/key/list?status=deleted", Value::Null).await.json();
        assert_eq!(own["total_count"], 2, "{own}");
        for asked in ["status=gone", "status=deleted&sort_by=spend"] {
            let path = format!("/key/list?{asked}");
            assert_eq!(
                call(&gateway, &gateway.key, "GET", &path, Value::Null).await.status(),
                400,
                "{asked}"
            );
        }
        assert_eq!(call(&gateway, &deleted[0], "POST", CHAT, chat()).await.status(), 401);
        // What goes with its owner is kept as well.
        admin(&gateway, "POST", "/user/delete", json!({ "user_ids": ["u1"] })).await;
        assert_eq!(list("status=deleted&user_id=u1").await["total_count"], 3);
    }
}

#[tokio::test]
async fn a_customer_that_names_no_model_there_is_gets_its_own() {
    let (simulator, config) = config("ok").await;
    for database in both().await {
        let gateway = started(&database, &config).await;
        admin(&gateway, "POST", "/customer/new", json!({ "user_id": "c1", "default_model": MODEL })).await;
        let lost = json!({ "user_id": "c2", "default_model": "nowhere" });
        admin(&gateway, "POST", "/customer/new", lost).await;
        let mut nameless = chat();
        nameless.as_object_mut().unwrap().remove("model");
        let asked = async |body: &Value, user: Value| {
            let body = with(body.clone(), json!({ "user": user }));
            call(&gateway, &gateway.key, "POST", CHAT, body).await
        };
        let unknown = with(chat(), json!({ "model": "gpt-of-tomorrow" }));
        for (body, user, status) in [
            (&nameless, json!("c1"), 200),
            (&unknown, json!("c1"), 200),
            (&unknown, json!("c2"), 400),
            (&unknown, json!("c3"), 400),
            (&nameless, Value::Null, 400),
        ] {
            let answer = asked(body, user.clone()).await;
            assert_eq!(answer.status(), status, "{user} {body}: {}", answer.text());
        }
        assert!(
            simulator
                .seen()
                .iter()
                .all(|seen| String::from_utf8_lossy(&seen.body).contains(r#""model":"m""#)),
            "the upstream's name"
        );
        // It opens no door: the key must be allowed to call it.
        let key = key(&gateway, json!({ "models": ["other"] })).await;
        let body = with(unknown.clone(), json!({ "user": "c1" }));
        assert_eq!(call(&gateway, &key, "POST", CHAT, body).await.status(), 401);
    }
}

#[tokio::test]
async fn refusals_of_deployments_are_counted_by_day() {
    let (limited, good) = (upstream("429").await, upstream("ok").await);
    let entry = |group: &str, id: &str, base: &str| {
        json!({
            "model_name": group,
            "litellm_params": { "model": "openai/up", "api_base": base, "api_key": id },
            "model_info": { "id": id },
        })
    };
    // What another group answers in the end counts for the group that was asked in vain.
    let config = Config::new()
        .entry(entry(MODEL, "full", &limited.base_url()))
        .entry(entry("spare", "free", &good.base_url()))
        .set("litellm_settings", json!({ "fallbacks": [{ MODEL: ["spare"] }] }));
    for database in both().await {
        let gateway = started(&database, &config).await;
        for _ in 0..3 {
            assert_eq!(call(&gateway, &gateway.key, "POST", CHAT, chat()).await.status(), 200);
        }
        let path = |of: &str| {
            format!(
                "/global/activity/exceptions{of}?model_group={MODEL}&start_date=2020-01-01&end_date=2100-01-01"
            )
        };
        let sum = eventually("they are booked", async || {
            let found = admin(&gateway, "GET", &path(""), Value::Null).await;
            let sum = found["sum_num_rate_limit_exceptions"].as_i64().unwrap();
            assert_eq!(found["daily_data"].as_array().unwrap().len(), usize::from(sum > 0), "{found}");
            (sum > 0).then_some(sum)
        })
        .await;
        let found = admin(&gateway, "GET", &path("/deployment"), Value::Null).await;
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        let shown = (&found[0]["model_id"], &found[0]["sum_num_rate_limit_exceptions"]);
        assert_eq!(shown, (&json!("full"), &json!(sum)), "{found}");
        assert!(
            found[0]["deployment"].as_str().unwrap().starts_with(limited.base_url().trim_end_matches("/v1"))
        );
        let other = path("").replace("model_group=m", "model_group=other");
        assert_eq!(admin(&gateway, "GET", &other, Value::Null).await["sum_num_rate_limit_exceptions"], 0);
        let missing = call(&gateway, &gateway.key, "GET", "/global/activity/exceptions", Value::Null).await;
        assert_eq!(missing.status(), 422);
        let key = key(&gateway, json!({})).await;
        assert_eq!(call(&gateway, &key, "GET", &path(""), Value::Null).await.status(), 401);
    }
}

/// What is kept of the answer with this id.
async fn kept(gateway: &Gateway, id: &str) -> Value {
    eventually("the call's row", async || {
        let rows = admin(gateway, "GET", &format!("/spend/logs?request_id={id}"), Value::Null).await;
        rows.as_array()?.first().cloned()
    })
    .await;
    admin(gateway, "GET", &format!("/spend/logs/ui/{id}"), Value::Null).await["response"].clone()
}

/// The first event of a stream of this path.
async fn first_event(gateway: &Gateway, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {}", gateway.key);
    let mut connection = Connection::open(gateway.address).await;
    connection.send(&request("POST", path, &[("authorization", &bearer)], body.to_string().as_bytes())).await;
    assert_eq!(connection.read_head().await.status, 200);
    let events = connection.events().await;
    let first = events.iter().find(|event| event.data.starts_with('{')).unwrap();
    serde_json::from_str(&first.data).unwrap()
}

#[tokio::test]
async fn the_answers_of_streams_are_kept_where_answers_are() {
    let (_upstream, config) = config("ok").await;
    let keeping = config.set("general_settings", json!({ "store_prompts_in_spend_logs": true }));
    for database in both().await {
        let gateway = started(&database, &keeping).await;
        let whole = call(&gateway, &gateway.key, "POST", CHAT, chat()).await.json();
        let id = first_event(&gateway, CHAT, &streamed()).await["id"].as_str().unwrap().to_owned();
        let answer = kept(&gateway, &id).await;
        for path in
            ["/choices/0/message/content", "/choices/0/finish_reason", "/usage/completion_tokens", "/object"]
        {
            assert_eq!(answer.pointer(path), whole.pointer(path), "{path}: {answer}");
        }
        // Of another dialect than the upstream's it is the answer that the client was given.
        let body = json!({ "model": MODEL, "max_tokens": 9, "stream": true,
            "messages": [{ "role": "user", "content": "x" }] });
        let start = first_event(&gateway, "/v1/messages", &body).await;
        let answer = kept(&gateway, start["message"]["id"].as_str().unwrap()).await;
        assert_eq!(
            (&answer["type"], &answer["stop_reason"]),
            (&json!("message"), &json!("end_turn")),
            "{answer}"
        );
        assert_eq!(answer["content"][0]["text"], whole["choices"][0]["message"]["content"], "{answer}");
    }
}

#[tokio::test]
async fn what_a_cut_stream_said_is_kept_without_an_end() {
    let (_upstream, config) = config("cut=3").await;
    let keeping = config.set("general_settings", json!({ "store_prompts_in_spend_logs": true }));
    for database in both().await {
        let gateway = started(&database, &keeping).await;
        let id = first_event(&gateway, CHAT, &streamed()).await["id"].as_str().unwrap().to_owned();
        let answer = kept(&gateway, &id).await;
        assert!(answer.is_string() && !answer.as_str().unwrap().is_empty(), "{answer}");
    }
}

#[tokio::test]
async fn a_reset_counts_the_calls_before_it() {
    let (_upstream, config) = config("ok").await;
    for database in both().await {
        let gateway = started(&database, &config).await;
        let key = key(&gateway, json!({ "max_budget": 100 })).await;
        let spend = async || {
            let info = admin(&gateway, "GET", &format!("/key/info?key={key}"), Value::Null).await;
            info["info"]["spend"].as_f64().unwrap()
        };
        for path in [format!("/key/{key}/reset_spend"), "/global/spend/reset".to_owned()] {
            for _ in 0..20 {
                assert_eq!(call(&gateway, &key, "POST", CHAT, chat()).await.status(), 200);
            }
            // Most of these calls are in the journal alone now.
            admin(&gateway, "POST", &path, json!({ "reset_to": 0 })).await;
            gateway.metric_is("tollgate_ledger_waiting_bytes", &[], 0.0).await;
            assert_eq!(spend().await, 0.0, "{path}");
            assert_eq!(call(&gateway, &key, "POST", CHAT, chat()).await.status(), 200);
            let one =
                eventually("the next call counts", async || Some(spend().await).filter(|spent| *spent > 0.0))
                    .await;
            assert!(one < 1e-4, "one call and no more: {one}");
            admin(&gateway, "POST", &format!("/key/{key}/reset_spend"), json!({ "reset_to": 0 })).await;
        }
    }
}

async fn reaches(gateway: &Gateway, name: &str, labels: &[(&str, &str)]) {
    let above = async || (gateway.metric(name, labels).await > 0.0).then_some(());
    eventually(&format!("{name} of {labels:?}"), above).await;
}

#[tokio::test]
async fn series_name_the_address_and_the_organization() {
    let (_upstream, config) = config("ok").await;
    for database in both().await {
        let gateway = started(&database, &config).await;
        let organization =
            admin(&gateway, "POST", "/organization/new", json!({ "organization_alias": "Acme Ltd" })).await;
        let user = json!({ "user_id": "ada", "user_email": "ada@acme.test", "auto_create_key": false });
        admin(&gateway, "POST", "/user/new", user).await;
        let of = json!({ "user_id": "ada", "organization_id": organization["organization_id"] });
        let key = key(&gateway, of).await;
        assert_eq!(call(&gateway, &key, "POST", CHAT, chat()).await.status(), 200);
        let labels = [("user_email", "ada@acme.test"), ("org_alias", "Acme Ltd")];
        for name in ["litellm_proxy_total_requests_metric_total", "litellm_input_tokens_metric_total"] {
            reaches(&gateway, name, &labels).await;
        }
        // Who was changed is shown again from the next call on, and a change is heard up to a second later.
        eventually("the budget of the organization", async || {
            assert_eq!(call(&gateway, &key, "POST", CHAT, chat()).await.status(), 200);
            let left = gateway.metric("litellm_remaining_org_budget_metric", &labels[1..]).await;
            (left > 0.0).then_some(())
        })
        .await;
    }
}
