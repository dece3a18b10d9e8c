//! A configuration file in the making.

use super::{ACCESS_LOG, MASTER_KEY};
use serde_json::{Map, Value, json};

/// What will be the gateway's configuration file; written as JSON, which is YAML.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    models: Vec<Value>,
    sections: Map<String, Value>,
}

// === impl Config ===

impl Config {
    /// No models, the master key, two data threads, and neither retries nor cooldowns. A group of
    /// several entries cools down entry by entry; a wildcard is one deployment whatever matches it.
    pub(crate) fn new() -> Self {
        Self { models: Vec::new(), sections: Map::new() }
            .set("general_settings", json!({ "master_key": MASTER_KEY }))
            .set("router_settings", json!({ "num_retries": 0, "disable_cooldowns": true }))
            .set("tollgate", json!({ "access_log": ACCESS_LOG, "workers": 2 }))
    }

    /// A deployment of `group` that speaks OpenAI: `base` as in `http://127.0.0.1:1/v1`.
    pub(crate) fn deployment(self, group: &str, model: &str, base: &str, key: &str) -> Self {
        let model = format!("openai/{model}");
        self.entry(json!({
            "model_name": group,
            "litellm_params": { "model": model, "api_base": base, "api_key": key },
        }))
    }

    /// The same under an id of its own, with more parameters.
    pub(crate) fn target(self, id: &str, model: &str, base: &str, key: &str, more: Value) -> Self {
        let (group, upstream) = model.split_once('=').unwrap_or((model, model));
        let mut params = json!({ "model": format!("openai/{upstream}"), "api_base": base, "api_key": key });
        for (name, value) in more.as_object().expect("parameters are a mapping") {
            params[name] = value.clone();
        }
        self.entry(json!({ "model_name": group, "litellm_params": params, "model_info": { "id": id } }))
    }

    /// One deployment of `group` for each pair of a base and a key.
    pub(crate) fn pool(self, group: &str, model: &str, targets: &[(&str, &str)]) -> Self {
        targets.iter().fold(self, |config, (base, key)| config.deployment(group, model, base, key))
    }

    /// A `model_list` entry as it stands.
    pub(crate) fn entry(mut self, entry: Value) -> Self {
        self.models.push(entry);
        self
    }

    /// Sets the fields of a section, keeping its others.
    pub(crate) fn set(mut self, section: &str, fields: Value) -> Self {
        let held = self.sections.entry(section).or_insert_with(|| json!({}));
        for (name, value) in fields.as_object().expect("a section is a mapping") {
            held[name] = value.clone();
        }
        self
    }

    /// A section of its own, whatever it is.
    pub(crate) fn section(mut self, name: &str, value: Value) -> Self {
        self.sections.insert(name.to_owned(), value);
        self
    }

    /// Leaves a section out.
    pub(crate) fn without(mut self, section: &str) -> Self {
        self.sections.remove(section);
        self
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> String {
        let mut file = self.sections.clone();
        file.insert("model_list".to_owned(), Value::from(self.models.clone()));
        serde_json::to_string_pretty(&file).unwrap()
    }
}
