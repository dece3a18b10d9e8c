//! Changes of a configuration file's text, line by line: what is not meant stays byte for byte as it is.
//!
//! Lines are found by the positions that the reader gives. Whatever the lines looked like, the changed text is
//! read again, and is given back only if it says the old file's values with exactly the planned changes.

use super::plan::{Added, Plan, Realiased};
use crate::config::tree::{Entry, Node, Value};
use crate::config::yaml;
use serde_json::{Map, Value as Json, json};

/// Why a file is not changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EditError {
    #[error("line {0} is written in a way that cannot be changed safely: {1}")]
    Line(usize, &'static str),
    #[error("the changed file would not say what it should; change it by hand")]
    Unproven,
}

/// Lines `at..until` (counted from 0) that become others.
#[derive(Debug)]
pub(super) struct Splice {
    pub(super) at: usize,
    pub(super) until: usize,
    pub(super) text: String,
}

/// A text that is changed.
pub(super) struct Draft<'a> {
    lines: Vec<&'a str>,
    root: &'a Node,
    eol: &'static str,
    splices: Vec<Splice>,
}

/// The file's text after the plan, and what was replaced, in order.
///
/// # Errors
/// [`EditError`] if that cannot be done without touching anything else.
pub(super) fn edit(text: &str, root: &Node, plan: &Plan) -> Result<(String, Vec<Splice>), EditError> {
    let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut draft = Draft { lines: text.split_inclusive('\n').collect(), root, eol, splices: Vec::new() };
    let models = root.get("model_list");
    let items = models.map_or(&[][..], |entry| entry.node.items());
    for &index in &plan.removed {
        let (at, until) = draft.item(items, index)?;
        draft.splices.push(Splice { at, until, text: String::new() });
    }
    if !plan.added.is_empty() {
        draft.add(items, plan)?;
    }
    for alias in &plan.aliases {
        draft.realias(alias)?;
    }
    let Draft { lines, mut splices, .. } = draft;
    splices.sort_by_key(|splice| (splice.at, splice.until));
    let new = spliced(&lines, &splices, eol);
    let told = yaml::parse(&new, "").map_err(|_| EditError::Unproven)?;
    if meaning(told.to_json()) != meaning(expected(root, plan)) {
        return Err(EditError::Unproven);
    }
    Ok((new, splices))
}

fn spliced(lines: &[&str], splices: &[Splice], eol: &str) -> String {
    let (mut new, mut at) = (String::new(), 0);
    let copy = |new: &mut String, from: usize, to: usize| {
        lines.get(from..to).unwrap_or_default().iter().for_each(|line| new.push_str(line));
    };
    for splice in splices {
        copy(&mut new, at, splice.at);
        // A last line without an end gets one before something follows it.
        if !splice.text.is_empty() && !new.is_empty() && !new.ends_with('\n') {
            new.push_str(eol);
        }
        new.push_str(&splice.text);
        at = splice.until.max(at);
    }
    copy(&mut new, at, lines.len());
    new
}

// === impl Draft ===

impl Draft<'_> {
    fn line(&self, index: usize) -> &str {
        self.lines.get(index).map_or("", |line| line.trim_end_matches(['\n', '\r']))
    }

    /// The first line of an item of a block list, and how far its dash is indented.
    fn start(&self, item: &Node) -> Result<(usize, usize), EditError> {
        let at = item.mark.line.saturating_sub(1);
        let before: String = self.line(at).chars().take(item.mark.column.saturating_sub(1)).collect();
        let indent = before.len() - before.trim_start_matches(' ').len();
        let is_dash = before
            .trim_start_matches(' ')
            .strip_prefix('-')
            .is_some_and(|rest| rest.trim_matches(' ').is_empty());
        if is_dash {
            Ok((at, indent))
        } else {
            Err(EditError::Line(at + 1, "an entry begins with a dash of its own"))
        }
    }

    /// The lines of an item with the comments inside of it; blank lines and comments after it are not its own.
    fn item(&self, items: &[Node], index: usize) -> Result<(usize, usize), EditError> {
        let Some(item) = items.get(index) else { return Err(EditError::Unproven) };
        let (at, indent) = self.start(item)?;
        let next = match items.get(index + 1) {
            Some(next) => self.start(next)?.0,
            None => self.after(at),
        };
        let mut until = at + 1;
        for line in at + 1..next {
            let text = self.line(line);
            let is_inside = text.len() - text.trim_start_matches(' ').len() > indent;
            let is_comment = text.trim_start().starts_with('#');
            if !text.trim().is_empty() && (!is_comment || (is_inside && until == line)) {
                until = line + 1;
            }
        }
        Ok((at, until))
    }

    /// Where the section ends that this line is in.
    fn after(&self, at: usize) -> usize {
        let sections = self.root.entries().iter().map(|entry| entry.mark.line.saturating_sub(1));
        let next = sections.filter(|line| *line > at).min().unwrap_or(self.lines.len());
        let is_end = |line: &usize| ["...", "---"].iter().any(|mark| self.line(*line).starts_with(mark));
        (at..next).find(is_end).unwrap_or(next)
    }

    fn add(&mut self, items: &[Node], plan: &Plan) -> Result<(), EditError> {
        let near = plan.after.or_else(|| items.len().checked_sub(1));
        let (at, indent) = match near.and_then(|index| Some((index, items.get(index)?))) {
            Some((index, item)) => (self.item(items, index)?.1, self.start(item)?.1),
            None => (self.empty_list()?, 2),
        };
        let text: String = plan.added.iter().map(|entry| self.written(entry, indent)).collect();
        self.splices.push(Splice { at, until: at, text });
        Ok(())
    }

    /// Where the first entry of a list goes that has none yet.
    fn empty_list(&mut self) -> Result<usize, EditError> {
        let Some(entry) = self.root.entries().iter().find(|entry| entry.key == "model_list") else {
            let at = self.lines.len();
            self.splices.push(Splice { at, until: at, text: format!("model_list:{}", self.eol) });
            return Ok(at);
        };
        let at = entry.mark.line.saturating_sub(1);
        let line = self.line(at);
        let rest = line.strip_prefix("model_list:").map(str::trim).unwrap_or("?");
        if rest == "[]" {
            self.splices.push(Splice { at, until: at + 1, text: format!("model_list:{}", self.eol) });
        } else if !rest.is_empty() && !rest.starts_with('#') {
            return Err(EditError::Line(at + 1, "model_list is no list of entries with a dash each"));
        }
        Ok(at + 1)
    }

    fn written(&self, entry: &Added, indent: usize) -> String {
        let (pad, eol) = (" ".repeat(indent), self.eol);
        let mut lines = vec![
            format!("{pad}- model_name: {}", scalar(&entry.group)),
            format!("{pad}  litellm_params:"),
            format!("{pad}    model: {}", scalar(&entry.model)),
            format!("{pad}    api_base: {}", scalar(&entry.api_base)),
        ];
        if entry.embeds {
            lines.push(format!("{pad}  model_info:"));
            lines.push(format!("{pad}    mode: embedding"));
        }
        lines.into_iter().map(|line| line + eol).collect()
    }

    fn realias(&mut self, alias: &Realiased) -> Result<(), EditError> {
        let Some(entry) = aliases(self.root).iter().find(|entry| entry.key == alias.name) else {
            return Err(EditError::Unproven);
        };
        let (at, first) = (entry.mark.line.saturating_sub(1), entry.node.mark.line.saturating_sub(1));
        let is_flow = self.line(first).chars().nth(entry.node.mark.column.saturating_sub(1)) == Some('[');
        match &entry.node.value {
            Value::List(items) if !is_flow => self.realias_block(at, items, alias),
            _ if alias.members.is_empty() => {
                self.splices.push(Splice { at, until: first + 1, text: String::new() });
                Ok(())
            }
            Value::List(_) => self.realias_flow(first, entry.node.mark.column, alias),
            _ => Err(EditError::Line(at + 1, "this alias is neither a name nor a list of names")),
        }
    }

    /// `alias: [a, b]` on one line.
    fn realias_flow(&mut self, at: usize, column: usize, alias: &Realiased) -> Result<(), EditError> {
        const WHY: &str = "a list of names in brackets must end on its line";
        let line = self.line(at);
        let open = line.char_indices().nth(column.saturating_sub(1)).map_or(0, |(at, _)| at);
        let (before, list) = line.split_at(open);
        let (mut quote, mut close) = (None, None);
        for (index, c) in list.char_indices() {
            match (quote, c) {
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), _) if open == c => quote = None,
                (None, ']') => {
                    close = Some(index + 1);
                    break;
                }
                _ => {}
            }
        }
        let Some(close) = close else { return Err(EditError::Line(at + 1, WHY)) };
        let names: Vec<String> = alias.members.iter().map(|name| json!(name).to_string()).collect();
        let text = format!("{before}[{}]{}{}", names.join(", "), &list[close..], self.eol);
        self.splices.push(Splice { at, until: at + 1, text });
        Ok(())
    }

    /// One name a line, each with a dash.
    fn realias_block(&mut self, key: usize, items: &[Node], alias: &Realiased) -> Result<(), EditError> {
        let (mut last, mut indent) = (key, 0);
        for item in items {
            let (at, dash) = self.start(item)?;
            (last, indent) = (at, dash);
            let stays = item.text().is_none_or(|name| alias.members.iter().any(|member| member == name));
            if !stays {
                self.splices.push(Splice { at, until: at + 1, text: String::new() });
            }
        }
        if alias.members.is_empty() {
            self.splices.push(Splice { at: key, until: key + 1, text: String::new() });
        }
        let old: Vec<&str> = items.iter().filter_map(Node::text).collect();
        let new = alias.members.iter().filter(|name| !old.contains(&name.as_str()));
        let text: String =
            new.map(|name| format!("{}- {}{}", " ".repeat(indent), scalar(name), self.eol)).collect();
        if !text.is_empty() {
            self.splices.push(Splice { at: last + 1, until: last + 1, text });
        }
        Ok(())
    }
}

fn aliases(root: &Node) -> &[Entry] {
    let router = root.get("router_settings");
    let aliases = router.and_then(|router| router.node.get("model_group_alias"));
    aliases.map_or(&[], |aliases| aliases.node.entries())
}

/// A text as YAML: plain if it cannot be read as anything else.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    let known = |c: char| c.is_ascii_alphanumeric() || "._/:@-".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(known)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { json!(text).to_string() }
}

/// What the file is to say after the plan.
fn expected(root: &Node, plan: &Plan) -> Json {
    let mut file = root.to_json();
    if let Some(models) = file["model_list"].as_array_mut() {
        let mut index = 0;
        models.retain(|_| {
            index += 1;
            !plan.removed.contains(&(index - 1))
        });
    }
    if !plan.added.is_empty() {
        let near = plan.after.map_or(usize::MAX, |after| {
            after + 1 - plan.removed.iter().filter(|removed| **removed <= after).count()
        });
        if !file["model_list"].is_array() {
            file["model_list"] = json!([]);
        }
        if let Some(models) = file["model_list"].as_array_mut() {
            let at = near.min(models.len());
            models.splice(at..at, plan.added.iter().map(as_json));
        }
    }
    for alias in &plan.aliases {
        let held = file["router_settings"]["model_group_alias"].as_object_mut();
        if let Some(held) = held {
            if alias.members.is_empty() {
                held.shift_remove(&alias.name);
            } else {
                held.insert(alias.name.clone(), json!(alias.members));
            }
        }
    }
    file
}

fn as_json(entry: &Added) -> Json {
    let params = json!({ "model": entry.model, "api_base": entry.api_base });
    let mut made = json!({ "model_name": entry.group, "litellm_params": params });
    if entry.embeds {
        made["model_info"] = json!({ "mode": "embedding" });
    }
    made
}

/// The same, where a section without members is as good as none.
fn meaning(mut file: Json) -> Json {
    let is_empty = |value: &Json| {
        value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty)
    };
    if let Some(router) = file.get_mut("router_settings").and_then(Json::as_object_mut)
        && router.get("model_group_alias").is_some_and(is_empty)
    {
        router.shift_remove("model_group_alias");
    }
    if let Some(root) = file.as_object_mut() {
        for name in ["model_list", "router_settings"] {
            if root.get(name).is_some_and(is_empty) {
                root.shift_remove(name);
            }
        }
    }
    file
}
