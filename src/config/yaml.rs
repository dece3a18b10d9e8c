//! YAML text to a tree with positions. The only file that knows a YAML library.
//!
//! The tree is built from the parser's events rather than from another library's values, because every
//! fault should name its line, and because scalars must mean what PyYAML makes of them. Size, depth and
//! the growth through aliases are bounded.

use super::scalar;
use super::tree::{Entry, Mark, Node, Value};
use super::{ConfigError, Place};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use serde::de::IgnoredAny;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 64;
/// Most values after aliases are expanded, and most bytes of text in them.
const MAX_NODES: usize = 500_000;
const MAX_TEXT: usize = 32 * 1024 * 1024;

/// Parses one document; an empty one is [`Value::Null`].
///
/// # Errors
/// Syntax errors, duplicate keys, unknown tags, a second document, and anything over the bounds.
pub fn parse(text: &str, file: &str) -> Result<Node, ConfigError> {
    if text.len() > MAX_BYTES {
        return Err(ConfigError::new(Place::file(file), format!("larger than {MAX_BYTES} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(file);
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(fault) => {
                let mark = builder.mark(*fault.marker());
                return Err(ConfigError::new(mark.place(""), format!("not YAML: {}", fault.info())));
            }
        }
    }
    let Some(root) = builder.root.take() else { return Ok(Node::default()) };
    agreed(text, &builder)?;
    Ok(root)
}

/// A second reading, by the library whose grammar LiteLLM's reader has too: what that refuses does not
/// load there, so it must not load here with a meaning of our own.
fn agreed(text: &str, builder: &Builder) -> Result<(), ConfigError> {
    let Err(fault) = serde_yaml::from_str::<IgnoredAny>(text) else { return Ok(()) };
    let Some(at) = fault.location() else { return Ok(()) };
    let mark = Mark { file: Arc::clone(&builder.file), line: at.line(), column: at.column() };
    Err(ConfigError::new(mark.place(""), format!("not YAML: {fault}")))
}

/// A collection that is still open.
struct Open {
    mark: Mark,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, lines: HashMap<String, usize>, merges: Vec<Node>, key: Option<(String, Mark)> },
}

struct Builder {
    file: Arc<str>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    text: usize,
}

impl Builder {
    fn new(file: &str) -> Self {
        Self {
            file: Arc::from(file),
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            nodes: 0,
            text: 0,
        }
    }

    fn mark(&self, at: Marker) -> Mark {
        Mark { file: Arc::clone(&self.file), line: at.line(), column: at.col() + 1 }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ConfigError> {
        let mark = self.mark(span.start);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(fault(&mark, "a second document; only one is read"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar_value(&text, style, tag.as_deref(), &mark)?;
                self.count(1, text.len(), &mark)?;
                self.close(Node { mark, value }, anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, mark),
            Event::SequenceStart(anchor, tag) => {
                self.begin(mark, anchor, Kind::List(Vec::new()), tag.as_deref(), "seq")
            }
            Event::MappingStart(anchor, tag) => {
                let (entries, lines, merges) = (Vec::new(), HashMap::new(), Vec::new());
                let kind = Kind::Map { entries, lines, merges, key: None };
                self.begin(mark, anchor, kind, tag.as_deref(), "map")
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn begin(
        &mut self,
        mark: Mark,
        anchor: usize,
        kind: Kind,
        tag: Option<&Tag>,
        own: &str,
    ) -> Result<(), ConfigError> {
        if tag.is_some_and(|tag| !(tag.is_yaml_core_schema() && tag.suffix == own)) {
            return Err(fault(&mark, "this tag is not taken"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(fault(&mark, "nested too deeply"));
        }
        self.count(1, 0, &mark)?;
        self.open.push(Open { mark, anchor, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConfigError> {
        let Some(Open { mark, anchor, kind }) = self.open.pop() else { return Ok(()) };
        let value = match kind {
            Kind::List(items) => Value::List(items),
            Kind::Map { entries, merges, .. } => Value::Map(merged(entries, merges)),
        };
        self.close(Node { mark, value }, anchor)
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), ConfigError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(fault(&mark, "this alias stands inside of what it names"));
        };
        let (size, text, depth) = measure(node);
        let value = node.value.clone();
        if self.open.len() + depth > MAX_DEPTH {
            return Err(fault(&mark, "nested too deeply"));
        }
        self.count(size, text, &mark)?;
        self.close(Node { mark, value }, 0)
    }

    fn count(&mut self, nodes: usize, text: usize, mark: &Mark) -> Result<(), ConfigError> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.text = self.text.saturating_add(text);
        if self.nodes > MAX_NODES || self.text > MAX_TEXT {
            return Err(fault(mark, "too large once aliases are expanded"));
        }
        Ok(())
    }

    /// Hands a finished node to the collection it belongs to.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), ConfigError> {
        if anchor != 0 {
            let (size, text, _) = measure(&node);
            self.count(size, text, &node.mark)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Map { entries, lines, merges, key }) => match key.take() {
                None => *key = Some((key_text(&node)?, node.mark)),
                Some((name, mark)) if name == "<<" => merge_source(node, &mark, merges)?,
                Some((name, mark)) => {
                    if let Some(first) = lines.insert(name.clone(), mark.line) {
                        return Err(second_key(&name, &mark, first));
                    }
                    entries.push(Entry { key: name, mark, node });
                }
            },
        }
        Ok(())
    }
}

fn fault(mark: &Mark, message: &str) -> ConfigError {
    ConfigError::new(mark.place(""), message)
}

fn key_text(node: &Node) -> Result<String, ConfigError> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Null => Ok("null".to_owned()),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(super::python::str_of(node)),
        Value::List(_) | Value::Map(_) => Err(fault(&node.mark, "a key must be one word or line")),
    }
}

fn second_key(key: &str, mark: &Mark, first: usize) -> ConfigError {
    let message = format!("a second \"{key}\" in this mapping; the first is on line {first}");
    ConfigError::new(mark.place(key), message)
}

fn merge_source(node: Node, mark: &Mark, merges: &mut Vec<Node>) -> Result<(), ConfigError> {
    let sources = match node.value {
        Value::List(items) => items,
        _ => vec![node],
    };
    if sources.iter().any(|source| !matches!(source.value, Value::Map(_))) {
        return Err(fault(mark, "\"<<\" takes a mapping or a list of mappings"));
    }
    merges.extend(sources);
    Ok(())
}

/// Merged members come first, as PyYAML has it, and give way to the mapping's own.
fn merged(own: Vec<Entry>, merges: Vec<Node>) -> Vec<Entry> {
    if merges.is_empty() {
        return own;
    }
    let mut known: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
    let inherited = merges.into_iter().flat_map(|node| match node.value {
        Value::Map(entries) => entries,
        _ => Vec::new(),
    });
    let mut result: Vec<Entry> = inherited.filter(|entry| known.insert(entry.key.clone())).collect();
    result.extend(own);
    result
}

/// Values, bytes of text and depth of a tree.
fn measure(node: &Node) -> (usize, usize, usize) {
    let fold = |total: (usize, usize, usize), child: &Node| {
        let (nodes, text, depth) = measure(child);
        (total.0 + nodes, total.1 + text, total.2.max(depth + 1))
    };
    match &node.value {
        Value::Text(text) => (1, text.len(), 0),
        Value::List(items) => items.iter().fold((1, 0, 1), fold),
        Value::Map(entries) => entries.iter().map(|entry| &entry.node).fold((1, 0, 1), fold),
        _ => (1, 0, 0),
    }
}

fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    mark: &Mark,
) -> Result<Value, ConfigError> {
    let Some(tag) = tag else {
        let plain = style == ScalarStyle::Plain;
        return Ok(if plain { scalar::resolve(text) } else { Value::Text(text.to_owned()) });
    };
    let value = match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
        (true, "str") => Some(Value::Text(text.to_owned())),
        (true, "null") => Some(Value::Null),
        (true, "bool") => scalar::boolean(text).map(Value::Bool),
        (true, "int") => scalar::integer(text).map(Value::Int),
        (true, "float") => text.parse().ok().map(Value::Float),
        (false, "") if tag.handle == "!" => Some(Value::Text(text.to_owned())),
        _ => return Err(fault(mark, "this tag is not taken")),
    };
    value.ok_or_else(|| fault(mark, "the value does not fit its tag"))
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
