//! The calls that the seed documents show, as they stand, and the answers with every field in LiteLLM's order.

use super::places;
use crate::support::sha256;
use serde_json::{Value, json};

const GENERATED: &str = "key_alias duration models spend max_budget user_id team_id agent_id max_parallel_requests metadata \
    tpm_limit rpm_limit budget_duration budget_limits allowed_cache_controls config permissions model_max_budget \
    model_rpm_limit model_tpm_limit guardrails policies prompts blocked aliases object_permission key budget_id tags \
    enforced_params allowed_routes allowed_passthrough_routes allowed_vector_store_indexes rpm_limit_type tpm_limit_type \
    router_settings access_group_ids key_name expires token_id organization_id project_id litellm_budget_table token \
    created_by updated_by created_at updated_at";
const INFO: &str = "key_name key_alias soft_budget_cooldown spend expires models aliases config router_settings user_id \
    team_id agent_id project_id permissions max_parallel_requests metadata blocked tpm_limit rpm_limit max_budget \
    budget_duration budget_reset_at allowed_cache_controls allowed_routes policies access_group_ids model_spend \
    model_max_budget budget_id organization_id object_permission_id created_at created_by updated_at updated_by \
    last_active rotation_count auto_rotate rotation_interval last_rotation_at key_rotation_at budget_limits \
    litellm_budget_table litellm_organization_table litellm_project_table object_permission jwt_key_mappings";

fn fields(value: &Value) -> String {
    value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
}

fn sent(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn the_calls_of_seed_0_and_1_do_what_they_promise() {
    for place in places().await {
        for body in [
            r#"{"models": ["glm-5.1"], "max_budget": 1.0, "duration": "1d"}"#,
            r#"{"models": ["glm-5.1", "deepseek-v4-flash"], "max_budget": 10.0, "duration": "30d"}"#,
            r#"{"models": ["gpt-4", "gpt-3.5-turbo"], "user_id": "user@example.com", "max_budget": 100.00, "duration": "30d"}"#,
        ] {
            let (key, made) = place.key(sent(body)).await;
            assert!(key.starts_with("sk-") && key.len() == 25, "{made}");
            assert_eq!(fields(&made), GENERATED);
            assert_eq!(made["duration"], Value::Null);
            assert!(made["expires"].as_str().unwrap().ends_with('Z'), "{made}");
            assert_eq!(made["token"], sha256(key.as_bytes()));
            assert_eq!((&made["token_id"], &made["spend"]), (&made["token"], &json!(0.0)));
            assert_eq!(made["key_name"], format!("sk-...{}", &key[21..]));
            assert_eq!(made["created_by"], "default_user_id");
            assert_eq!(made["models"], sent(body)["models"]);
            assert_eq!(made["router_settings"].as_object().unwrap().len(), 13);
            assert_eq!(made["policies"], Value::Null);

            // `POST /key/info` with a body is what the seed asks, and what LiteLLM answers 405 to.
            let info = place.done("/key/info", json!({ "key": key })).await;
            assert_eq!(fields(&info), "key info");
            assert_eq!(fields(&info["info"]), INFO);
            assert_eq!(info["key"], key);
            assert!(info["info"]["expires"].as_str().unwrap().ends_with("+00:00"), "{info}");
            assert_eq!(info["info"]["max_budget"], sent(body)["max_budget"]);
            let by_hash = place.asked(&format!("/key/info?key={}", made["token"].as_str().unwrap())).await;
            assert_eq!((&by_hash["key"], &by_hash["info"]), (&made["token"], &info["info"]));
            assert_eq!(place.asked(&format!("/key/info?key={key}")).await, info);

            let changed = place.done("/key/update", json!({ "key": key, "max_budget": 50.0 })).await;
            assert_eq!((&changed["key"], &changed["max_budget"]), (&json!(key), &json!(50.0)));
            assert_eq!((&changed["token"], &changed["models"]), (&made["token"], &made["models"]));

            let deleted = place.done("/key/delete", json!({ "keys": [key] })).await;
            assert_eq!(deleted, json!({ "deleted_keys": [key] }));
            let missing = place.refused("/key/info", json!({ "key": key }), 404).await;
            assert_eq!(missing["error"]["type"], "not_found_error");
            assert_eq!(missing["error"]["message"], "Key not found in database");
            assert_eq!(
                (&missing["error"]["param"], &missing["error"]["code"]),
                (&json!("key"), &json!("404"))
            );
            assert_eq!(place.chat(&key).await, 401);
        }
    }
}
