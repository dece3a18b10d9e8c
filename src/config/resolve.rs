//! `os.environ/NAME`: what begins with it is replaced by the variable, or by null if it is not set.

use super::Place;
use super::env::Env;
use super::tree::{Entry, Node, Value};

const PREFIX: &str = "os.environ/";

/// The variable a value names, if it names one.
#[must_use]
pub(super) fn variable(node: &Node) -> Option<&str> {
    node.text()?.strip_prefix(PREFIX)
}

/// A reference that has no value.
pub(super) struct Unset<'a> {
    pub(super) place: Place,
    pub(super) variable: &'a str,
}

/// The value with every reference below it replaced; `unset` is told of each that has no value.
pub(super) fn resolve(node: &Node, path: &str, env: &Env, unset: &mut dyn FnMut(Unset<'_>)) -> Node {
    let value = match &node.value {
        Value::Text(text) => match text.strip_prefix(PREFIX) {
            None => Value::Text(text.clone()),
            Some(variable) => env.get(variable).map_or_else(
                || {
                    unset(Unset { place: node.mark.place(path), variable });
                    Value::Null
                },
                |found| Value::Text(found.to_owned()),
            ),
        },
        Value::List(items) => {
            let resolved = |(i, item)| resolve(item, &format!("{path}[{i}]"), env, unset);
            Value::List(items.iter().enumerate().map(resolved).collect())
        }
        Value::Map(entries) => {
            let resolved = |entry: &Entry| {
                let path = joined(path, &entry.key);
                Entry { node: resolve(&entry.node, &path, env, unset), ..entry.clone() }
            };
            Value::Map(entries.iter().map(resolved).collect())
        }
        other => other.clone(),
    };
    Node { mark: node.mark.clone(), value }
}

/// A key's path below another.
pub(super) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn references_are_replaced_wherever_they_stand() {
        let root =
            yaml::parse("a: os.environ/A\nb: [{c: os.environ/A}, os.environ/NO, xos.environ/A]\n", "t")
                .unwrap();
        let mut missing = Vec::new();
        let resolved = resolve(&root, "", &Env::of(&[("A", "1")]), &mut |unset| {
            missing.push(format!("{} {}", unset.place.path, unset.variable));
        });
        assert_eq!(resolved.to_json().to_string(), r#"{"a":"1","b":[{"c":"1"},null,"xos.environ/A"]}"#);
        assert_eq!(missing, ["b[1] NO"]);
    }
}
