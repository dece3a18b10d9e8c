//! Who may do what with whose keys.

use super::places;
use serde_json::{Value, json};
use tollgate::store::TEAMS;

#[tokio::test]
async fn a_key_without_a_user_sees_itself_and_nothing_else() {
    for place in places().await {
        let (key, _) = place.key(json!({})).await;
        let (other, _) = place.key(json!({})).await;
        assert_eq!(place.by(&key, "GET", "/key/info", Value::Null).await.0, 200);
        let path = format!("/key/info?key={other}");
        assert_eq!(place.by(&key, "GET", &path, Value::Null).await.0, 403, "LiteLLM shows it");
        let (status, many) = place.by(&key, "POST", "/v2/key/info", json!({ "keys": [key, other] })).await;
        assert_eq!((status, many["info"].as_array().unwrap().len()), (200, 1));
        let (status, refused) = place.by(&key, "POST", "/key/generate", json!({})).await;
        assert_eq!(status, 401);
        assert_eq!(
            refused["error"]["message"],
            "Authentication Error, Only proxy admin can be used to generate, delete, update info for new \
             keys/users/teams. Route=/key/generate. Your role=unknown. Your user_id=unknown"
        );
        let (status, refused) = place.by(&key, "GET", "/key/list", Value::Null).await;
        assert_eq!((status, &refused["error"]["type"]), (403, &json!("bad_request_error")));
        assert_eq!(place.by(&key, "GET", "/key/aliases", Value::Null).await.0, 401);
        for path in ["/key/update", "/key/delete", "/key/block", "/key/regenerate", "/key/bulk_update"] {
            assert_eq!(place.by(&key, "POST", path, json!({ "key": key })).await.0, 401, "{path}");
        }
        // A name that nobody made a user of is no user.
        let (named, _) = place.key(json!({ "user_id": "somebody@example.com" })).await;
        assert_eq!(place.by(&named, "POST", "/key/generate", json!({})).await.0, 401);
    }
}

#[tokio::test]
async fn a_user_makes_keys_for_itself_within_its_own() {
    for place in places().await {
        let limits = json!({ "models": ["m"], "max_budget": 5, "budget_duration": "30d", "rpm_limit": 10, "duration": "1d",
            "metadata": { "guardrails": ["no-secrets"] } });
        let own = place.user("u1", "internal_user", limits).await;
        let (status, made) = place.by(&own, "POST", "/key/generate", json!({ "key_alias": "mine" })).await;
        assert_eq!(status, 200, "{made}");
        // What is not named is its own key's.
        for (field, value) in [
            ("user_id", json!("u1")),
            ("models", json!(["m"])),
            ("max_budget", json!(5.0)),
            ("budget_duration", json!("30d")),
            ("rpm_limit", json!(10)),
            ("guardrails", json!(["no-secrets"])),
        ] {
            assert_eq!(made[field], value, "{field}");
        }
        let info = |key: &str| format!("/key/info?key={key}");
        let expires = |answer: &Value| answer["info"]["expires"].clone();
        let mine = made["key"].as_str().unwrap();
        assert_eq!(expires(&place.asked(&info(mine)).await), expires(&place.asked(&info(&own)).await));
        for wider in [
            json!({ "models": [] }),
            json!({ "models": ["m", "other"] }),
            json!({ "models": ["*"] }),
            json!({ "max_budget": 5.01 }),
            json!({ "max_budget": 5, "budget_duration": "1d" }),
            json!({ "rpm_limit": 11 }),
            json!({ "duration": "2d" }),
            json!({ "duration": "-1" }),
            json!({ "user_id": "u2" }),
            json!({ "team_id": "t1" }),
            json!({ "organization_id": "o1" }),
            json!({ "permissions": { "get_spend_routes": true } }),
            json!({ "permissions": { "anything": true } }),
            json!({ "aliases": { "m": "other" } }),
            json!({ "budget_id": "b" }),
            json!({ "spend": 1 }),
            json!({ "metadata": { "temp_budget_increase": 5, "temp_budget_expiry": "2100-01-01T00:00:00Z" } }),
            json!({ "guardrails": ["none"] }),
            json!({ "metadata": { "guardrails": ["none"] } }),
            json!({ "metadata": { "logging": [{ "callback_name": "langfuse" }] } }),
        ] {
            let (status, refused) = place.by(&own, "POST", "/key/generate", wider.clone()).await;
            assert_eq!(status, 403, "{wider}: {refused}");
            let mut change = wider.clone();
            change["key"] = json!(mine);
            let (status, refused) = place.by(&own, "POST", "/key/update", change).await;
            assert_eq!(status, 403, "{wider}: {refused}");
        }
        for path in ["/key/block", "/key/unblock", "/key/bulk_update"] {
            assert_eq!(place.by(&own, "POST", path, json!({ "key": mine })).await.0, 401, "{path}");
        }
        let narrower = json!({ "key": mine, "rpm_limit": 1, "key_alias": "renamed" });
        assert_eq!(place.by(&own, "POST", "/key/update", narrower).await.0, 200);
        let (status, list) = place.by(&own, "GET", "/key/list?sort_by=key_alias", Value::Null).await;
        assert_eq!((status, &list["total_count"]), (200, &json!(2)));
        let (_, names) = place.by(&own, "GET", "/key/aliases", Value::Null).await;
        assert_eq!(names["aliases"], json!(["renamed"]));
        assert_eq!(place.by(&own, "POST", "/key/regenerate", json!({ "key": mine })).await.0, 200);
    }
}

#[tokio::test]
async fn a_user_has_no_power_over_the_keys_of_others() {
    for place in places().await {
        let own = place.user("u1", "internal_user", json!({ "rpm_limit": 5 })).await;
        let viewer = place.user("u3", "internal_user_viewer", json!({})).await;
        let (other, _) = place.key(json!({ "user_id": "u2", "key_alias": "theirs" })).await;
        let (wider, _) = place.key(json!({ "user_id": "u1" })).await;
        for key in [&own, &viewer] {
            assert_eq!(place.by(key, "GET", &format!("/key/info?key={other}"), Value::Null).await.0, 403);
            assert_eq!(place.by(key, "GET", "/key/list?user_id=u2", Value::Null).await.0, 403);
            for query in ["key_alias=theirs", "include_team_keys=true&key_alias=theirs", "team_id=t1"] {
                let (_, list) = place.by(key, "GET", &format!("/key/list?{query}"), Value::Null).await;
                assert_eq!(list["total_count"], 0, "{query}");
            }
        }
        for (path, body) in [
            ("/key/update", json!({ "key": other, "models": [] })),
            ("/key/delete", json!({ "keys": [other] })),
            ("/key/delete", json!({ "key_aliases": ["theirs"] })),
            ("/key/regenerate", json!({ "key": other })),
            ("/key/generate", json!({ "key": other, "rpm_limit": 1 })),
        ] {
            assert_eq!(place.by(&own, "POST", path, body.clone()).await.0, 403, "{path} {body}");
            assert_eq!(place.by(&viewer, "POST", path, body.clone()).await.0, 401, "{path} {body}");
        }
        // A wider key of the same user cannot be had by replacing it.
        assert_eq!(place.by(&own, "POST", "/key/regenerate", json!({ "key": wider })).await.0, 403);
        assert_eq!(place.by(&wider, "POST", "/key/regenerate", json!({ "key": own })).await.0, 200);
        assert_eq!(place.chat(&other).await, 200);
        let reader = place.user("u4", "proxy_admin_viewer", json!({})).await;
        assert_eq!(place.by(&reader, "GET", &format!("/key/info?key={other}"), Value::Null).await.0, 200);
        assert_eq!(place.by(&reader, "POST", "/key/delete", json!({ "keys": [other] })).await.0, 401);
        let admin = place.user("u5", "proxy_admin", json!({})).await;
        assert_eq!(place.by(&admin, "POST", "/key/delete", json!({ "keys": [other] })).await.0, 200);
    }
}

#[tokio::test]
async fn a_teams_admin_manages_the_keys_of_the_team() {
    for place in places().await {
        let members = json!([{ "role": "admin", "user_id": "boss" }, { "role": "user", "user_id": "u1" }]);
        let team = json!({ "team_alias": "T", "models": ["m"], "members_with_roles": members });
        place.row(&TEAMS, "t1", team).await;
        place.row(&TEAMS, "t2", json!({ "team_alias": "other" })).await;
        let boss = place.user("boss", "internal_user", json!({})).await;
        let (theirs, _) = place.key(json!({ "team_id": "t2" })).await;
        for (wish, status) in [
            (json!({ "team_id": "t1", "user_id": "u1", "key_alias": "for u1" }), 200),
            (json!({ "team_id": "t1", "user_id": null }), 200),
            (json!({ "team_id": "t1", "models": ["all-team-models"] }), 200),
            (json!({ "team_id": "t1", "user_id": "stranger" }), 403),
            (json!({ "team_id": "t1", "models": ["other"] }), 403),
            (json!({ "team_id": "t2" }), 403),
            (json!({ "user_id": "u1" }), 403),
        ] {
            let (found, answer) = place.by(&boss, "POST", "/key/generate", wish.clone()).await;
            assert_eq!(found, status, "{wish}: {answer}");
        }
        let (_, list) =
            place.by(&boss, "GET", "/key/list?team_id=t1&return_full_object=true", Value::Null).await;
        assert_eq!(list["total_count"], 3, "{list}");
        let token = &list["keys"][0]["token"];
        assert_eq!(place.by(&boss, "POST", "/key/delete", json!({ "keys": [token] })).await.0, 200);
        assert_eq!(place.by(&boss, "POST", "/key/delete", json!({ "keys": [theirs] })).await.0, 403);
        let u1 = place.user("u1", "internal_user", json!({})).await;
        assert_eq!(place.by(&u1, "POST", "/key/generate", json!({ "team_id": "t1" })).await.0, 200);
        assert_eq!(
            place.by(&u1, "POST", "/key/generate", json!({ "team_id": "t1", "user_id": "boss" })).await.0,
            403
        );
        assert_eq!(place.by(&u1, "POST", "/key/generate", json!({ "team_id": "t2" })).await.0, 403);
    }
}
