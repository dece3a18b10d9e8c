//! JSON schemas as Gemini takes them.

use serde_json::Value;

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
