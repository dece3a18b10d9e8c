//! From its making to its end: what changes a key is effective with the next call.

use super::{Place, places};
use crate::harness::{Config, Gateway, MODEL, eventually, upstream};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate::domain::{CounterId, Money, Scope};
use tollgate::store::Spent;

fn message(body: &Value) -> &str {
    body["error"]["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_key_is_used_blocked_unblocked_and_deleted_by_name_hash_and_alias() {
    for place in places().await {
        let (key, made) = place.key(json!({ "key_alias": "robot" })).await;
        assert_eq!(place.chat(&key).await, 200);
        let own = place.by(&key, "GET", "/key/info", Value::Null).await;
        assert_eq!((own.0, &own.1["key"]), (200, &made["token"]));
        let blocked = place.done("/key/block", json!({ "key": made["token"] })).await;
        assert_eq!((&blocked["blocked"], &blocked["token"]), (&json!(true), &made["token"]));
        let (status, refused) = place.by(&key, "GET", "/key/info", Value::Null).await;
        assert_eq!(status, 401);
        let words = "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.";
        assert_eq!(message(&refused), words);
        assert_eq!(place.chat(&key).await, 401);
        assert_eq!(place.done("/key/unblock", json!({ "key": key })).await["blocked"], false);
        assert_eq!(place.by(&key, "GET", "/key/info", Value::Null).await.0, 200);
        let deleted = place.done("/key/delete", json!({ "key_aliases": ["robot", "nobody"] })).await;
        assert_eq!(deleted, json!({ "deleted_keys": [made["token"]] }));
        assert_eq!(place.chat(&key).await, 401);
        let none = place.refused("/key/delete", json!({ "keys": [key] }), 404).await;
        assert_eq!(none["error"]["type"], "internal_server_error");
        assert_eq!(message(&none), "{'error': 'No keys found'}");
        for path in ["/key/block", "/key/unblock", "/key/update"] {
            place.refused(path, json!({ "key": key }), 404).await;
            assert_eq!(place.refused(path, json!({}), 422).await["detail"][0]["type"], "missing");
        }
    }
}

#[tokio::test]
async fn an_expired_key_is_refused_with_its_time() {
    for place in places().await {
        let (key, made) = place.key(json!({ "duration": "1s" })).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let (status, refused) = place.by(&key, "GET", "/key/info", Value::Null).await;
        let error = &refused["error"];
        let token = made["token"].as_str().unwrap();
        assert_eq!((status, &error["type"]), (400, &json!("expired_key")), "{refused}");
        assert_eq!(error["param"], format!("sk-...{}", &token[60..]));
        assert!(message(&refused).starts_with("Authentication Error - Expired Key. Key Expiry time 20"));
        place.done("/key/update", json!({ "key": key, "duration": "-1" })).await;
        assert_eq!(place.by(&key, "GET", "/key/info", Value::Null).await.0, 200);
    }
}

async fn spend(place: &Place, key: &str, dollars: f64, period_end: i64) {
    let token = crate::support::sha256(key.as_bytes());
    let counter = CounterId { scope: Scope::Key, id: token.as_str().into(), slot: "".into() };
    let amount = Money::from_dollars(dollars).unwrap();
    place.store.set_spent(&counter, Spent { amount, period_end }).await.unwrap();
}

#[tokio::test]
async fn a_key_is_replaced_at_once_or_with_grace() {
    for place in places().await {
        let (first, made) = place.key(json!({ "key_alias": "r", "models": ["m"], "max_budget": 7 })).await;
        spend(&place, &first, 1.5, 0).await;
        let answer = place.done("/key/regenerate", json!({ "key": first })).await;
        let second = answer["key"].as_str().unwrap().to_owned();
        assert_ne!(second, first);
        for field in ["key_alias", "models", "max_budget", "created_at"] {
            assert_eq!(answer[field], made[field], "{field}");
        }
        assert_eq!((place.chat(&first).await, place.chat(&second).await), (401, 200));
        let info = place.asked(&format!("/key/info?key={second}")).await;
        assert_eq!((&info["info"]["spend"], &info["info"]["rotation_count"]), (&json!(1.5), &json!(1)));
        assert_eq!(info["info"]["key_name"], format!("sk-...{}", &second[21..]));

        let body = json!({ "grace_period": "1h", "new_key": "sk-the-third-key-of-all", "max_budget": 8 });
        let answer = place.done(&format!("/key/{second}/regenerate"), body).await;
        assert_eq!((&answer["key"], &answer["max_budget"]), (&json!("sk-the-third-key-of-all"), &json!(8.0)));
        let third = "sk-the-third-key-of-all";
        assert_eq!((place.chat(&second).await, place.chat(third).await), (200, 200));
        let own = place.by(&second, "GET", "/key/info", Value::Null).await;
        assert_eq!(own.1["info"]["rotation_count"], 2, "it stands for its successor");
        // Of a grace as short as that nothing is sure but its end.
        let last = "sk-the-last-key-of-all";
        place.done("/key/regenerate", json!({ "key": third, "grace_period": "1s", "new_key": last })).await;
        eventually("the grace is over", async || {
            let (status, _) = place.by(third, "GET", "/key/info", Value::Null).await;
            [400, 401].contains(&status).then_some(())
        })
        .await;
        let third = last;
        for (body, status) in [
            (json!({ "key": third, "new_key": "abc" }), 400),
            (json!({ "key": third, "grace_period": "soon" }), 400),
            (json!({ "key": third, "new_master_key": "sk-2" }), 400),
            (json!({ "key": "sk-nobody" }), 404),
            (json!({}), 422),
        ] {
            place.refused("/key/regenerate", body, status).await;
        }
    }
}

#[tokio::test]
async fn spend_is_of_the_present_period_and_can_be_reset() {
    for place in places().await {
        let (key, _) = place.key(json!({ "budget_duration": "1d", "max_budget": 5 })).await;
        let shown = async || place.asked(&format!("/key/info?key={key}")).await["info"].clone();
        assert!(shown().await["budget_reset_at"].as_str().unwrap().ends_with("T00:00:00.000000+00:00"));
        spend(&place, &key, 2.25, 0).await;
        assert_eq!(shown().await["spend"], 2.25);
        spend(&place, &key, 2.25, 1_000).await;
        assert_eq!(shown().await["spend"], 0.0, "its period is over");
        spend(&place, &key, 2.25, 4_102_444_800_000).await;
        assert_eq!(shown().await["spend"], 2.25);
        place.refused(&format!("/key/{key}/reset_spend"), json!({ "reset_to": 3 }), 400).await;
        place.refused(&format!("/key/{key}/reset_spend"), json!({}), 422).await;
        let reset = place.done(&format!("/key/{key}/reset_spend"), json!({ "reset_to": 0 })).await;
        assert_eq!((&reset["previous_spend"], &reset["spend"]), (&json!(2.25), &json!(0.0)));
        assert_eq!(shown().await["spend"], 0.0);
        place.done("/key/update", json!({ "key": key, "spend": 1.25 })).await;
        assert_eq!(shown().await["spend"], 1.25);
    }
}

#[tokio::test]
async fn keys_are_listed_by_what_they_spent() {
    for place in places().await {
        let mut keys = Vec::new();
        for dollars in [1.5, 0.0, 7.0] {
            let (key, made) = place.key(json!({ "user_id": "spender" })).await;
            if dollars > 0.0 {
                spend(&place, &key, dollars, 0).await;
            }
            keys.push(made["token"].clone());
        }
        let listed = async |direction: &str| {
            let path = format!("/key/list?user_id=spender&sort_by=spend&sort_order={direction}");
            place.asked(&path).await["keys"].clone()
        };
        assert_eq!(listed("desc").await, json!([keys[2], keys[0], keys[1]]));
        assert_eq!(listed("asc").await, json!([keys[1], keys[0], keys[2]]));
    }
}

#[tokio::test]
async fn new_keys_get_what_the_configuration_says_and_no_more() {
    let upstream = upstream("ok").await;
    let config = Config::new().deployment(MODEL, MODEL, &upstream.base_url(), "upstream-key").set(
        "litellm_settings",
        json!({
            "default_key_generate_params": { "max_budget": 5, "models": [MODEL], "team_id": null },
            "upperbound_key_generate_params":
                { "max_budget": 100, "budget_duration": "10d", "duration": "30d", "rpm_limit": 60 },
        }),
    );
    let gateway = Gateway::start(&config).await;
    let made = gateway.post("/key/generate", &json!({})).await.json();
    let got = [&made["max_budget"], &made["budget_duration"], &made["rpm_limit"], &made["models"]];
    assert_eq!(got, [&json!(5.0), &json!("10d"), &json!(60), &json!([MODEL])]);
    assert!(made["expires"].is_string());
    for (asked, words) in [
        (
            json!({ "max_budget": 100.5 }),
            "max_budget is over max limit set in config - user_value=100.5; max_value=100",
        ),
        (json!({ "rpm_limit": 61 }), "user_value=61; max_value=60"),
        (json!({ "budget_duration": "11d" }), "user_value=11d; max_value=10d"),
        (json!({ "duration": "2mo" }), "duration is over max limit"),
    ] {
        let refused = gateway.post("/key/generate", &asked).await;
        assert!(refused.status() == 400 && refused.text().contains(words), "{asked}: {}", refused.text());
        let update = crate::harness::with(asked.clone(), json!({ "key": made["key"] }));
        let refused = gateway.post("/key/update", &update).await;
        assert!(refused.status() == 400 && refused.text().contains(words), "{update}: {}", refused.text());
    }
    let asked = json!({ "max_budget": 100, "budget_duration": "240h", "rpm_limit": 60, "models": ["all-team-models"] });
    assert_eq!(gateway.post("/key/generate", &asked).await.json()["models"], asked["models"]);
}
