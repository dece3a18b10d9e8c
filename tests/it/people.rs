//! Users, teams, customers, budgets and organizations, as LiteLLM's clients manage them.

use crate::databases::{admin, both, call};
use crate::harness::{CHAT, Config, Gateway, chat, upstream};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

async fn config() -> (Simulator, Config) {
    let simulator = upstream("").await;
    let config = Config::new().deployment("m", "m", &simulator.base_url(), "upstream-key");
    (simulator, config)
}

async fn status(gateway: &Gateway, key: &str, method: &str, path: &str, body: Value) -> u16 {
    call(gateway, key, method, path, body).await.status()
}

/// A user with a key of its own.
async fn user(gateway: &Gateway, id: &str, role: &str) -> String {
    let made = admin(gateway, "POST", "/user/new", json!({ "user_id": id, "user_role": role })).await;
    made["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_is_made_with_a_key_and_goes_with_it() {
    let (_upstream, config) = config().await;
    for database in both().await {
        let gateway = database.gateway(&config, &[]).await;
        let said = json!({ "user_id": "u1", "user_email": "u1@example.org", "user_role": "internal_user",
            "max_budget": "10", "budget_duration": "30d", "tpm_limit": 100_000, "models": ["m"],
            "metadata": {"a": 1}, "duration": "1d", "key_alias": "first", "unknown_field": [] });
        let made = admin(&gateway, "POST", "/user/new", said.clone()).await;
        let key = made["key"].as_str().unwrap();
        assert!(key.starts_with("sk-") && key.len() == 25, "{key}");
        assert_eq!(made["key_name"], format!("sk-...{}", &key[21..]));
        for (name, value) in [
            ("user_id", json!("u1")),
            ("max_budget", json!(10.0)),
            ("token", Value::Null),
            ("created_by", Value::Null),
            ("user_role", json!("internal_user")),
            ("spend", json!(0.0)),
            ("key_alias", json!("first")),
            ("duration", Value::Null),
        ] {
            assert_eq!(made[name], value, "{name}: {made}");
        }
        assert!(made["expires"].as_str().unwrap().ends_with('Z'), "{made}");
        assert_eq!(status(&gateway, key, "POST", CHAT, chat()).await, 200);
        let again = call(&gateway, &gateway.key, "POST", "/user/new", said).await;
        assert_eq!(again.status(), 400);
        assert_eq!(
            again.json()["error"]["message"],
            "{'error': 'User with email u1@example.org already exists'}"
        );
        let again = call(&gateway, &gateway.key, "POST", "/user/new", json!({ "user_id": "u1" })).await;
        assert_eq!(again.status(), 409);
        assert_eq!(again.json()["error"]["message"], "{'error': 'User with id u1 already exists'}");
        let unlucky = json!({ "user_id": "u2", "key_alias": "first" });
        assert_eq!(status(&gateway, &gateway.key, "POST", "/user/new", unlucky).await, 400);
        let right = json!({ "user_id": "u2", "key_alias": "second" });
        assert_eq!(admin(&gateway, "POST", "/user/new", right).await["key_alias"], "second");
        let keyless = json!({ "auto_create_key": false });
        assert_eq!(admin(&gateway, "POST", "/user/new", keyless).await["key"], "");

        let info = admin(&gateway, "GET", "/user/info?user_id=u1", Value::Null).await;
        assert_eq!(info["user_info"]["user_email"], "u1@example.org");
        assert!(info["user_info"]["budget_reset_at"].as_str().unwrap().ends_with("-01T00:00:00.000000Z"));
        assert_eq!(info["keys"].as_array().unwrap().len(), 1);
        assert_eq!(info["keys"][0]["token"].as_str().unwrap().len(), 64);
        assert!(!info.to_string().contains(key), "the key is shown once");
        assert_eq!(admin(&gateway, "GET", "/v2/user/info?user_id=u1", Value::Null).await["user_id"], "u1");
        assert_eq!(
            call(&gateway, &gateway.key, "GET", "/user/info?user_id=no", Value::Null).await.status(),
            404
        );

        let list = admin(&gateway, "GET", "/user/list?page_size=1&user_email=U1%40EX", Value::Null).await;
        assert_eq!((&list["total"], &list["total_pages"]), (&json!(1), &json!(1)), "{list}");
        assert_eq!(list["users"][0]["key_count"], 1);
        let changed = json!({ "user_id": "u1", "max_budget": null, "user_alias": "Ünï 100%", "spend": 1.5 });
        let changed = admin(&gateway, "POST", "/user/update", changed).await;
        assert_eq!((&changed["data"]["max_budget"], &changed["data"]["spend"]), (&Value::Null, &json!(1.5)));
        let bulk = json!({ "users": [{ "user_id": "u1", "tpm_limit": 7 }, { "user_id": "no" }, { "user_id": "u1", "tpm_limit": "x" }] });
        let bulk = admin(&gateway, "POST", "/user/bulk_update", bulk).await;
        assert_eq!((&bulk["successful_updates"], &bulk["failed_updates"]), (&json!(1), &json!(2)), "{bulk}");
        assert!(
            admin(&gateway, "GET", "/user/available_roles", Value::Null).await["proxy_admin"].is_object()
        );

        assert_eq!(admin(&gateway, "POST", "/user/delete", json!({ "user_ids": ["u1"] })).await, 1);
        assert_eq!(status(&gateway, key, "POST", CHAT, chat()).await, 401);
    }
}

#[tokio::test]
async fn what_has_the_wrong_form_is_refused_with_its_name() {
    let (_upstream, config) = config().await;
    for database in both().await {
        let gateway = database.gateway(&config, &[]).await;
        for (path, body, name, kind) in [
            ("/user/new", json!({ "max_budget": "abc" }), "max_budget", "float_parsing"),
            ("/user/new", json!({ "user_role": "king" }), "user_role", "literal_error"),
            ("/user/delete", json!({}), "user_ids", "missing"),
            ("/team/new", json!({ "models": "m" }), "models", "list_type"),
            ("/team/member_add", json!({ "team_id": "t" }), "member", "missing"),
            ("/customer/new", json!({}), "user_id", "missing"),
            ("/budget/new", json!({ "rpm_limit": 1.5 }), "rpm_limit", "int_from_float"),
            ("/model/new", json!({ "model_name": "x" }), "litellm_params", "missing"),
        ] {
            let response = call(&gateway, &gateway.key, "POST", path, body).await;
            assert_eq!(response.status(), 422, "{path}: {}", response.text());
            let detail = &response.json()["detail"][0];
            assert_eq!((&detail["loc"], &detail["type"]), (&json!(["body", name]), &json!(kind)), "{path}");
        }
        for (path, body) in [
            ("/user/new", json!({ "max_budget": -5 })),
            ("/user/new", json!({ "budget_duration": "abc" })),
            ("/user/new", json!({ "user_id": "a\u{0}b" })),
            ("/user/new", json!({ "metadata": { "x": ["\u{0}"] } })),
            ("/user/new", json!({ "user_id": "u\nt" })),
            ("/user/new", json!({ "user_id": "x".repeat(4000) })),
            ("/customer/new", json!({ "user_id": "c\u{0}" })),
            ("/budget/new", json!({ "max_budget": 1e12 })),
            ("/team/new", json!({ "team_alias": "\u{0}" })),
        ] {
            let response = call(&gateway, &gateway.key, "POST", path, body.clone()).await;
            assert_eq!(response.status(), 400, "{path} {body}: {}", response.text());
        }
        assert_eq!(status(&gateway, &gateway.key, "GET", "/user/info?user_id=%00", Value::Null).await, 400);
        for odd in ["';DROP TABLE tollgate_user;--", "%", "_", "\u{202e}ü", "a\\b\"c"] {
            admin(
                &gateway,
                "POST",
                "/user/new",
                json!({ "user_id": odd, "user_alias": odd, "auto_create_key": false }),
            )
            .await;
            let found =
                admin(&gateway, "GET", &format!("/user/info?user_id={}", encoded(odd)), Value::Null).await;
            assert_eq!(found["user_info"]["user_alias"], odd);
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn a_team_has_members_with_limits_and_can_be_switched_off() {
    let (_upstream, config) = config().await;
    for database in both().await {
        let gateway = database.gateway(&config, &[]).await;
        let said = json!({ "team_alias": "red", "team_id": "t1", "max_budget": 50, "rpm_limit": 1000, "models": ["m"],
            "team_member_budget": 5, "team_member_rpm_limit": 10, "model_rpm_limit": {"m": 9}, "tags": ["x"],
            "metadata": {"team_member_budget_id": "forged"} });
        let team = admin(&gateway, "POST", "/team/new", said.clone()).await;
        assert_eq!(team["members_with_roles"][0]["user_id"], "default_user_id");
        assert_eq!(
            (&team["metadata"]["model_rpm_limit"]["m"], &team["metadata"]["tags"]),
            (&json!(9), &json!(["x"]))
        );
        assert_ne!(team["metadata"]["team_member_budget_id"], "forged");
        assert_eq!(status(&gateway, &gateway.key, "POST", "/team/new", said).await, 400);
        let key = user(&gateway, "u1", "internal_user").await;
        let add = json!({ "team_id": "t1", "member": [{ "role": "user", "user_id": "u1" }, { "user_email": "new@example.org" }], "max_budget_in_team": 2 });
        let added = admin(&gateway, "POST", "/team/member_add", add).await;
        assert_eq!(added["updated_users"].as_array().unwrap().len(), 2);
        assert_eq!(added["updated_team_memberships"][0]["litellm_budget_table"]["max_budget"], 2.0);
        let info = admin(&gateway, "GET", "/team/info?team_id=t1", Value::Null).await;
        assert_eq!(info["team_info"]["team_member_budget_table"]["max_budget"], 5.0);
        assert_eq!(info["team_info"]["members_with_roles"].as_array().unwrap().len(), 3);
        assert_eq!(info["team_memberships"].as_array().unwrap().len(), 2);
        let change = json!({ "team_id": "t1", "user_id": "u1", "max_budget_in_team": 3, "role": "admin" });
        admin(&gateway, "POST", "/team/member_update", change).await;
        let info = admin(&gateway, "GET", "/team/info?team_id=t1", Value::Null).await;
        let own =
            info["team_memberships"].as_array().unwrap().iter().find(|own| own["user_id"] == "u1").unwrap();
        assert_eq!(own["litellm_budget_table"]["max_budget"], 3.0);
        let own = call(&gateway, &key, "GET", "/user/info", Value::Null).await.json();
        assert_eq!(own["teams"][0]["team_alias"], "red", "{own}");

        let updated = json!({ "team_id": "t1", "max_budget": null, "team_member_budget": 6 });
        let updated = admin(&gateway, "POST", "/team/update", updated).await;
        assert_eq!(
            (&updated["data"]["max_budget"], &updated["data"]["rpm_limit"]),
            (&Value::Null, &json!(1000))
        );
        assert_eq!(updated["data"]["metadata"]["tags"], json!(["x"]), "what is not said stays");
        let models = json!({ "team_id": "t1", "models": ["m"] });
        let left = admin(&gateway, "POST", "/team/model/delete", models.clone()).await;
        assert_eq!(left["models"], json!(["no-default-models"]), "none is not all");
        assert_eq!(admin(&gateway, "POST", "/team/model/add", models).await["models"], json!(["m"]));
        for (path, blocked) in [("/team/block", true), ("/team/unblock", false)] {
            assert_eq!(admin(&gateway, "POST", path, json!({ "team_id": "t1" })).await["blocked"], blocked);
        }
        assert_eq!(admin(&gateway, "GET", "/team/list", Value::Null).await[0]["team_id"], "t1");
        let page = admin(&gateway, "GET", "/v2/team/list?user_id=u1", Value::Null).await;
        assert_eq!((&page["total"], &page["page_size"]), (&json!(1), &json!(10)));
        assert_eq!(admin(&gateway, "GET", "/team/available", Value::Null).await, json!([]));
        let removed =
            admin(&gateway, "POST", "/team/member_delete", json!({ "team_id": "t1", "user_id": "u1" })).await;
        assert_eq!(removed["members_with_roles"].as_array().unwrap().len(), 2);
        let none = call(&gateway, &gateway.key, "GET", "/team/info?team_id=nope", Value::Null).await;
        assert_eq!((none.status(), &none.json()["error"]["type"]), (404, &json!("auth_error")));
        assert_eq!(none.json()["error"]["message"], "{'message': 'Team not found, passed team id: nope.'}");
        assert_eq!(admin(&gateway, "POST", "/team/delete", json!({ "team_ids": ["t1"] })).await, 1);
        assert_eq!(
            admin(&gateway, "GET", "/budget/list", Value::Null).await,
            json!([]),
            "its budgets went with it"
        );
    }
}

#[tokio::test]
async fn customers_budgets_and_organizations_are_kept() {
    let (_upstream, config) = config().await;
    for database in both().await {
        let gateway = database.gateway(&config, &[]).await;
        let budget = json!({ "budget_id": "b1", "max_budget": 7.5, "budget_duration": "1d", "rpm_limit": 3 });
        let budget = admin(&gateway, "POST", "/budget/new", budget).await;
        assert!(budget["budget_reset_at"].is_string(), "{budget}");
        let made =
            admin(&gateway, "POST", "/customer/new", json!({ "user_id": "c1", "budget_id": "b1" })).await;
        assert_eq!(
            (&made["litellm_budget_table"]["max_budget"], &made["blocked"]),
            (&json!(7.5), &json!(false))
        );
        let own = json!({ "user_id": "c2", "max_budget": 1, "budget_duration": "1h", "alias": "two" });
        let own = admin(&gateway, "POST", "/end_user/new", own).await;
        let reset: String = own["litellm_budget_table"]["budget_reset_at"].as_str().unwrap().to_owned();
        assert!(!reset.ends_with(":00:00.000000Z"), "not aligned: {reset}");
        let changed =
            admin(&gateway, "POST", "/customer/update", json!({ "user_id": "c1", "max_budget": 9 })).await;
        assert_eq!(
            (&changed["litellm_budget_table"]["max_budget"], &changed["litellm_budget_table"]["rpm_limit"]),
            (&json!(9.0), &json!(3))
        );
        let shared = admin(&gateway, "POST", "/budget/info", json!({ "budgets": ["b1"] })).await;
        assert_eq!(shared[0]["max_budget"], 7.5, "what others share stays as it is");
        admin(&gateway, "POST", "/customer/update", json!({ "user_id": "c1", "budget_id": "b1" })).await;
        let used = call(&gateway, &gateway.key, "POST", "/budget/delete", json!({ "id": "b1" })).await;
        assert_eq!(used.status(), 400, "{}", used.text());
        for (path, blocked) in [("/customer/block", true), ("/end_user/unblock", false)] {
            admin(&gateway, "POST", path, json!({ "user_ids": ["c1"] })).await;
            let info = admin(&gateway, "GET", "/customer/info?end_user_id=c1", Value::Null).await;
            assert_eq!(info["blocked"], blocked);
        }
        assert_eq!(admin(&gateway, "GET", "/customer/list", Value::Null).await.as_array().unwrap().len(), 2);
        admin(&gateway, "POST", "/customer/delete", json!({ "user_ids": ["c1", "c2"] })).await;
        let settings = admin(&gateway, "GET", "/budget/settings?budget_id=b1", Value::Null).await;
        assert!(settings.as_array().unwrap().iter().any(|field| field["field_value"] == 7.5), "{settings}");
        let updated =
            admin(&gateway, "POST", "/budget/update", json!({ "budget_id": "b1", "max_budget": 8 })).await;
        assert_eq!(updated["max_budget"], 8.0);

        let made = json!({ "organization_alias": "acme", "organization_id": "o1", "max_budget": 3 });
        let made = admin(&gateway, "POST", "/organization/new", made).await;
        assert_eq!(made["litellm_budget_table"]["max_budget"], 3.0);
        let member =
            json!({ "organization_id": "o1", "member": { "role": "internal_user", "user_id": "u9" } });
        admin(&gateway, "POST", "/organization/member_add", member).await;
        let patched = json!({ "organization_id": "o1", "organization_alias": "new" });
        assert_eq!(
            admin(&gateway, "PATCH", "/organization/update", patched).await["organization_alias"],
            "new"
        );
        admin(&gateway, "POST", "/team/new", json!({ "team_id": "t", "organization_id": "o1" })).await;
        let info = admin(&gateway, "GET", "/organization/info?organization_id=o1", Value::Null).await;
        assert_eq!(
            (&info["teams"][0]["team_id"], &info["members"][0]["user_id"]),
            (&json!("t"), &json!("u9"))
        );
        let gone = json!({ "organization_ids": ["o1"] });
        assert_eq!(status(&gateway, &gateway.key, "DELETE", "/organization/delete", gone.clone()).await, 400);
        admin(&gateway, "POST", "/team/delete", json!({ "team_ids": ["t"] })).await;
        admin(&gateway, "DELETE", "/organization/delete", gone).await;
        assert_eq!(admin(&gateway, "GET", "/organization/list", Value::Null).await, json!([]));
        assert_eq!(admin(&gateway, "POST", "/budget/delete", json!({ "id": "b1" })).await["budget_id"], "b1");
    }
}

/// Two tenants that know each other's ids, a viewer and a key of nobody.
#[tokio::test]
async fn nobody_sees_or_changes_what_is_anothers() {
    let (_upstream, config) = config().await;
    for database in both().await {
        let gateway = database.gateway(&config, &[]).await;
        let (mine, theirs) =
            (user(&gateway, "mine", "internal_user").await, user(&gateway, "theirs", "internal_user").await);
        let viewer = user(&gateway, "viewer", "proxy_admin_viewer").await;
        let watcher = user(&gateway, "watcher", "internal_user_viewer").await;
        for (team, admin_of) in [("team-a", "mine"), ("team-b", "theirs")] {
            let members = json!([{ "role": "admin", "user_id": admin_of }]);
            admin(
                &gateway,
                "POST",
                "/team/new",
                json!({ "team_id": team, "team_alias": "canary", "members_with_roles": members }),
            )
            .await;
        }
        admin(
            &gateway,
            "POST",
            "/organization/new",
            json!({ "organization_id": "org", "organization_alias": "canary" }),
        )
        .await;
        admin(&gateway, "POST", "/customer/new", json!({ "user_id": "cust", "alias": "canary" })).await;
        admin(&gateway, "POST", "/budget/new", json!({ "budget_id": "bud", "max_budget": 1 })).await;
        for (method, path, body) in [
            ("GET", "/user/info?user_id=theirs", Value::Null),
            ("GET", "/user/info?user_id=no-such-user", Value::Null),
            ("GET", "/v2/user/info?user_id=theirs", Value::Null),
            ("GET", "/user/list", Value::Null),
            ("POST", "/user/new", json!({ "user_role": "proxy_admin" })),
            ("POST", "/user/update", json!({ "user_id": "theirs", "user_alias": "x" })),
            ("POST", "/user/update", json!({ "user_id": "mine", "user_role": "proxy_admin" })),
            ("POST", "/user/update", json!({ "user_id": "mine", "max_budget": null })),
            ("POST", "/user/delete", json!({ "user_ids": ["theirs"] })),
            (
                "POST",
                "/user/bulk_update",
                json!({ "users": [{ "user_id": "mine", "user_role": "proxy_admin" }] }),
            ),
            ("POST", "/team/new", json!({})),
            ("GET", "/team/info?team_id=team-b", Value::Null),
            ("GET", "/team/info?team_id=no-such-team", Value::Null),
            ("GET", "/team/list?user_id=theirs", Value::Null),
            ("GET", "/v2/team/list?user_id=theirs", Value::Null),
            ("POST", "/team/update", json!({ "team_id": "team-b", "team_alias": "x" })),
            ("POST", "/team/update", json!({ "team_id": "team-a", "max_budget": 1000 })),
            ("POST", "/team/update", json!({ "team_id": "team-a", "models": [] })),
            ("POST", "/team/update", json!({ "team_id": "team-a", "metadata": {} })),
            ("POST", "/team/update", json!({ "team_id": "team-a", "spend": 0 })),
            ("POST", "/team/delete", json!({ "team_ids": ["team-b"] })),
            ("POST", "/team/block", json!({ "team_id": "team-b" })),
            ("POST", "/team/unblock", json!({ "team_id": "team-a" })),
            (
                "POST",
                "/team/member_add",
                json!({ "team_id": "team-b", "member": { "role": "admin", "user_id": "mine" } }),
            ),
            ("POST", "/team/member_delete", json!({ "team_id": "team-b", "user_id": "theirs" })),
            (
                "POST",
                "/team/member_update",
                json!({ "team_id": "team-b", "user_id": "theirs", "role": "user" }),
            ),
            ("POST", "/team/model/add", json!({ "team_id": "team-a", "models": ["x"] })),
            ("POST", "/customer/update", json!({ "user_id": "cust" })),
            ("GET", "/customer/info?end_user_id=cust", Value::Null),
            ("GET", "/end_user/list", Value::Null),
            ("GET", "/budget/list", Value::Null),
            ("POST", "/budget/info", json!({ "budgets": ["bud"] })),
            ("POST", "/budget/update", json!({ "budget_id": "bud", "max_budget": 9 })),
            ("GET", "/organization/info?organization_id=org", Value::Null),
            ("PATCH", "/organization/update", json!({ "organization_id": "org" })),
            ("POST", "/model/new", json!({ "model_name": "x", "litellm_params": {} })),
            ("POST", "/model/delete", json!({ "id": "x" })),
            ("POST", "/tollgate/salt/rotate", Value::Null),
        ] {
            for key in [&mine, &watcher] {
                let response = call(&gateway, key, method, path, body.clone()).await;
                assert!(
                    [401, 403].contains(&response.status()),
                    "{method} {path} {body}: {} {}",
                    response.status(),
                    response.text()
                );
                assert!(!response.text().contains("canary"), "{method} {path}: {}", response.text());
            }
            if method != "GET" && path != "/budget/info" {
                assert_eq!(
                    status(&gateway, &viewer, method, path, body).await,
                    401,
                    "{method} {path} by a viewer"
                );
            }
        }
        for path in [
            "/user/info?user_id=theirs",
            "/user/list",
            "/team/info?team_id=team-b",
            "/customer/list",
            "/budget/list",
        ] {
            assert_eq!(status(&gateway, &viewer, "GET", path, Value::Null).await, 200, "{path}");
        }
        // What is their own, they may.
        assert_eq!(
            status(&gateway, &mine, "POST", "/user/update", json!({ "user_id": "mine", "user_alias": "me" }))
                .await,
            200
        );
        assert_eq!(status(&gateway, &mine, "GET", "/team/info?team_id=team-a", Value::Null).await, 200);
        let added = json!({ "team_id": "team-a", "member": { "role": "user", "user_id": "theirs" } });
        let added = call(&gateway, &mine, "POST", "/team/member_add", added).await;
        assert_eq!(added.json()["updated_users"], json!([{ "user_id": "theirs" }]), "no more of a stranger");
        let list = call(&gateway, &theirs, "GET", "/team/list", Value::Null).await.json();
        assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
        let info = call(&gateway, &theirs, "GET", "/team/info?team_id=team-a", Value::Null).await;
        assert_eq!((info.status(), &info.json()["keys"]), (200, &json!([])));
        assert_eq!(
            status(
                &gateway,
                &theirs,
                "POST",
                "/team/update",
                json!({ "team_id": "team-a", "team_alias": "x" })
            )
            .await,
            403
        );
        assert_eq!(call(&gateway, &mine, "GET", "/organization/list", Value::Null).await.json(), json!([]));
        admin(
            &gateway,
            "POST",
            "/user/update",
            json!({ "user_id": "mine", "user_role": "internal_user_viewer" }),
        )
        .await;
        assert!(
            [401, 403].contains(
                &status(
                    &gateway,
                    &mine,
                    "POST",
                    "/team/update",
                    json!({ "team_id": "team-a", "team_alias": "x" })
                )
                .await
            )
        );
    }
}
