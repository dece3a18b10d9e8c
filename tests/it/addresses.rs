//! Who may come from where: the gateway's lists and a key's own, for calls of models and for all that wants a key.

use crate::harness::{CHAT, Config, Gateway, MODEL, chat, request, upstream};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

async fn gateway(simulator: &Simulator, general: Value, own: Value) -> Gateway {
    let config = Config::new()
        .deployment(MODEL, MODEL, &simulator.base_url(), "k")
        .set("general_settings", json!({ "use_x_forwarded_for": true }))
        .set("general_settings", general)
        .set("tollgate", own);
    Gateway::start(&config).await
}

/// The status of a call that a proxy passes on for that address.
async fn status(gateway: &Gateway, key: &str, address: &str, path: &str, body: Option<Value>) -> u16 {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", address)];
    let (method, body) = body.map_or(("GET", String::new()), |body| ("POST", body.to_string()));
    gateway.call(&request(method, path, &headers, body.as_bytes())).await.status()
}

#[tokio::test]
async fn the_gateways_lists_hold_for_every_route_that_wants_a_key() {
    let simulator = upstream("ok").await;
    let lists = [
        (json!({ "allowed_ips": ["10.0.0.1"] }), json!({})),
        (json!({ "allowed_ips": ["*"] }), json!({ "blocked_ips": ["10.0.0.2"] })),
    ];
    for (general, own) in lists {
        let gateway = gateway(&simulator, general, own).await;
        for (path, body) in [
            (CHAT, Some(chat())),
            ("/key/generate", Some(json!({}))),
            ("/user/list", None),
            ("/v1/models", None),
            ("/health", None),
        ] {
            let from =
                async |address: &str| status(&gateway, &gateway.key, address, path, body.clone()).await;
            assert_eq!((from("10.0.0.1").await, from("10.0.0.2").await), (200, 403), "{path}");
        }
        // Probes and scrapes come from elsewhere.
        for path in ["/health/liveliness", "/metrics"] {
            assert_eq!(status(&gateway, &gateway.key, "10.0.0.2", path, None).await, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_key_that_belongs_to_an_address_is_of_no_use_elsewhere() {
    let simulator = upstream("ok").await;
    let gateway = gateway(&simulator, json!({}), json!({})).await;
    let user = json!({ "user_id": "root", "user_role": "proxy_admin", "auto_create_key": false });
    assert_eq!(gateway.post("/user/new", &user).await.status(), 200);
    let fields = json!({ "user_id": "root", "metadata": { "allowed_ips": ["10.0.0.1"] } });
    let key = gateway.post("/key/generate", &fields).await.json()["key"].as_str().unwrap().to_owned();
    for (path, body) in
        [(CHAT, Some(chat())), ("/key/generate", Some(json!({}))), ("/key/info", None), ("/v1/models", None)]
    {
        let from = async |address: &str| status(&gateway, &key, address, path, body.clone()).await;
        assert_eq!((from("10.0.0.1").await, from("10.0.0.2").await), (200, 403), "{path}");
    }
}
