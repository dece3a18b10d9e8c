//! Where a call goes when its group fails: the lists of LiteLLM, and whether they name what there is.

use super::super::field::{Field, Report, Section};
use super::super::tree::{Entry, Node, Value};
use super::super::{Alias, Place, did_you_mean, python};
use super::Sections;
use crate::auth::fits;
use crate::providers::Target;
use crate::routing::{Fallbacks, Lists, MAX_DEPTH};
use std::sync::Arc;

/// All lists; `router_settings` wins over `litellm_settings`, list by list.
pub(super) fn compile(sections: &Sections<'_>, report: &mut Report) -> Fallbacks {
    let either = |key: &str| sections.router.field(key).or_else(|| sections.litellm.field(key));
    let read =
        |key: &str, report: &mut Report| either(key).map(|field| lists(&field, report)).unwrap_or_default();
    let mut failure = read("fallbacks", report);
    let context_window = read("context_window_fallbacks", report);
    let content_policy = read("content_policy_fallbacks", report);
    if let Some(field) = either("default_fallbacks") {
        let node = parsed(&field, report);
        let names = names(&node, &field.place(), report);
        if !names.is_empty() {
            failure.add("*", names);
        }
    }
    let max_depth = either("max_fallbacks").and_then(|f| f.count(report)).unwrap_or(MAX_DEPTH);
    Fallbacks { failure, context_window, content_policy, max_depth }
}

/// The value, or what it says in JSON if it is text, as it is when it comes from the environment.
fn parsed(field: &Field<'_>, report: &mut Report) -> Node {
    let node = field.node();
    let Some(text) = node.text().filter(|text| text.trim_start().starts_with(['[', '{'])) else {
        return node.clone();
    };
    match serde_json::from_str(text) {
        Ok(json) => Node::from_json(&json, &node.mark),
        Err(_) => {
            report.fault(field.place(), "is text that begins like JSON and is none");
            Node { mark: node.mark.clone(), value: Value::Null }
        }
    }
}

/// `[{"a": ["b", "c"]}, …]`, or one mapping of them all.
fn lists(field: &Field<'_>, report: &mut Report) -> Lists {
    let node = parsed(field, report);
    let mut lists = Lists::default();
    let items = match &node.value {
        Value::Map(_) => std::slice::from_ref(&node),
        Value::List(items) => items.as_slice(),
        Value::Null => &[],
        _ => {
            report.fault(field.place(), format!("wants a list of mappings, not {}", node.kind()));
            &[]
        }
    };
    for item in items {
        if !matches!(item.value, Value::Map(_)) {
            let message = format!("wants a mapping of a group to its fallbacks, not {}", item.kind());
            report.fault(item.mark.place(field.path()), message);
        }
        for Entry { key, mark, node } in item.entries() {
            let place = mark.place(&format!("{}.{key}", field.path()));
            let names = names(node, &place, report);
            lists.add(key, names);
        }
    }
    lists
}

/// Names of groups: a list, or one alone. A mapping names its group in `model`.
fn names(node: &Node, place: &Place, report: &mut Report) -> Vec<Arc<str>> {
    let one = std::slice::from_ref(node);
    let items = if let Value::List(items) = &node.value { items.as_slice() } else { one };
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        let named = match &item.value {
            Value::Map(members) => {
                if members.len() > 1 {
                    report.warn(place.clone(), "only \"model\" is read of a fallback that is a mapping");
                }
                item.get("model").and_then(|entry| entry.node.text().map(str::to_owned))
            }
            Value::List(_) | Value::Null => None,
            _ => Some(python::str_of(item)),
        };
        match named {
            Some(name) => found.push(Arc::from(name)),
            None => report.fault(place.clone(), "a fallback is the name of a group"),
        }
    }
    found
}

/// Warns of names that stand for nothing. LiteLLM starts with them, and finds out when a fallback is needed.
pub(super) fn check(
    sections: &Sections<'_>,
    fallbacks: &Fallbacks,
    targets: &[Arc<Target>],
    aliases: &[Alias],
    report: &mut Report,
) {
    let known = Known { targets, aliases };
    for (key, lists) in [
        ("fallbacks", &fallbacks.failure),
        ("context_window_fallbacks", &fallbacks.context_window),
        ("content_policy_fallbacks", &fallbacks.content_policy),
    ] {
        let place = place_of(&sections.router, &sections.litellm, key);
        let mut unknown: Vec<&str> = lists
            .iter()
            .flat_map(|(group, list)| {
                let group = Some(group).filter(|group| *group != "*" && !known.falls_back(group));
                group.into_iter().chain(list.iter().map(|name| &**name).filter(|name| !known.has(name)))
            })
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        for name in unknown {
            let meant = did_you_mean(name, known.names());
            let hint = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
            report.warn(place.clone(), format!("no entry of model_list is called \"{name}\"{hint}"));
        }
    }
}

fn place_of(router: &Section<'_>, litellm: &Section<'_>, key: &str) -> Place {
    let field = |key: &str| router.field(key).or_else(|| litellm.field(key));
    let default = if key == "fallbacks" { field("default_fallbacks") } else { None };
    field(key).or(default).map_or_else(|| Place::named(key), |field| field.place())
}

/// What there is.
struct Known<'a> {
    targets: &'a [Arc<Target>],
    aliases: &'a [Alias],
}

impl Known<'_> {
    fn names(&self) -> impl Iterator<Item = &str> {
        let groups = self.targets.iter().map(|target| target.group.as_str());
        groups.chain(self.aliases.iter().map(|alias| alias.name.as_str()))
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name || (known.contains('*') && fits(known, name)))
            || self.targets.iter().any(|target| target.id.as_str() == name)
    }

    /// A list may also be found by a name without its provider.
    fn falls_back(&self, name: &str) -> bool {
        self.has(name)
            || self.names().any(|known| known.split_once('/').is_some_and(|(_, rest)| rest == name))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Compiled, Env, Overrides, parse_and_compile};
    use crate::routing::Reason;

    fn ok(text: &str) -> Compiled {
        parse_and_compile(text, &Env::of(&[]), &Overrides::default()).unwrap()
    }

    const TWO: &str = "model_list:\n- {model_name: a, litellm_params: {model: openai/x, api_key: k}}\n\
                       - {model_name: b, litellm_params: {model: openai/y, api_key: k}}\n";

    #[test]
    fn fallbacks_are_read_in_every_form() {
        for text in [
            "router_settings: {fallbacks: [{a: [b]}]}",
            "router_settings: {fallbacks: [{a: b}]}",
            "router_settings: {fallbacks: {a: [b]}}",
            "router_settings: {fallbacks: '[{\"a\": [\"b\"]}]'}",
            "router_settings: {fallbacks: [{a: [{model: b}]}]}",
            "litellm_settings: {fallbacks: [{a: [b]}]}",
            "router_settings: {fallbacks: [{a: [b]}]}\nlitellm_settings: {fallbacks: [{b: [a]}]}",
            "litellm_settings: {default_fallbacks: [b]}",
            "litellm_settings: {default_fallbacks: b}",
            "router_settings: {fallbacks: [{'*': [b]}, {b: [a]}]}",
        ] {
            let compiled = ok(&format!("{TWO}{text}\n"));
            let fallbacks = &compiled.config.router.fallbacks;
            let found = fallbacks.of(&["a"], Reason::Failure);
            assert_eq!(found.iter().map(|name| &**name).collect::<Vec<_>>(), ["b"], "{text}");
            assert!(!compiled.warnings.iter().any(|w| w.message.contains("is called")), "{text}");
        }
        let text =
            "router_settings: {context_window_fallbacks: [{a: [b]}], content_policy_fallbacks: [{b: [a]}]}\n";
        let fallbacks = ok(&format!("{TWO}{text}")).config.router.fallbacks;
        assert_eq!(fallbacks.of(&["a"], Reason::ContextWindow).len(), 1);
        assert_eq!(fallbacks.of(&["b"], Reason::ContentPolicy).len(), 1);
        assert_eq!(fallbacks.of(&["a"], Reason::Failure).len(), 0);
        assert_eq!(fallbacks.max_depth, 5);
    }

    #[test]
    fn a_fallback_to_nothing_is_a_warning_and_what_is_none_a_fault() {
        let text =
            "router_settings: {fallbacks: [{a: [bb, b]}, {gone: [b]}], default_fallbacks: [nowhere]}\n";
        let warnings: Vec<String> =
            ok(&format!("{TWO}{text}")).warnings.iter().map(ToString::to_string).collect();
        let about =
            |word: &str| warnings.iter().filter(|w| w.contains(&format!("called \"{word}\""))).count();
        assert_eq!((about("bb"), about("gone"), about("nowhere"), about("b")), (1, 1, 1, 0), "{warnings:?}");
        assert!(warnings.iter().any(|w| w.contains("called \"bb\"; did you mean \"b\"?")), "{warnings:?}");
        for text in ["[a]", "text", "'[{'", "[{a: [[b]]}]", "[{a: [{seed: 1}]}]", "7"] {
            let text = format!("{TWO}router_settings: {{fallbacks: {text}}}\n");
            assert!(parse_and_compile(&text, &Env::of(&[]), &Overrides::default()).is_err(), "{text}");
        }
    }
}
