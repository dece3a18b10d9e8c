//! The demonstration's upstream and configuration.

use crate::simulator::{Behaviour, Fault, Script, Text, When};
use std::time::Duration;

pub(super) const MODEL: &str = "demo-model";

const ANSWER: &str = "It takes many lanes of traffic, checks each ticket, opens the lane that is free, \
                      and writes down what was paid. Nobody waits for a broken lane.";
const KEYS: [&str; 3] = ["sim-upstream-key-1", "sim-upstream-key-2", "sim-upstream-key-3"];

/// Three keys; the last fails every other time.
pub(super) fn script() -> Script {
    let good = Behaviour {
        text: Text::Exact(ANSWER.to_owned()),
        gap: Duration::from_millis(40),
        first_byte: Duration::from_millis(120),
        ..Behaviour::default()
    };
    let flaky = Behaviour { fault: Some(Fault::Status(500)), when: When::Every(2), ..good.clone() };
    let [first, second, third] = KEYS;
    let script = Script { models: vec![MODEL.to_owned()], ..Script::of(good.clone()) };
    script.with_key(first, good.clone()).with_key(second, good).with_key(third, flaky).known_keys_only()
}

/// A LiteLLM file with one model and three deployments.
pub(super) fn yaml(api_base: &str, master_key: &str) -> String {
    let mut yaml = String::from("model_list:\n");
    for (i, key) in KEYS.iter().enumerate() {
        yaml.push_str(&format!(
            "  - model_name: {MODEL}\n    litellm_params:\n      model: openai/{MODEL}\n      api_base: {api_base}\n      \
             api_key: {key}\n    model_info:\n      id: key-{}\n      input_cost_per_token: 0.000001078\n      \
             output_cost_per_token: 0.000003774\n",
            i + 1
        ));
    }
    yaml.push_str("router_settings:\n  num_retries: 3\n  allowed_fails: 3\n  cooldown_time: 10\n");
    yaml.push_str(&format!("general_settings:\n  master_key: {master_key}\n"));
    yaml
}
