//! What is said of deployments, and those that are kept in the database.

use crate::databases::{admin, both, call};
use crate::harness::{CHAT, Config, Gateway, chat, eventually, upstream, with};
use serde_json::{Value, json};
use sqlx::{Connection, Row};
use std::process::Command;

const CANARY: &str = "upstream-canary-5e7d";

fn kept(config: Config) -> Config {
    config.set("general_settings", json!({ "store_model_in_db": true }))
}

async fn asks(gateway: &Gateway, model: &str) -> u16 {
    gateway.post(CHAT, &with(chat(), json!({ "model": model }))).await.status()
}

/// The first seed's own lines, run by a shell: with jq where it is there.
#[tokio::test]
async fn the_seeds_lines_work_as_they_stand() {
    let simulator = upstream("").await;
    let prices = json!({ "input_cost_per_token": 0.000_001_078, "output_cost_per_token": 3.774e-6 });
    let config = Config::new()
        .target("one", "glm-5.1=glm", &simulator.base_url(), CANARY, prices.clone())
        .target("two", "glm-5.1=glm", &simulator.base_url(), CANARY, prices);
    let gateway = Gateway::start(&config).await;
    let info = admin(&gateway, "GET", "/model/info", Value::Null).await;
    assert_eq!(info["data"][0]["input_cost_per_token"], 0.000_001_078);
    assert_eq!(info["data"][0]["model_info"]["output_cost_per_token"], 3.774e-6);
    let lines = [
        (
            r#"curl -s http://localhost:4000/model/info -H "Authorization: Bearer $LITELLM_MASTER_KEY" | jq '[.data[].model_name] | length'"#,
            "2",
        ),
        (
            r#"curl -s http://localhost:4000/model/info -H "Authorization: Bearer $LITELLM_MASTER_KEY" | jq '.data[] | {model: .model_name, input_cost: .input_cost_per_token, output_cost: .output_cost_per_token}'"#,
            "glm-5.1",
        ),
    ];
    if Command::new("jq").arg("--version").output().is_err() {
        return eprintln!("jq is not there: the lines themselves are left out");
    }
    for (line, found) in lines {
        let line = line.replace("http://localhost:4000", &gateway.url());
        let ran =
            Command::new("sh").args(["-c", &line]).env("LITELLM_MASTER_KEY", &gateway.key).output().unwrap();
        let printed = String::from_utf8_lossy(&ran.stdout);
        assert!(printed.contains(found) && !printed.contains("null"), "{line}: {printed}");
    }
}

#[tokio::test]
async fn no_answer_shows_a_credential_and_a_key_sees_its_models_only() {
    let simulator = upstream("").await;
    let more = json!({ "rpm": 30, "tpm": 500, "extra_headers": { "x-own": CANARY }, "aws_secret_access_key": CANARY });
    let config = Config::new()
        .target("one", "a=m", &simulator.base_url(), CANARY, more.clone())
        .target("two", "a=m", &simulator.base_url(), CANARY, more)
        .deployment("b", "m", &simulator.base_url(), CANARY);
    let gateway = Gateway::start(&config).await;
    for path in ["/model/info", "/v1/model/info", "/v2/model/info", "/model_group/info"] {
        let text = call(&gateway, &gateway.key, "GET", path, Value::Null).await.text();
        assert!(!text.contains(CANARY) && text.contains("\"a\""), "{path}: {text}");
    }
    let one = admin(&gateway, "GET", "/model/info?litellm_model_id=one", Value::Null).await;
    assert_eq!(
        (one["data"].as_array().unwrap().len(), &one["data"][0]["model_info"]["db_model"]),
        (1, &json!(false))
    );
    assert_eq!(one["data"][0]["litellm_params"]["rpm"], 30);
    let group = admin(&gateway, "GET", "/model_group/info?model_group=a", Value::Null).await;
    assert_eq!((&group["data"][0]["rpm"], &group["data"][0]["providers"]), (&json!(60), &json!(["openai"])));
    let page = admin(&gateway, "GET", "/v2/model/info?page=2&size=2", Value::Null).await;
    assert_eq!((&page["total_count"], page["data"].as_array().unwrap().len()), (&json!(3), 1));
    let made = admin(&gateway, "POST", "/user/new", json!({ "models": ["b"] })).await;
    for path in ["/model/info", "/model_group/info"] {
        let seen = call(&gateway, made["key"].as_str().unwrap(), "GET", path, Value::Null).await.json();
        assert_eq!(seen["data"].as_array().unwrap().len(), 1, "{path}: {seen}");
    }
}

#[tokio::test]
async fn a_model_of_the_database_is_served_changed_and_removed_while_it_runs() {
    let (first, second) = (upstream("").await, upstream("").await);
    let config = kept(Config::new().target("in-file", "f=m", &first.base_url(), "k", json!({})));
    for database in both().await {
        let gateway = database.gateway(&config, &[]).await;
        let other = database.gateway(&config, &[]).await;
        let params = json!({ "model": "openai/m", "api_base": first.base_url(), "api_key": CANARY, "rpm": 9,
            "extra_headers": { "x-own": CANARY } });
        let new = json!({ "model_name": "g", "litellm_params": params, "model_info": { "id": "id-1" } });
        let made = call(&gateway, &gateway.key, "POST", "/model/new", new.clone()).await;
        assert_eq!(made.status(), 200, "{}", made.text());
        assert!(!made.text().contains(CANARY), "{}", made.text());
        assert_eq!(
            (&made.json()["model_id"], &made.json()["model_info"]["db_model"]),
            (&json!("id-1"), &json!(true))
        );
        assert_eq!(asks(&gateway, "g").await, 200, "at once in the process that was asked");
        let since = std::time::Instant::now();
        eventually("the other process serves it", async || (asks(&other, "g").await == 200).then_some(()))
            .await;
        assert!(since.elapsed() < std::time::Duration::from_secs(2), "{:?}", since.elapsed());
        assert_eq!(call(&gateway, &gateway.key, "POST", "/model/new", new).await.status(), 409);
        let info = admin(&other, "GET", "/model/info?litellm_model_id=id-1", Value::Null).await;
        assert_eq!(
            (&info["data"][0]["model_info"]["db_model"], &info["data"][0]["litellm_params"]["rpm"]),
            (&json!(true), &json!(9))
        );
        assert!(!info.to_string().contains(CANARY), "{info}");

        let moved = json!({ "litellm_params": { "api_base": second.base_url(), "rpm": null } });
        let moved = admin(&gateway, "PATCH", "/model/id-1/update", moved).await;
        assert_eq!(
            (&moved["litellm_params"]["api_base"], &moved["litellm_params"]["rpm"]),
            (&json!(second.base_url()), &Value::Null)
        );
        let renamed = json!({ "model_name": "h", "model_info": { "id": "id-1", "mode": "chat" } });
        admin(&gateway, "POST", "/model/update", renamed).await;
        assert_eq!((asks(&gateway, "h").await, asks(&gateway, "g").await), (200, 400));
        gateway.signal("HUP");
        eventually("the file is read again", async || {
            gateway.output().contains("configuration 5 is in use").then_some(())
        })
        .await;
        assert_eq!((asks(&gateway, "h").await, asks(&gateway, "f").await), (200, 200));

        for (id, words) in [("in-file", "configuration file"), ("no-such", "not found")] {
            let refused = call(&gateway, &gateway.key, "POST", "/model/delete", json!({ "id": id })).await;
            assert_eq!(refused.status(), 400);
            assert!(refused.text().contains(words), "{}", refused.text());
        }
        for bad in [
            json!({ "model": "openai/m", "api_key": "os.environ/LITELLM_MASTER_KEY" }),
            json!({ "model": "os.environ/HOME" }),
            json!({ "model": "openai/m", "api_base": "not a url", "api_key": CANARY }),
            json!({ "model": "openai/m", "api_key": format!("{CANARY}\n") , "api_base": first.base_url(), "extra_headers": { "a b": CANARY } }),
            json!({ "api_key": CANARY }),
        ] {
            let refused = call(
                &gateway,
                &gateway.key,
                "POST",
                "/model/new",
                json!({ "model_name": "x", "litellm_params": bad }),
            )
            .await;
            assert_eq!(refused.status(), 400, "{}", refused.text());
            assert!(!refused.text().contains(CANARY), "{}", refused.text());
        }
        let gone = admin(&gateway, "POST", "/model/delete", json!({ "id": "id-1" })).await;
        assert_eq!(gone["message"], "Model: id-1 deleted successfully");
        assert_eq!(asks(&gateway, "h").await, 400);
        assert!(!gateway.output().contains(CANARY) && !other.output().contains(CANARY));
    }
}

#[tokio::test]
async fn the_salt_is_changed_without_losing_a_credential() {
    let simulator = crate::harness::upstream_of(&[(CANARY, "")]).await;
    for database in both().await {
        let config = kept(Config::new());
        let gateway = database.gateway(&config, &[("LITELLM_SALT_KEY", "salt-one")]).await;
        let params = json!({ "model": "openai/m", "api_base": simulator.base_url(), "api_key": CANARY });
        admin(&gateway, "POST", "/model/new", json!({ "model_name": "g", "litellm_params": params })).await;
        drop(gateway);
        let both = [("LITELLM_SALT_KEY", "salt-two"), ("LITELLM_SALT_KEY_PREVIOUS", "salt-one")];
        let gateway = database.gateway(&config, &both).await;
        assert_eq!(asks(&gateway, "g").await, 200, "the old salt still reads");
        let rotated = admin(&gateway, "POST", "/tollgate/salt/rotate", Value::Null).await;
        assert_eq!(rotated, json!({ "models": 1, "credentials": 0, "unreadable": [] }));
        let again = admin(&gateway, "POST", "/tollgate/salt/rotate", Value::Null).await;
        assert_eq!(again["models"], 0, "once is enough");
        drop(gateway);
        let gateway = database.gateway(&config, &[("LITELLM_SALT_KEY", "salt-two")]).await;
        assert_eq!(asks(&gateway, "g").await, 200, "and is not needed any more");
        drop(gateway);
        let gateway = database.gateway(&config, &[("LITELLM_SALT_KEY", "salt-three")]).await;
        assert_eq!(asks(&gateway, "g").await, 400);
        assert!(gateway.output().contains("LITELLM_SALT_KEY_PREVIOUS"), "{}", gateway.output());
        let rotated = admin(&gateway, "POST", "/tollgate/salt/rotate", Value::Null).await;
        assert_eq!(rotated["unreadable"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_database_holds_no_credential_in_the_clear() {
    let simulator = upstream("").await;
    let gateway = Gateway::start(&kept(Config::new())).await;
    let params = json!({ "model": "openai/m", "api_base": simulator.base_url(), "api_key": CANARY,
        "own_thing": CANARY, "extra_headers": { "x": CANARY }, "extra_body": { "x": [CANARY] } });
    admin(&gateway, "POST", "/model/new", json!({ "model_name": "g", "litellm_params": params })).await;
    let file = gateway.folder().join(".local/share/tollgate/tollgate.db");
    let mut connection =
        sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let row =
        sqlx::query("SELECT CAST(doc AS TEXT) FROM tollgate_model").fetch_one(&mut connection).await.unwrap();
    let doc: String = row.get(0);
    assert!(doc.contains("openai/m") && doc.contains("tollgate:") && !doc.contains(CANARY), "{doc}");
}

#[tokio::test]
async fn without_the_setting_no_model_is_kept() {
    let gateway = Gateway::start(&Config::new()).await;
    let new = json!({ "model_name": "g", "litellm_params": { "model": "openai/m" } });
    for (path, body) in [("/model/new", new), ("/model/delete", json!({ "id": "x" }))] {
        let refused = call(&gateway, &gateway.key, "POST", path, body).await;
        assert_eq!(refused.status(), 400);
        assert!(refused.text().contains("store_model_in_db"), "{}", refused.text());
    }
}
