//! SQL, LIKE, JSON and Unicode where texts are expected; digests where keys are.

use super::places;
use crate::support::{everything, sha256};
use serde_json::{Value, json};

const TRICKS: [&str; 14] = [
    "'; DROP TABLE tollgate_key; --",
    "\" OR \"\"=\"",
    "' OR '1'='1",
    "%",
    "_",
    "%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%",
    "!%!_!!",
    "\\",
    "$1",
    "{\"$ne\": null}",
    "ｓｋ－ｋｅｙ\u{202e}\u{200b}",
    "İıſK\u{0301}😀",
    "../../etc/passwd",
    "<script>alert(1)</script>",
];
const TEXTS: [&str; 8] = [
    "key_alias",
    "user_id",
    "team_id",
    "organization_id",
    "agent_id",
    "project_id",
    "budget_id",
    "rotation_interval",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn texts_are_kept_as_they_are_and_find_only_themselves() {
    for place in places().await {
        place
            .key(json!({ "key_alias": "bystander", "user_id": "u", "team_id": "t", "organization_id": "o" }))
            .await;
        for trick in TRICKS {
            let fields: Value = TEXTS[..7].iter().map(|name| ((*name).to_owned(), json!(trick))).collect();
            let mut fields = fields;
            fields["metadata"] = json!({ trick: trick });
            fields["models"] = json!([trick]);
            fields["aliases"] = json!({ trick: trick });
            let (key, made) = place.key(fields).await;
            for name in &TEXTS[..7] {
                if *name != "agent_id" && *name != "project_id" {
                    assert_eq!(made[*name], trick, "{name}");
                }
            }
            let info = place.asked(&format!("/key/info?key={key}")).await;
            assert_eq!(
                (&info["info"]["key_alias"], &info["info"]["metadata"]),
                (&json!(trick), &json!({ trick: trick }))
            );
            for name in ["key_alias", "user_id", "team_id", "organization_id"] {
                let found = place.asked(&format!("/key/list?{name}={}", encoded(trick))).await;
                assert_eq!(found["keys"], json!([made["token"]]), "{name}={trick}");
            }
            let found = place.asked(&format!("/key/aliases?search={}", encoded(trick))).await;
            let names = found["aliases"].as_array().unwrap();
            assert!(
                names.iter().all(|name| name.as_str().unwrap().contains(trick.chars().next().unwrap())),
                "{found}"
            );
            assert!(names.iter().any(|name| name == trick) || !trick.is_ascii(), "{trick}: {found}");
            for path in ["/key/block", "/key/update", "/key/regenerate", "/key/info"] {
                place.refused(path, json!({ "key": trick }), 404).await;
            }
            place.refused("/key/delete", json!({ "keys": [trick] }), 404).await;
            assert_eq!(place.gate.get(&format!("/key/info?key={}", encoded(trick))).await.status(), 404);
            let path = format!("/key/{}/regenerate", encoded(trick));
            assert_eq!(place.gate.post(&path, &json!({})).await.status(), 404, "{path}");
            place.done("/key/delete", json!({ "key_aliases": [trick] })).await;
        }
        assert_eq!(place.asked("/key/list").await["total_count"], 1);
    }
}

#[tokio::test]
async fn a_nul_and_what_no_index_holds_are_refused() {
    for place in places().await {
        let (key, _) = place.key(json!({})).await;
        for name in TEXTS {
            place.refused("/key/generate", json!({ name: "a\0b" }), 400).await;
            place.refused("/key/update", json!({ "key": key, name: "a\0b" }), 400).await;
        }
        for body in [
            json!({ "metadata": { "a": ["\0"] } }),
            json!({ "metadata": { "\0": 1 } }),
            json!({ "models": ["\0"] }),
            json!({ "aliases": { "a": "\0" } }),
            json!({ "config": { "a": { "b": "\0" } } }),
            json!({ "key": "sk-a\0b" }),
            json!({ "key_alias": "x".repeat(5_000) }),
            json!({ "user_id": "x".repeat(100_000) }),
        ] {
            place.refused("/key/generate", body, 400).await;
        }
        for name in ["key_alias", "user_id", "team_id", "organization_id"] {
            assert_eq!(place.gate.get(&format!("/key/list?{name}=%00")).await.status(), 400, "{name}");
        }
        assert_eq!(place.gate.get("/key/aliases?search=%00").await.status(), 400);
        for path in ["/key/info?key=%00", "/key/info?key=%FF", "/key/list?key_hash=%00"] {
            assert!([400, 404, 422].contains(&place.gate.get(path).await.status()), "{path}");
        }
        for body in [&b"{"[..], b"[]", b"\"x\"", b"null", b"{\"key_alias\":\"\\ud800\"}", b"\xff\xfe", b""] {
            let reply = place.gate.call(&crate::support::post("/key/generate", body)).await;
            assert!([400, 422].contains(&reply.status()), "{body:?}: {}", reply.text());
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500));
        let reply = place.gate.call(&crate::support::post("/key/generate", deep.as_bytes())).await;
        assert_eq!(reply.status(), 400);
        assert_eq!(place.asked("/key/list").await["total_count"], 1);
        assert!(!place.gate.output().contains("the database refused"), "{}", place.gate.output());
    }
}

#[tokio::test]
async fn a_stored_digest_is_not_a_key_and_no_key_is_printed() {
    for place in places().await {
        let admin = place.user("boss", "proxy_admin", json!({})).await;
        let digest = sha256(admin.as_bytes());
        for tried in
            [digest.clone(), format!("sk-{digest}"), digest.to_uppercase(), sha256(digest.as_bytes())]
        {
            assert_eq!(place.chat(&tried).await, 401);
            for (method, path) in [("GET", "/key/info"), ("GET", "/key/list"), ("POST", "/key/generate")] {
                let (status, refused) = place.by(&tried, method, path, json!({})).await;
                assert_eq!(status, 401, "{method} {path}: {refused}");
            }
        }
        assert_eq!(place.by(&admin, "GET", "/key/list", Value::Null).await.0, 200);
        let path = format!("/key/{admin}/reset_spend");
        place.refused(&path, json!({ "reset_to": 1 }), 400).await;
        place.refused("/key/update", json!({ "key": admin, "max_budget": -1 }), 400).await;
        let viewer = place.user("viewer", "internal_user_viewer", json!({})).await;
        let (_, refused) = place.by(&viewer, "POST", &format!("/key/{admin}/regenerate"), json!({})).await;
        assert!(!refused.to_string().contains(&admin), "{refused}");
        let list = place.gate.get("/key/list?return_full_object=true").await;
        let log =
            std::fs::read_to_string(place.gate.folder().join(crate::harness::ACCESS_LOG)).unwrap_or_default();
        for (what, text) in
            [("the list", everything(&list)), ("its output", place.gate.output()), ("the log", log)]
        {
            assert!(!text.contains(&admin) && !text.contains(&viewer), "{what} holds a key");
        }
    }
}
