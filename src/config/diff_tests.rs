use super::*;
use crate::config::{Env, Overrides, parse_and_compile};

const BASE: &str = "model_list:
  - {model_name: a, litellm_params: {model: openai/x, api_base: 'http://u/v1', api_key: os.environ/KEY}}
  - {model_name: b, litellm_params: {model: openai/y, api_base: 'http://u/v1', api_key: canary-b, rpm: 3}, model_info: {id: fixed}}
router_settings: {num_retries: 2, routing_strategy: simple-shuffle}
general_settings: {master_key: canary-master-key}
";

fn config(text: &str, vars: &[(&str, &str)]) -> Config {
    parse_and_compile(text, &Env::of(vars), &Overrides::default()).unwrap().config
}

fn plan(text: &str, vars: &[(&str, &str)]) -> Plan {
    diff(&config(BASE, &[("KEY", "canary-1")]), &config(text, vars))
}

const SAME: &[(&str, &str)] = &[("KEY", "canary-1")];

#[test]
fn the_same_file_changes_nothing() {
    let plan = plan(BASE, SAME);
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(plan.summary(), "nothing changed");
}

#[test]
fn a_rotated_key_is_a_changed_credential_and_is_not_shown() {
    let rotated = plan(BASE, &[("KEY", "canary-2")]);
    let json = rotated.to_json();
    let changed = &json["deployments"]["changed"];
    assert_eq!(changed.as_array().unwrap().len(), 1, "{json}");
    assert_eq!((&changed[0]["model_name"], &changed[0]["changes"]), (&json!("a"), &json!(["credential"])));
    assert_ne!(changed[0]["was"], changed[0]["model_id"], "an id is made of the key too");
    assert_eq!(json["deployments"]["added"], json!([]));
    let fixed = plan(&BASE.replace("canary-b", "canary-c"), SAME).to_json();
    assert_eq!(fixed["deployments"]["changed"][0]["changes"], json!(["credential"]));
    assert_eq!(fixed["deployments"]["changed"][0]["was"], json!(null));
    assert_eq!(fixed["model_groups"]["changed"], json!(["b"]));
    for text in [json.to_string(), fixed.to_string(), format!("{rotated:?}")] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn deployments_come_go_and_change() {
    let text = BASE.replace("rpm: 3", "rpm: 9").replace("model_name: a,", "model_name: c,");
    let json = plan(&text, SAME).to_json();
    assert_eq!(json["deployments"]["added"][0]["model_name"], "c");
    assert_eq!(json["deployments"]["removed"][0]["model_name"], "a");
    assert_eq!(json["deployments"]["changed"][0]["changes"], json!(["rpm"]));
    let groups = json!({ "added": ["c"], "removed": ["a"], "changed": ["b"] });
    assert_eq!(json["model_groups"], groups);
}

#[test]
fn what_may_not_be_shown_is_still_seen_to_differ() {
    for (from, to) in [
        ("rpm: 3", "rpm: 3, user: canary"),
        ("rpm: 3", "rpm: 3, extra_body: {a: canary}"),
        ("rpm: 3", "rpm: 3, extra_headers: {x-a: canary}"),
        ("api_key: os.environ/KEY", "api_key: os.environ/KEY, user: canary"),
    ] {
        let changed = plan(&BASE.replace(from, to), SAME);
        assert_eq!(changed.changed.len(), 1, "{to}: {changed:?}");
        assert!(!changed.to_json().to_string().contains("canary"), "{}", changed.to_json());
    }
}

#[test]
fn settings_are_named_and_only_plain_values_shown() {
    let text = BASE
        .replace("num_retries: 2", "num_retries: 3, timeout: 5")
        .replace("canary-master-key", "canary-other-key")
        .replace("simple-shuffle}", "simple-shuffle, model_group_alias: {n: a}}");
    let json = plan(&text, SAME).to_json();
    let wanted = json!([
        { "name": "general_settings.master_key" },
        { "name": "router_settings.model_group_alias.n" },
        { "name": "router_settings.num_retries", "from": 2, "to": 3 },
        { "name": "router_settings.timeout", "from": null, "to": 5 },
    ]);
    assert_eq!(json["settings"], wanted);
    assert!(!json.to_string().contains("canary"));
}

#[test]
fn a_key_that_is_a_number_is_not_shown() {
    let text = BASE.replace("canary-master-key", "7731977319");
    let json = plan(&text, SAME).to_json();
    assert_eq!(json["settings"], json!([{ "name": "general_settings.master_key" }]));
    assert!(!json.to_string().contains("77319"));
}

#[test]
fn a_master_key_of_the_environment_is_noticed() {
    let text = BASE.replace("general_settings: {master_key: canary-master-key}\n", "");
    let of = |key| config(&text, &[("KEY", "canary-1"), ("LITELLM_MASTER_KEY", key)]);
    let plan = diff(&of("canary-key-one"), &of("canary-key-two"));
    assert_eq!(plan.to_json()["settings"], json!([{ "name": "general_settings.master_key" }]));
}

#[test]
fn what_only_a_restart_changes_is_said() {
    let text = format!("{BASE}tollgate: {{workers: 3, access_log: off}}\n");
    let plan = diff(&config(BASE, SAME), &config(&text, &[("KEY", "canary-1"), ("PORT", "5")]));
    assert_eq!(plan.restart, ["port", "workers", "access_log"]);
    assert!(
        plan.summary().contains("only a restart changes port, workers, access_log"),
        "{}",
        plan.summary()
    );
}
