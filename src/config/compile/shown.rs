//! What may be shown of an entry: nothing that is a credential, or may hold one.

use super::super::audit::keys::{self, REQUEST};
use super::super::field::{Field, Section};
use super::super::tree::{Node, Value};
use crate::providers::Base;
use serde_json::{Map, Value as Json};

/// Texts and mappings of an entry that are shown as they are.
const PLAIN: [&str; 14] = [
    "model",
    "custom_llm_provider",
    "api_version",
    "region_name",
    "tags",
    "allowed_openai_params",
    "additional_drop_params",
    "base_model",
    "silent_model",
    "timeout",
    "guardrails",
    "budget_duration",
    "vertex_project",
    "vertex_location",
];
/// Parameters of requests that may hold anything.
const OPAQUE: [&str; 2] = ["extra_query", "metadata"];

/// The parameters of an entry that `/model/info` shows.
pub(super) fn params(params: &Section<'_>) -> Map<String, Json> {
    let shown = params.fields().filter(is_shown);
    shown.map(|field| (field.key().to_owned(), field.node().to_json())).collect()
}

/// `model_info` without what has the name of a credential.
pub(super) fn info(info: &Node) -> Map<String, Json> {
    let entries = info.entries().iter().filter(|entry| !is_credential(&entry.key));
    entries.map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
}

fn is_shown(field: &Field<'_>) -> bool {
    let name = field.key();
    if is_credential(name) {
        return false;
    }
    match &field.node().value {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => true,
        // A base that is no URL may hold a password.
        Value::Text(text) if matches!(name, "api_base" | "base_url") => Base::parse(text).is_ok(),
        _ => PLAIN.contains(&name) || (REQUEST.contains(&name) && !OPAQUE.contains(&name)),
    }
}

/// Whether a key's name says that its value is a credential.
pub(in crate::config) fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["key", "secret", "password", "credential", "authorization", "header"];
    words.iter().any(|word| name.contains(word)) || (name.ends_with("token") && !keys::is_price(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn no_credential_is_shown_whatever_it_is_called() {
        let text = "s: {model: openai/m, api_key: canary, aws_secret_access_key: canary, azure_ad_token: canary,\n  \
            extra_headers: {a: canary}, extra_body: {a: canary}, own_thing: canary, rpm: 3, temperature: 0.5,\n  \
            api_base: 'http://u:canary@h/v1', input_cost_per_token: 1.0, stop: [x], organization: canary}\n";
        let root = yaml::parse(text, "t").unwrap();
        let shown = params(&Section::new(&root.get("s").unwrap().node, "s".to_owned()));
        let names: Vec<&str> = shown.keys().map(String::as_str).collect();
        assert_eq!(names, ["model", "rpm", "temperature", "input_cost_per_token", "stop"]);
        let shown = info(&yaml::parse("{id: x, max_tokens: 3, api_key: canary, note: ok}", "t").unwrap());
        assert_eq!(shown.keys().map(String::as_str).collect::<Vec<_>>(), ["id", "max_tokens", "note"]);
    }
}
