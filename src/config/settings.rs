//! What the sections of a file say, key by key, so that two configurations can be compared.

use super::compile::is_credential;
use super::tree::{Node, Value};
use crate::domain::Secret;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// All keys besides the models, with the environment in them. Texts are kept to be compared, and never shown: any may
/// be a secret.
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<String, Setting>);

/// The value of one key.
#[derive(Clone, Debug, PartialEq)]
enum Setting {
    /// A number, a truth value or nothing.
    Plain(Json),
    /// Anything else.
    Hidden(Option<Secret>),
}

/// A key that has another value than before.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The key, as in `router_settings.num_retries`.
    pub name: String,
    /// What it was, and is, where both may be shown; `None` is "not set".
    pub values: Option<(Option<Json>, Option<Json>)>,
}

impl Settings {
    /// The keys of these sections, those inside of others by their whole path.
    pub(super) fn of(root: &Node) -> Self {
        let mut found = BTreeMap::new();
        root.entries().iter().for_each(|section| flatten(&section.key, &section.node, &mut found));
        Self(found)
    }

    /// What differs in `new`, by name.
    pub(super) fn changes(&self, new: &Self) -> Vec<Changed> {
        let names: std::collections::BTreeSet<&String> = self.0.keys().chain(new.0.keys()).collect();
        let changed = names.into_iter().filter(|name| self.0.get(*name) != new.0.get(*name));
        changed.map(|name| Changed::of(name, self.0.get(name), new.0.get(name))).collect()
    }
}

impl Changed {
    fn of(name: &str, old: Option<&Setting>, new: Option<&Setting>) -> Self {
        let values = shown(old).zip(shown(new));
        Self { name: name.to_owned(), values }
    }
}

/// `Some(None)` is not set; `None` may not be shown.
fn shown(setting: Option<&Setting>) -> Option<Option<Json>> {
    match setting {
        None => Some(None),
        Some(Setting::Plain(value)) => Some(Some(value.clone())),
        Some(Setting::Hidden(_)) => None,
    }
}

fn flatten(path: &str, node: &Node, found: &mut BTreeMap<String, Setting>) {
    let name = path.rsplit('.').next().unwrap_or(path);
    let setting = match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                flatten(&format!("{path}.{}", entry.key), &entry.node, found);
            }
            return;
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) if !is_credential(name) => {
            Setting::Plain(node.to_json())
        }
        _ => Setting::Hidden(Secret::new(&node.to_json().to_string())),
    };
    found.insert(path.to_owned(), setting);
}
