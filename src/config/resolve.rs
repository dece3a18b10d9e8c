//! `os.environ/NAME`: what begins with it is replaced by the variable, or by null if it is not set.

use super::env::Env;
use super::tree::{Entry, Node, Value};

const PREFIX: &str = "os.environ/";

/// The variable a value names, if it names one.
#[must_use]
pub(super) fn variable(node: &Node) -> Option<&str> {
    node.text()?.strip_prefix(PREFIX)
}

/// The value with every reference below it replaced; `unset` is told each name that has no value.
#[must_use]
pub(super) fn resolve(node: &Node, env: &Env, unset: &mut dyn FnMut(&Node, &str)) -> Node {
    let value = match &node.value {
        Value::Text(text) => match text.strip_prefix(PREFIX) {
            None => Value::Text(text.clone()),
            Some(name) => env.get(name).map_or_else(
                || {
                    unset(node, name);
                    Value::Null
                },
                |found| Value::Text(found.to_owned()),
            ),
        },
        Value::List(items) => Value::List(items.iter().map(|item| resolve(item, env, unset)).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|entry| Entry { node: resolve(&entry.node, env, unset), ..entry.clone() })
                .collect(),
        ),
        other => other.clone(),
    };
    Node { mark: node.mark.clone(), value }
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
        let resolved = resolve(&root, &Env::of(&[("A", "1")]), &mut |_, name| missing.push(name.to_owned()));
        assert_eq!(resolved.to_json().to_string(), r#"{"a":"1","b":[{"c":"1"},null,"xos.environ/A"]}"#);
        assert_eq!(missing, ["NO"]);
    }
}
