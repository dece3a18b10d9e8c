//! Values as Python prints them, which is what LiteLLM's `model_id` is a hash of.

use super::tree::{Node, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// LiteLLM's id of a deployment: sha256 over the public name and every parameter, in file order.
#[must_use]
pub(super) fn model_id<'a>(
    model_name: &str,
    params: impl IntoIterator<Item = (&'a str, &'a Node)>,
) -> String {
    let mut hash = Sha256::new();
    hash.update(model_name);
    for (key, value) in params {
        hash.update(key);
        match &value.value {
            Value::Map(_) => hash.update(json(value)),
            _ => hash.update(str_of(value)),
        }
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `str(value)`.
#[must_use]
pub(super) fn str_of(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        _ => repr(node),
    }
}

fn repr(node: &Node) -> String {
    match &node.value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) => float(*n),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", joined(items.iter().map(repr))),
        Value::Map(entries) => {
            let members = entries.iter().map(|e| format!("{}: {}", quoted(&e.key), repr(&e.node)));
            format!("{{{}}}", joined(members))
        }
    }
}

/// `json.dumps(value)` with its default separators and only ASCII.
fn json(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) if n.is_nan() => "NaN".to_owned(),
        Value::Float(n) if n.is_infinite() => if *n > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        Value::Float(n) => float(*n),
        Value::Text(text) => json_text(text),
        Value::List(items) => format!("[{}]", joined(items.iter().map(json))),
        Value::Map(entries) => {
            let members = entries.iter().map(|e| format!("{}: {}", json_text(&e.key), json(&e.node)));
            format!("{{{}}}", joined(members))
        }
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn json_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7e}' => out.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                _ = write!(out, "\\u{unit:04x}");
            }),
        }
    }
    out.push('"');
    out
}

/// `repr` of a text: single quotes unless only those occur in it.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => {
                _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// `repr` of a float: the shortest digits, with an exponent below 10⁻⁴ and from 10¹⁶.
fn float(n: f64) -> String {
    if n.is_nan() {
        return "nan".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{n:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return if n.fract() == 0.0 { format!("{n:.1}") } else { n.to_string() };
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    /// The expected values were computed by PyYAML, `json.dumps`, `str` and `hashlib`.
    #[test]
    fn ids_are_those_litellm_derives() {
        for (name, params, expected) in CASES {
            let node = yaml::parse(params, "t").unwrap();
            let id = model_id(name, node.entries().iter().map(|e| (e.key.as_str(), &e.node)));
            assert_eq!(id, expected, "{params}");
        }
    }

    #[test]
    fn floats_are_printed_as_python_does() {
        for (n, expected) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (1.078e-6, "1.078e-06"),
            (0.0001, "0.0001"),
            (1e16, "1e+16"),
            (123_456_789.25, "123456789.25"),
            (1e15, "1000000000000000.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e-100, "1e-100"),
        ] {
            assert_eq!(float(n), expected);
        }
    }

    const CASES: [(&str, &str, &str); 3] = [
        (
            "glm-5.1",
            "model: openai/glm-5.1\napi_base: https://api-ap-southeast-1.modelarts-maas.com/openai/v1\napi_key: key-0\ntpm: 500000\nrpm: 30\n",
            "0c9fadf05d794ad943a1e0a619d79000eb79d2752a60aea4ca09d8ac30603c0c",
        ),
        (
            "ok",
            "model: openai/ok\napi_key: null\ntemperature: 0.5\ndrop_params: True\ninput_cost_per_token: 0.000001078\n",
            "8039f277a3c38b54fe7639f22e7f1d29ed48d4b33aa0121c9007bb8950378cd2",
        ),
        (
            "d",
            "model: openai/d\nextra_headers: {X-A: \"b\\\"\\u00e9\", n: 1, f: 1.0, t: yes, z: null, l: [1, a]}\ntags: [\"it's\", b, 1.5, true, null, {a: b}]\n",
            "1a2dc105b0cc742993777fd035f2a76d81b9d8a873abea13fa69545da4498e6b",
        ),
    ];
}
