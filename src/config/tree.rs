//! A parsed document: values, and the line and column each of them stands at.

use super::Place;
use serde_json::{Map, Number, Value as Json};
use std::fmt;
use std::sync::Arc;

/// A position in a file, both counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The file's name as given.
    pub file: Arc<str>,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A value and where it stands. `Debug` hides texts, because any may be a secret.
#[derive(Clone, Default, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    /// The value.
    pub value: Value,
}

/// The kinds of value PyYAML makes of a file.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a point.
    Float(f64),
    /// Anything else that is one word or line, or quoted.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in file order and without duplicate keys.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The key, as text whatever it was written as.
    pub key: String,
    /// Where the key stands.
    pub mark: Mark,
    /// Its value.
    pub node: Node,
}

impl Mark {
    /// This position with the path of a key.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        Place { file: Arc::clone(&self.file), line: self.line, column: self.column, path: path.to_owned() }
    }
}

impl Node {
    /// A node without a position.
    #[must_use]
    pub fn bare(value: Value) -> Self {
        Self { mark: Mark::default(), value }
    }

    /// The members, empty unless this is a mapping.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items, empty unless this is a sequence.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The member `key`, if there is one and it is not null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key && entry.node.value != Value::Null)
    }

    /// The text, if this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this asks for nothing: null, `false`, or an empty text, list or mapping.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null | Value::Bool(false) => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// A JSON value as if it had been written in a file.
    #[must_use]
    pub fn from_json(json: &Json, mark: &Mark) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => {
                n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or_default()), Value::Int)
            }
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(|item| Self::from_json(item, mark)).collect()),
            Json::Object(members) => {
                let entry = |(key, value)| Entry {
                    key: String::clone(key),
                    mark: mark.clone(),
                    node: Self::from_json(value, mark),
                };
                Value::Map(members.iter().map(entry).collect())
            }
        };
        Self { mark: mark.clone(), value }
    }

    /// The same value as JSON; numbers that JSON lacks become null.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(n) => Json::Number(Number::from(*n)),
            Value::Float(n) => Number::from_f64(*n).map_or(Json::Null, Json::Number),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(_) => Json::Object(self.to_json_map()),
        }
    }

    /// The members as a JSON object, empty unless this is a mapping.
    #[must_use]
    pub fn to_json_map(&self) -> Map<String, Json> {
        self.entries().iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
    }

    /// What kind of value this is, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.kind(), self.mark.line, self.mark.column)
    }
}
