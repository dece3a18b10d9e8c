//! What Prometheus is told: whose calls, how budgets and limits stand, what became of reloads; and no more than asked for.

use crate::harness::{CHAT, Config, Gateway, MODEL, chat, eventually, upstream, with};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

async fn made(gateway: &Gateway, path: &str, fields: Value) -> Value {
    let made = gateway.post(path, &fields).await;
    assert_eq!(made.status(), 200, "{path}: {}", made.text());
    made.json()
}

fn priced(base: &str) -> Config {
    let prices = json!({ "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6 });
    Config::new().target("only", MODEL, base, "sk-up", prices)
}

fn close(got: f64, wanted: f64) -> bool {
    (got - wanted).abs() < 1e-9
}

/// Waits until a metric has about this value: some are told only after a call is booked.
async fn about(gateway: &Gateway, name: &str, labels: &[(&str, &str)], value: f64) {
    eventually(&format!("{name}{labels:?} is about {value}"), async || {
        close(gateway.metric(name, labels).await, value).then_some(())
    })
    .await;
}

#[tokio::test]
async fn calls_are_put_down_to_key_team_user_and_organization_and_so_is_what_is_left_of_their_money() {
    let simulator = upstream("ok").await;
    let provider =
        json!({ "provider_budget_config": { "openai": { "budget_limit": 3, "time_period": "1d" } } });
    let gateway = Gateway::start(&priced(&simulator.base_url()).set("router_settings", provider)).await;
    made(&gateway, "/organization/new", json!({ "organization_id": "acme", "organization_alias": "acme" }))
        .await;
    let team = json!({ "team_id": "t1", "team_alias": "research", "organization_id": "acme", "max_budget": 2, "budget_duration": "1d" });
    made(&gateway, "/team/new", team).await;
    made(&gateway, "/user/new", json!({ "user_id": "ada", "max_budget": 5, "auto_create_key": false })).await;
    let key = json!({
        "key_alias": "robot", "team_id": "t1", "user_id": "ada", "max_budget": 1, "rpm_limit": 60,
        "model_rpm_limit": { MODEL: 9 }, "soft_budget": 1e-9,
    });
    let key = made(&gateway, "/key/generate", key).await;
    let hash = key["token"].as_str().unwrap();
    let mut spender = gateway;
    spender.key = key["key"].as_str().unwrap().to_owned();
    let answer = spender.post(CHAT, &chat()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let cost: f64 = answer.header("x-litellm-response-cost").unwrap().parse().unwrap();
    assert!(cost > 0.0);
    let whose = [
        ("hashed_api_key", hash),
        ("api_key_alias", "robot"),
        ("team", "t1"),
        ("team_alias", "research"),
        ("user", "ada"),
        ("org_id", "acme"),
    ];
    spender.metric_is("litellm_proxy_total_requests_metric_total", &whose, 1.0).await;
    spender.metric_is("litellm_requests_metric_total", &whose, 1.0).await;
    about(&spender, "litellm_spend_metric_total", &whose, cost).await;
    spender.metric_is("litellm_deployment_success_responses_total", &whose[..4], 1.0).await;
    spender.metric_is("litellm_deployment_latency_per_output_token_count", &whose[..4], 1.0).await;

    for (name, labels, max) in [
        ("litellm_remaining_api_key_budget_metric", &whose[..2], 1.0),
        ("litellm_remaining_team_budget_metric", &whose[2..4], 2.0),
        ("litellm_remaining_user_budget_metric", &whose[4..5], 5.0),
        ("litellm_provider_remaining_budget_metric", &[("api_provider", "openai")][..], 3.0),
    ] {
        // A user's money is not touched while a team pays, and is counted nevertheless.
        about(&spender, name, labels, max - cost).await;
    }
    spender.metric_is("litellm_remaining_org_budget_metric", &[("org_id", "acme")], f64::INFINITY).await;
    spender.metric_is("litellm_team_max_budget_metric", &whose[2..4], 2.0).await;
    eventually("the team's budget has hours left", async || {
        let hours = spender.metric("litellm_team_budget_remaining_hours_metric", &whose[2..4]).await;
        (hours > 0.0 && hours <= 24.0).then_some(())
    })
    .await;

    spender.metric_is("tollgate_soft_budgets_crossed_total", &[("scope", "key")], 1.0).await;
    let model = [("hashed_api_key", hash), ("model", MODEL)];
    let of_key = |kind| [("scope", "key"), ("id", hash), ("model", "None"), ("kind", kind)];
    spender.metric_is("tollgate_rate_limit", &of_key("requests"), 60.0).await;
    // A limit of speed is used for a minute only. Where that has passed another call begins the next one.
    eventually("what is used of the limits of speed", async || {
        let used = spender.metric("tollgate_rate_used", &of_key("requests")).await;
        let left = spender.metric("litellm_remaining_api_key_requests_for_model", &model).await;
        if used == 0.0 {
            assert_eq!(spender.post(CHAT, &chat()).await.status(), 200);
        }
        ((used, left) == (1.0, 8.0)).then_some(())
    })
    .await;
    spender.metric_is("litellm_teams_count", &[], 1.0).await;
}

#[tokio::test]
async fn reloads_are_counted_by_what_became_of_them() {
    let simulator = upstream("ok").await;
    let config = priced(&simulator.base_url());
    let gateway = Gateway::start(&config).await;
    let reloads = "tollgate_config_reloads_total";
    gateway.metric_is(reloads, &[("result", "success")], 0.0).await;
    gateway.signal("HUP");
    gateway.metric_is(reloads, &[("result", "success")], 1.0).await;
    assert!(gateway.metric("tollgate_config_last_reload_success_timestamp_seconds", &[]).await > 1e9);
    assert!(gateway.metric("tollgate_config_reload_seconds", &[]).await > 0.0);
    fs::write(gateway.config_file(), "router_settings: 7\n").unwrap();
    gateway.signal("HUP");
    gateway.metric_is(reloads, &[("result", "failure")], 1.0).await;
    assert_eq!(gateway.metric(reloads, &[("result", "success")]).await, 1.0);
}

#[tokio::test]
async fn only_what_is_selected_is_exposed() {
    let simulator = upstream("ok").await;
    let selected = json!({ "prometheus_metrics_config": [{
        "group": "few", "metrics": ["litellm_proxy_total_requests_metric"],
        "include_labels": ["requested_model", "status_code"],
    }] });
    let gateway = Gateway::start(&priced(&simulator.base_url()).set("litellm_settings", selected)).await;
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    let line = format!(
        "litellm_proxy_total_requests_metric_total{{requested_model=\"{MODEL}\",status_code=\"200\"}} 1\n"
    );
    let text = eventually("the call is counted", async || {
        let text = gateway.get("/metrics").await.text();
        text.contains(&line).then_some(text)
    })
    .await;
    assert!(!text.contains("litellm_spend_metric") && !text.contains("litellm_remaining"), "{text}");
    assert!(
        text.contains("tollgate_build_info") && text.contains("litellm_custom_tpot_seconds_bucket"),
        "{text}"
    );
}

#[tokio::test]
async fn calls_without_a_price_are_counted_and_end_users_named_if_that_is_asked_for() {
    let simulator = upstream("ok").await;
    let named = json!({ "enable_end_user_cost_tracking_prometheus_only": true });
    let config = Config::new().deployment(MODEL, MODEL, &simulator.base_url(), "sk-up");
    let gateway = Gateway::start(&config.set("litellm_settings", named)).await;
    assert_eq!(gateway.post(CHAT, &with(chat(), json!({ "user": "visitor" }))).await.status(), 200);
    gateway.metric_is("tollgate_unpriced_calls_total", &[], 1.0).await;
    let labels = [("end_user", "visitor"), ("user", "default_user_id")];
    gateway.metric_is("litellm_proxy_total_requests_metric_total", &labels, 1.0).await;
}

/// The names that are LiteLLM's and against Prometheus's taste.
const OF_LITELLM: [&str; 2] =
    ["_budget_remaining_hours_metric use base unit", "litellm_teams_count non-histogram"];

#[tokio::test]
async fn promtool_finds_nothing_wrong_but_names_of_litellm() {
    let simulator = upstream("ok").await;
    let gateway = Gateway::start(&priced(&simulator.base_url())).await;
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    let text = gateway.get("/metrics").await.text();
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let spawned = promtool.spawn();
    let Ok(mut child) = spawned else {
        return eprintln!("left out, for want of promtool: run tests/run needs");
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let faults: Vec<&str> =
        said.lines().filter(|line| !OF_LITELLM.iter().any(|known| line.contains(known))).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(said.contains("litellm_teams_count"), "promtool did not look: {said}");
}
