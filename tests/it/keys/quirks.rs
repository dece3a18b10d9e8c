//! What LiteLLM's clients have come to rely on, field by field.

use super::places;
use serde_json::{Value, json};

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_litellms_words() {
    for place in places().await {
        place.key(json!({ "key_alias": "taken" })).await;
        for (body, status, param) in [
            (json!({ "key_alias": "taken" }), 400, "key_alias"),
            (json!({ "key": "mykey" }), 400, "key"),
            (json!({ "key": "sk-" }), 400, "key"),
            (json!({ "key": "sk-with space" }), 400, "key"),
            (json!({ "key": crate::harness::MASTER_KEY }), 400, "key"),
            (json!({ "max_budget": -5 }), 400, "max_budget"),
            (json!({ "soft_budget": -5 }), 400, "soft_budget"),
            (json!({ "rpm_limit": -1 }), 400, "rpm_limit"),
            (json!({ "duration": "abc" }), 400, "duration"),
            (json!({ "duration": "-5d" }), 400, "duration"),
            (json!({ "budget_duration": "1x" }), 400, "budget_duration"),
            (json!({ "model_rpm_limit": { "m": -1 } }), 400, "model_rpm_limit"),
            (json!({ "model_max_budget": { "m": { "budget_limit": -1 } } }), 400, "model_max_budget"),
            (json!({ "budget_limits": [{ "max_budget": 1 }] }), 400, "budget_limits"),
            (json!({ "metadata": { "allowed_ips": ["10.0.0.0/8"] } }), 400, "metadata"),
        ] {
            let answer = place.refused("/key/generate", body.clone(), status).await;
            assert_eq!(answer["error"]["param"], param, "{body}: {answer}");
            assert_eq!(answer["error"]["type"], "bad_request_error", "{body}: {answer}");
        }
        for (body, kind, field) in [
            (json!({ "max_budget": "abc" }), "float_parsing", "max_budget"),
            (json!({ "models": "m" }), "list_type", "models"),
            (json!({ "metadata": [] }), "dict_type", "metadata"),
            (json!({ "rpm_limit": 1.5 }), "int_from_float", "rpm_limit"),
            (json!({ "key_alias": 1 }), "string_type", "key_alias"),
            (json!({ "key_type": "x" }), "enum", "key_type"),
        ] {
            let answer = place.refused("/key/generate", body, 422).await;
            let fault = &answer["detail"][0];
            assert_eq!((&fault["type"], &fault["loc"]), (&json!(kind), &json!(["body", field])), "{answer}");
        }
        let taken = place.refused("/key/generate", json!({ "key_alias": "taken" }), 400).await;
        let words = "Key with alias 'taken' already exists. Unique key aliases across all keys are required.";
        assert_eq!(taken["error"]["message"], words);
    }
}

#[tokio::test]
async fn a_key_has_what_was_asked_for() {
    for place in places().await {
        let (key, made) = place
            .key(json!({
                "key": "sk-mykey-of-my-own", "nonsense": { "x": 1 }, "max_budget": "2.5", "rpm_limit": "7",
                "model_rpm_limit": { "m": 3 }, "tags": ["red"], "metadata": { "team": "x" }, "soft_budget": 1.5,
                "key_type": "llm_api", "spend": 0.25, "aliases": { "a": "m" }, "permissions": { "get_spend_routes": true },
                "budget_limits": [{ "budget_duration": "1d", "max_budget": 5 }],
            }))
            .await;
        assert_eq!(key, "sk-mykey-of-my-own");
        assert_eq!((&made["max_budget"], &made["rpm_limit"]), (&json!(2.5), &json!(7)));
        assert_eq!(made["metadata"], json!({ "team": "x", "model_rpm_limit": { "m": 3 }, "tags": ["red"] }));
        assert_eq!((&made["model_rpm_limit"], &made["tags"]), (&json!({ "m": 3 }), &json!(["red"])));
        assert_eq!(made["litellm_budget_table"]["soft_budget"], 1.5);
        assert_eq!(made["litellm_budget_table"]["budget_id"], made["budget_id"]);
        assert_eq!((&made["allowed_routes"], &made["spend"]), (&json!(["llm_api_routes"]), &json!(0.25)));
        assert_eq!(place.chat(&key).await, 200);
        let (status, refused) = place.by(&key, "GET", "/key/info", Value::Null).await;
        assert_eq!(
            (status, &refused["error"]["message"]),
            (
                403,
                &json!(
                    "Virtual key is not allowed to call this route. Only allowed to call routes: ['llm_api_routes']. \
             Tried to call route: /key/info"
                )
            )
        );
        // The same key again changes it.
        let (_, again) = place.key(json!({ "key": key, "rpm_limit": 9, "key_alias": "mine" })).await;
        assert_eq!((&again["rpm_limit"], &again["max_budget"]), (&json!(9), &json!(2.5)));
        assert_eq!((&again["token"], &again["created_at"]), (&made["token"], &made["created_at"]));
    }
}

#[tokio::test]
async fn null_clears_and_what_is_not_named_stays() {
    for place in places().await {
        let body = json!({ "key_alias": "a", "models": ["m"], "max_budget": 1, "duration": "1d", "budget_duration": "30d",
            "metadata": { "x": 1 }, "model_rpm_limit": { "m": 1 }, "user_id": "u" });
        let (key, _) = place.key(body).await;
        let cleared = json!({ "key": key, "key_alias": null, "models": null, "duration": null, "budget_duration": null,
            "model_rpm_limit": null, "user_id": null });
        let after = place.done("/key/update", cleared).await;
        for field in ["key_alias", "expires", "budget_duration", "budget_reset_at", "user_id"] {
            assert_eq!(after[field], Value::Null, "{field}: {after}");
        }
        assert_eq!((&after["models"], &after["metadata"]), (&json!([]), &json!({ "x": 1 })));
        assert_eq!(after["max_budget"], 1.0);
        let raise = json!({ "key": key, "temp_budget_increase": 5, "temp_budget_expiry": "2030-01-15" });
        let after = place.done("/key/update", raise).await;
        assert_eq!(after["metadata"]["temp_budget_expiry"], "2030-01-15T00:00:00.000000+00:00");
        let bulk =
            json!({ "keys": [{ "key": key, "max_budget": 3 }, { "key": "sk-nobody", "max_budget": 3 }] });
        let done = place.done("/key/bulk_update", bulk).await;
        assert_eq!(done["total_requested"], 2);
        assert_eq!(done["successful_updates"][0]["key_info"]["max_budget"], 3.0);
        assert_eq!(done["failed_updates"][0]["failed_reason"], "Key not found.");
    }
}

#[tokio::test]
async fn keys_are_listed_filtered_and_sorted_a_page_at_a_time() {
    for place in places().await {
        for n in 0..7 {
            let team = if n < 3 { "t1" } else { "t2" };
            place.key(json!({ "key_alias": format!("k{n}"), "team_id": team, "user_id": "u" })).await;
        }
        let page = place
            .asked("/key/list?page=2&size=3&sort_by=key_alias&sort_order=asc&return_full_object=true")
            .await;
        let names: Vec<&Value> =
            page["keys"].as_array().unwrap().iter().map(|key| &key["key_alias"]).collect();
        assert_eq!(names, ["k3", "k4", "k5"]);
        assert_eq!(
            (&page["total_count"], &page["current_page"], &page["total_pages"]),
            (&json!(7), &json!(2), &json!(3))
        );
        for (query, count) in [
            ("team_id=t1", 3),
            ("team_id=t1&user_id=u", 3),
            ("user_id=nobody", 0),
            ("user_id=nobody&include_team_keys=true", 0),
            ("key_alias=k4", 1),
            ("key_alias=k%25", 0),
            ("organization_id=o", 0),
            ("status=deleted", 0),
            ("", 7),
        ] {
            let found = place.asked(&format!("/key/list?{query}")).await;
            assert_eq!(found["total_count"], count, "{query}: {found}");
            assert!(found["keys"].as_array().unwrap().iter().all(Value::is_string), "{query}");
        }
        for query in ["size=101", "page=0", "page=x", "size=-1", "sort_by=doc"] {
            let status = place.gate.get(&format!("/key/list?{query}")).await.status();
            assert!([400, 422].contains(&status), "{query}: {status}");
        }
        let names = place.asked("/key/aliases?search=K1&size=5").await;
        assert_eq!(
            names,
            json!({ "aliases": ["k1"], "total_count": 1, "current_page": 1, "total_pages": 1, "size": 5 })
        );
        let health = place.done("/key/health", json!({})).await;
        assert_eq!(health, json!({ "key": "healthy", "logging_callbacks": null }));
    }
}

#[tokio::test]
async fn many_keys_are_shown_at_once() {
    for place in places().await {
        let (one, _) = place.key(json!({ "key_alias": "one" })).await;
        let (_, two) = place.key(json!({ "key_alias": "two" })).await;
        let asked = json!({ "keys": [one, "sk-nobody", two["token"]] });
        let found = place.done("/v2/key/info", asked.clone()).await;
        assert_eq!(found["key"], asked["keys"]);
        let names: Vec<&Value> =
            found["info"].as_array().unwrap().iter().map(|key| &key["key_alias"]).collect();
        assert_eq!(names, ["one", "two"]);
        let team = json!({ "team_id": "t9", "key_alias": "bot" });
        let made = place.done("/key/service-account/generate", team).await;
        assert_eq!(
            (&made["user_id"], &made["metadata"]),
            (&Value::Null, &json!({ "service_account_id": "bot" }))
        );
        place.refused("/key/service-account/generate", json!({}), 400).await;
    }
}
