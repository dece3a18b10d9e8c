//! JSON schemas as Gemini takes them.

use super::names::camels;
use serde_json::{Map, Value};

/// Words that Gemini refuses, at any depth.
const UNKNOWN: [&str; 3] = ["$schema", "$id", "strict"];

/// A schema without the words that Gemini refuses.
pub(super) fn cleaned(mut schema: Value) -> Value {
    clean(&mut schema);
    schema
}

fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => {
            UNKNOWN.iter().for_each(|word| {
                map.shift_remove(*word);
            });
            for (name, inner) in map.iter_mut() {
                match (name.as_str(), inner) {
                    // Names of properties are not words of the schema.
                    ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                        named.values_mut().for_each(clean);
                    }
                    ("enum" | "const" | "default" | "examples" | "required", _) => {}
                    (_, inner) => clean(inner),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(clean),
        _ => {}
    }
}

/// A schema as Google writes it, made one of JSON: types in small letters, and what may be null said so.
pub(super) fn read(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let nullable = map.get("nullable").and_then(Value::as_bool) == Some(true);
    let mut schema = Map::with_capacity(map.len());
    for (name, value) in camels(map) {
        let value = match (name.as_str(), value) {
            ("nullable" | "propertyOrdering" | "example", _) | (_, Value::Null) => continue,
            ("type", Value::String(kind)) if kind == "TYPE_UNSPECIFIED" => continue,
            ("type", Value::String(kind)) => {
                let kind = kind.to_ascii_lowercase();
                if nullable { vec![kind, "null".to_owned()].into() } else { kind.into() }
            }
            ("properties", Value::Object(named)) => {
                named.into_iter().map(|(name, value)| (name, read(value))).collect::<Map<_, _>>().into()
            }
            ("anyOf", Value::Array(list)) => list.into_iter().map(read).collect::<Vec<_>>().into(),
            ("items", value) => read(value),
            // Whole numbers of 64 bits are texts to Google.
            (
                "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties",
                Value::String(number),
            ) => number.parse::<u64>().map_or(Value::String(number), Value::from),
            (_, value) => value,
        };
        schema.insert(name, value);
    }
    Value::Object(schema)
}
