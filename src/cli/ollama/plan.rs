//! What a file's Ollama entries are, and what should become of them.

use super::server::{DEFAULT, Installed, address};
use crate::config::Env;
use crate::config::tree::{Node, Value};
use std::collections::HashSet;

const PREFIXES: [&str; 2] = ["ollama/", "ollama_chat/"];

/// An Ollama entry of `model_list`.
#[derive(Debug)]
pub(super) struct Held<'a> {
    /// Its place in the list.
    pub(super) index: usize,
    pub(super) group: &'a str,
    /// `ollama/` or `ollama_chat/`.
    prefix: &'static str,
    /// With its tag.
    model: String,
    /// As it stands in the file, if it does.
    pub(super) written: Option<&'a str>,
    /// Where that leads.
    pub(super) base: String,
}

/// An entry to make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) group: String,
    /// With its prefix.
    pub(super) model: String,
    pub(super) api_base: String,
    pub(super) embeds: bool,
}

/// An alias whose members change; with none left it goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Realiased {
    pub(super) name: String,
    pub(super) members: Vec<String>,
}

/// What is to change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Places in `model_list`, ascending.
    pub(super) removed: Vec<usize>,
    pub(super) added: Vec<Added>,
    pub(super) aliases: Vec<Realiased>,
    /// The place after whose entry new ones stand, if the server has entries.
    pub(super) after: Option<usize>,
    /// How many of the server's entries stay.
    pub(super) kept: usize,
    /// What a person should look at.
    pub(super) notes: Vec<String>,
}

impl Plan {
    pub(super) const fn is_idle(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.aliases.is_empty()
    }
}

fn entries(root: &Node) -> &[Node] {
    root.get("model_list").map_or(&[], |list| list.node.items())
}

fn group(entry: &Node) -> Option<&str> {
    entry.get("model_name")?.node.text()
}

/// The Ollama entries of a file; those that stand for many models are not among them.
pub(super) fn held<'a>(root: &'a Node, env: &Env) -> Vec<Held<'a>> {
    let held = |(index, entry): (usize, &'a Node)| {
        let params = &entry.get("litellm_params")?.node;
        let model = params.get("model")?.node.text()?;
        let prefix = PREFIXES.into_iter().find(|prefix| model.starts_with(prefix))?;
        let model = &model[prefix.len()..];
        let written =
            params.get("api_base").or_else(|| params.get("base_url")).and_then(|base| base.node.text());
        let many = model.contains('*') || group(entry)?.contains('*');
        (!many).then(|| Held {
            index,
            group: group(entry).unwrap_or_default(),
            prefix,
            model: tagged(model),
            written,
            base: resolved(written, env),
        })
    };
    entries(root).iter().enumerate().filter_map(held).collect()
}

/// Where an `api_base` leads; without one, where LiteLLM's default does.
fn resolved(written: Option<&str>, env: &Env) -> String {
    let named = match written.map(|text| (text, text.strip_prefix("os.environ/"))) {
        Some((_, Some(variable))) => env.filled(variable),
        Some((text, None)) => Some(text),
        None => env.filled("OLLAMA_API_BASE"),
    };
    address(named.unwrap_or(DEFAULT))
}

/// The one place that all entries lead to, if it is one.
pub(super) fn sole_base(held: &[Held<'_>]) -> Option<String> {
    let bases: HashSet<&String> = held.iter().map(|entry| &entry.base).collect();
    (bases.len() == 1).then(|| bases.into_iter().next().cloned()).flatten()
}

/// A model without a tag is its latest.
fn tagged(model: &str) -> String {
    let last = model.rsplit('/').next().unwrap_or(model);
    if last.contains(':') { model.to_owned() } else { format!("{model}:latest") }
}

/// What to change so that the file's entries with this `api_base` are what the server has.
pub(super) fn plan(root: &Node, held: &[Held<'_>], base: &str, has: &[Installed], alias: &str) -> Plan {
    let own: Vec<&Held<'_>> = held.iter().filter(|entry| entry.base == base).collect();
    let there: HashSet<&str> = has.iter().map(|model| model.name.as_str()).collect();
    let (kept, gone): (Vec<&Held<'_>>, Vec<&Held<'_>>) =
        own.iter().copied().partition(|entry| there.contains(entry.model.as_str()));
    let removed: Vec<usize> = gone.iter().map(|entry| entry.index).collect();
    let known: HashSet<&str> = kept.iter().map(|entry| entry.model.as_str()).collect();
    let added: Vec<Added> = has
        .iter()
        .filter(|model| !known.contains(model.name.as_str()))
        .map(|model| added(root, &own, base, &removed, model))
        .collect();
    let mut names: Vec<&str> = entries(root)
        .iter()
        .enumerate()
        .filter(|(index, _)| !removed.contains(index))
        .filter_map(|(_, entry)| group(entry))
        .collect();
    names.extend(added.iter().map(|entry| entry.group.as_str()));
    let lost: HashSet<&str> =
        gone.iter().map(|entry| entry.group).filter(|name| !names.contains(name)).collect();
    let chatting = |name: &str| {
        let model = kept.iter().find(|entry| entry.group == name).map(|entry| entry.model.as_str());
        let model = model.and_then(|name| has.iter().find(|model| model.name == name));
        model.is_none_or(|model| !model.embeds)
    };
    let mut whole: Vec<&str> = kept.iter().map(|entry| entry.group).filter(|name| chatting(name)).collect();
    whole.extend(added.iter().filter(|entry| !entry.embeds).map(|entry| entry.group.as_str()));
    let mut notes = mentions(root, &lost);
    let foreign = held.len() - own.len();
    if foreign > 0 {
        notes.push(format!("{foreign} Ollama entries with another api_base stay as they are"));
    }
    let aliases = realiased(root, &lost, alias, &whole, &mut notes);
    Plan { removed, added, aliases, after: own.last().map(|entry| entry.index), kept: kept.len(), notes }
}

fn added(root: &Node, own: &[&Held<'_>], base: &str, removed: &[usize], model: &Installed) -> Added {
    let short = model.name.strip_suffix(":latest").unwrap_or(&model.name);
    let taken = |name: &str| {
        let others = entries(root).iter().enumerate().filter(|(index, _)| !removed.contains(index));
        others.filter_map(|(_, entry)| group(entry)).any(|group| group == name)
    };
    // A name that stands for something else already must not come to stand for both.
    let name = if taken(short) { format!("ollama/{short}") } else { short.to_owned() };
    let chat = own.iter().filter(|entry| entry.prefix == "ollama_chat/").count();
    let prefix = if !model.embeds && chat * 2 > own.len() { "ollama_chat/" } else { "ollama/" };
    let written = own.iter().rev().find_map(|entry| entry.written).unwrap_or(base);
    Added {
        group: name,
        model: format!("{prefix}{short}"),
        api_base: written.to_owned(),
        embeds: model.embeds,
    }
}

fn realiased(
    root: &Node,
    lost: &HashSet<&str>,
    alias: &str,
    whole: &[&str],
    notes: &mut Vec<String>,
) -> Vec<Realiased> {
    let aliases = root.get("router_settings").and_then(|router| router.node.get("model_group_alias"));
    let mut changed = Vec::new();
    for entry in aliases.map(|aliases| aliases.node.entries()).unwrap_or_default() {
        let old: Vec<&str> = match &entry.node.value {
            Value::Text(name) => vec![name],
            Value::List(items) => items.iter().filter_map(Node::text).collect(),
            Value::Map(_) => {
                let to = entry.node.get("model").and_then(|model| model.node.text());
                if let Some(name) = to.filter(|name| lost.contains(name)) {
                    notes.push(format!(
                        "line {}: the alias {} still leads to {name}",
                        entry.mark.line, entry.key
                    ));
                }
                continue;
            }
            _ => continue,
        };
        let is_whole = entry.key == alias && matches!(entry.node.value, Value::List(_));
        let mut members: Vec<&str> = old.iter().copied().filter(|name| !lost.contains(name)).collect();
        if is_whole {
            members.extend(whole.iter().filter(|name| !old.contains(name)));
        }
        if members != old {
            let members = members.into_iter().map(str::to_owned).collect();
            changed.push(Realiased { name: entry.key.clone(), members });
        }
    }
    changed
}

/// Where else the file speaks of what goes away.
fn mentions(root: &Node, lost: &HashSet<&str>) -> Vec<String> {
    const LISTS: [&str; 4] =
        ["fallbacks", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks"];
    let sections = ["router_settings", "litellm_settings"].into_iter().filter_map(|name| root.get(name));
    let lists = sections.flat_map(|section| LISTS.into_iter().filter_map(|name| section.node.get(name)));
    let mut notes = Vec::new();
    for list in lists {
        walk(&list.node, &mut |name, line| {
            if lost.contains(name) {
                notes.push(format!("line {line}: {} still names {name}", list.key));
            }
        });
    }
    notes
}

fn walk(node: &Node, each: &mut dyn FnMut(&str, usize)) {
    match &node.value {
        Value::Text(text) => each(text, node.mark.line),
        Value::List(items) => items.iter().for_each(|item| walk(item, each)),
        Value::Map(entries) => {
            for entry in entries {
                each(&entry.key, entry.mark.line);
                walk(&entry.node, each);
            }
        }
        _ => {}
    }
}
