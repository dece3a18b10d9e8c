//! Deployments that are kept in the database, compiled like the entries of the file.

use super::super::Env;
use super::super::field::Report;
use super::super::tree::{Mark, Node};
use super::Sections;
use super::targets::ListEntry;
use crate::domain::Secret;
use crate::providers::{Catalog, Target};
use crate::store::{Doc, Vault};
use serde_json::Value;
use std::sync::Arc;

/// Variables that no deployment of the database may name: whoever may add one could read them that way.
const GUARDED: [&str; 6] = ["MASTER_KEY", "SALT_KEY", "DATABASE", "PASSWORD", "REDIS", "TOLLGATE_"];

const VARIABLE: &str = "os.environ/";
/// What may be a variable, and what the name of that variable holds.
const MAY_NAME: [(&str, &str); 3] = [("api_key", "API_KEY"), ("api_base", "BASE"), ("base_url", "BASE")];

/// What it takes to serve deployments of the database.
#[derive(Clone, Debug, Default)]
pub struct StoredModels {
    /// Whether there may be any (`store_model_in_db`).
    pub is_on: bool,
    /// What their credentials are encrypted with.
    pub vault: Vault,
    /// What is sealed is sealed with it: the salt, else the master key.
    pub salt: Option<Secret>,
    env: Env,
    catalog: Catalog,
    slots: Option<u32>,
}

/// Reads `store_model_in_db` and the salt.
pub(super) fn compile(
    sections: &Sections<'_>,
    env: &Env,
    catalog: &Catalog,
    master_key: Option<&Secret>,
    report: &mut Report,
) -> StoredModels {
    let configured = sections.general.field("store_model_in_db").and_then(|f| f.bool(report));
    let in_environment =
        env.filled("STORE_MODEL_IN_DB").is_some_and(|word| word.eq_ignore_ascii_case("true"));
    let salt = |name| env.filled(name).and_then(Secret::new);
    // What is wrong with this one is said where the deployments of the file are read.
    let slots = sections.router.field("default_max_parallel_requests");
    let own = salt("LITELLM_SALT_KEY").or_else(|| master_key.cloned());
    // The master key reads too: it was the salt until somebody set one.
    let keys = [own.clone(), salt("LITELLM_SALT_KEY_PREVIOUS"), master_key.cloned()];
    StoredModels {
        is_on: configured.unwrap_or(in_environment),
        salt: own,
        vault: Vault::new(&keys.into_iter().flatten().collect::<Vec<_>>()),
        env: env.clone(),
        catalog: catalog.clone(),
        slots: slots.and_then(|f| f.count(&mut Report::default())),
    }
}

impl StoredModels {
    /// Compiles one document of the table of models.
    ///
    /// # Errors
    /// What is wrong with it; no secret is quoted.
    pub fn compile(&self, id: &str, doc: &Doc) -> Result<Vec<Target>, String> {
        let mut doc = doc.clone();
        if let Some(params) = doc.get_mut("litellm_params") {
            self.vault.open_all(params).map_err(|fault| fault.to_string())?;
        }
        if doc.iter().any(|(name, value)| name != "litellm_params" && names_variable(value))
            || doc.get("litellm_params").is_some_and(names_guarded)
        {
            let words = "in the database only api_key may be a variable, called ..._API_KEY, \
                         and api_base, called ..._BASE";
            return Err(words.to_owned());
        }
        let mut info = doc.get("model_info").and_then(Value::as_object).cloned().unwrap_or_default();
        info.insert("id".to_owned(), Value::from(id));
        doc.insert("model_info".to_owned(), Value::Object(info));
        let node = Node::from_json(&Value::Object(doc), &Mark::default());
        let entry = ListEntry {
            node: &node,
            path: String::new(),
            env: &self.env,
            catalog: &self.catalog,
            slots: self.slots,
        };
        let mut report = Report::default();
        let targets = entry.compile(&mut report).unwrap_or_default();
        if !report.errors.is_empty() {
            let faults: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
            return Err(faults.join("; "));
        }
        Ok(targets.into_iter().map(stored).collect())
    }

    /// Adds the deployments of these documents to those of the file; an id of the file is not given twice.
    /// Answers with what is wrong with those that are left out.
    #[must_use]
    pub fn add(&self, rows: &[(String, Doc)], targets: &mut Vec<Arc<Target>>) -> Vec<String> {
        let mut faults = Vec::new();
        for (id, doc) in rows {
            match self.compile(id, doc) {
                Ok(more) => {
                    for target in more {
                        if targets.iter().any(|known| known.id == target.id) {
                            faults.push(format!("model {id}: a deployment with this id is there already"));
                        } else {
                            targets.push(Arc::new(target));
                        }
                    }
                }
                Err(fault) => faults.push(format!("model {id}: {fault}")),
            }
        }
        faults
    }
}

fn stored(mut target: Target) -> Target {
    target.info.is_stored = true;
    target
}

/// Whoever may add a deployment could read a variable wherever its value is shown or sent.
fn names_guarded(params: &Value) -> bool {
    params.as_object().into_iter().flatten().any(|(name, value)| {
        let word = MAY_NAME.iter().find(|(known, _)| known == name).map(|(_, word)| word);
        let variable = value.as_str().and_then(|text| text.strip_prefix(VARIABLE));
        match word.zip(variable.map(str::to_ascii_uppercase)) {
            Some((word, variable)) => {
                !variable.contains(word) || GUARDED.iter().any(|guarded| variable.contains(guarded))
            }
            None => names_variable(value),
        }
    })
}

fn names_variable(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(VARIABLE),
        Value::Array(items) => items.iter().any(names_variable),
        Value::Object(members) => members.values().any(names_variable),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Env, Overrides, StoredModels, parse_and_compile};
    use crate::store::Doc;
    use serde_json::{Value, json};

    const YAML: &str = "general_settings: {master_key: sk-0123456789, store_model_in_db: true}\n";

    fn stored(vars: &[(&str, &str)]) -> StoredModels {
        parse_and_compile(YAML, &Env::of(vars), &Overrides::default()).unwrap().config.stored
    }

    fn doc(value: Value) -> Doc {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_document_becomes_a_deployment_with_its_key_opened() {
        let before = stored(&[]);
        let after = stored(&[("LITELLM_SALT_KEY", "salt"), ("MY_API_KEY", "k")]);
        assert!(before.is_on);
        let mut key = json!("upstream-key");
        before.vault.seal_new(&mut key).unwrap();
        let params = json!({ "model": "openai/m", "api_base": "http://u/v1", "api_key": key, "rpm": 3 });
        let row = doc(json!({ "model_name": "g", "litellm_params": params }));
        for stored in [&before, &after] {
            let target = stored.compile("id-1", &row).unwrap().remove(0);
            assert_eq!((target.id.as_str(), target.group.as_str()), ("id-1", "g"));
            assert_eq!(target.api_key.unwrap().expose(), "upstream-key");
            assert!(target.info.is_stored);
        }
        let named = json!({ "model": "openai/m", "api_key": "os.environ/MY_API_KEY" });
        let row = doc(json!({ "model_name": "g", "litellm_params": named }));
        assert_eq!(after.compile("i", &row).unwrap()[0].api_key.as_ref().unwrap().expose(), "k");
    }

    #[test]
    fn what_cannot_be_served_is_said_and_left_out() {
        let stored = stored(&[]);
        for (name, variable) in [
            ("api_key", "LITELLM_MASTER_KEY"),
            ("api_key", "AWS_SECRET_ACCESS_KEY"),
            ("api_base", "SLACK_WEBHOOK_URL"),
            ("api_base", "DATABASE_URL"),
            ("model", "OPENAI_API_KEY"),
            ("user", "OPENAI_API_KEY"),
        ] {
            let mut params = json!({ "model": "openai/m" });
            params[name] = json!(format!("os.environ/{variable}"));
            let row = doc(json!({ "model_name": "g", "litellm_params": params }));
            assert!(stored.compile("i", &row).is_err(), "{name}: {variable}");
        }
        let guarded = json!({ "model": "openai/m", "api_key": "os.environ/LITELLM_MASTER_KEY" });
        let rows = [
            ("a", json!({ "model_name": "g", "litellm_params": guarded })),
            ("b", json!({ "model_name": "g", "litellm_params": { "api_key": "canary" } })),
            ("c", json!({ "model_name": "g", "litellm_params": { "model": "openai/m" } })),
            ("c", json!({ "model_name": "h", "litellm_params": { "model": "openai/m" } })),
        ];
        let rows: Vec<(String, Doc)> = rows.into_iter().map(|(id, row)| (id.to_owned(), doc(row))).collect();
        let mut targets = Vec::new();
        let faults = stored.add(&rows, &mut targets);
        assert_eq!((targets.len(), faults.len()), (1, 3), "{faults:?}");
        assert!(!faults.concat().contains("canary"));
    }
}
