//! Bodies of admin calls: JSON objects whose known fields are read the way pydantic reads them.

use super::refusal::Refusal;
use crate::domain::{ApiError, ErrorKind};
use crate::store::Doc;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// The query of a call; one that cannot be read is refused as pydantic does.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Query::try_from_uri(&parts.uri).map(|Query(asked)| Self(asked)).map_err(|error| {
            Refusal::Fields(vec![json!({
                "type": "value_error", "loc": ["query"], "msg": error.body_text(), "input": null,
            })])
        })
    }
}

/// What a field takes; null is taken by all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A text that is searched by: not longer than an index takes.
    Name,
    /// A list of texts.
    Texts,
    /// A number.
    Number,
    /// A whole number.
    Count,
    /// A truth.
    Truth,
    /// An object.
    Object,
    /// A list of objects.
    Objects,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Anything.
    Any,
}

/// A field of a body.
pub(super) type Field = (&'static str, Kind);

/// The longest [`Kind::Name`], in bytes: a row of an index in Postgres holds 2,704.
const LONGEST_NAME: usize = 1_000;

/// The known fields that a body has, converted; unknown ones are left out.
///
/// # Errors
/// The body is no JSON object, a field has the wrong type, a text cannot be stored.
pub(super) fn read(body: &[u8], fields: &[Field]) -> Result<Doc, Refusal> {
    let sent = object(body)?;
    convert(&sent, fields)
}

/// The body as a JSON object.
pub(super) fn object(body: &[u8]) -> Result<Doc, Refusal> {
    let detail = |kind: &str, msg: &str, input: Value| {
        Refusal::Fields(vec![json!({ "type": kind, "loc": ["body"], "msg": msg, "input": input })])
    };
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(detail("missing", "Field required", Value::Null));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(sent)) => Ok(sent),
        Ok(other) => {
            let words = "Input should be a valid dictionary or object to extract fields from";
            Err(detail("model_attributes_type", words, other))
        }
        Err(error) => {
            let words = format!("Invalid JSON payload: {error}");
            Err(ApiError::new(ErrorKind::InvalidJson, words).into())
        }
    }
}

/// The same as [`read`] for an object that is read already.
pub(super) fn convert(sent: &Doc, fields: &[Field]) -> Result<Doc, Refusal> {
    let (mut read, mut faults) = (Map::new(), Vec::new());
    for (name, kind) in fields {
        let Some(value) = sent.get(*name) else { continue };
        match converted(*kind, value) {
            Ok(value) => {
                storable(name, *kind, &value)?;
                read.insert((*name).to_owned(), value);
            }
            Err((mut fault, at)) => {
                let mut place = vec![json!("body"), json!(name)];
                place.extend(at.map(Value::from));
                fault["loc"] = Value::Array(place);
                faults.push(fault);
            }
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(Refusal::Fields(faults)) }
}

/// A fault without its place, and the item of a list it is in.
type Fault = (Value, Option<usize>);

fn converted(kind: Kind, value: &Value) -> Result<Value, Fault> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    match kind {
        Kind::Any => Ok(value.clone()),
        Kind::Text | Kind::Name => text(value).map_err(|fault| (fault, None)),
        Kind::Texts => list(value, text),
        Kind::Objects => list(value, dictionary),
        Kind::Object => dictionary(value).map_err(|fault| (fault, None)),
        Kind::Number => number(value).map_err(|fault| (fault, None)),
        Kind::Count => count(value).map_err(|fault| (fault, None)),
        Kind::Truth => truth(value).map_err(|fault| (fault, None)),
        Kind::OneOf(words) => one_of(words, value).map_err(|fault| (fault, None)),
    }
}

fn fault(kind: &str, words: &str, input: &Value) -> Value {
    json!({ "type": kind, "loc": [], "msg": format!("Input should be {words}"), "input": input })
}

fn text(value: &Value) -> Result<Value, Value> {
    if value.is_string() { Ok(value.clone()) } else { Err(fault("string_type", "a valid string", value)) }
}

fn dictionary(value: &Value) -> Result<Value, Value> {
    if value.is_object() { Ok(value.clone()) } else { Err(fault("dict_type", "a valid dictionary", value)) }
}

fn list(value: &Value, item: impl Fn(&Value) -> Result<Value, Value>) -> Result<Value, Fault> {
    let Some(items) = value.as_array() else {
        return Err((fault("list_type", "a valid list", value), None));
    };
    let read = items.iter().enumerate().map(|(at, value)| item(value).map_err(|fault| (fault, Some(at))));
    read.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn number(value: &Value) -> Result<Value, Value> {
    match value {
        Value::Number(number) => Ok(json!(number.as_f64())),
        Value::String(text) => match text.trim().parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => Ok(json!(number)),
            None => Err(fault("float_parsing", "a valid number, unable to parse string as a number", value)),
        },
        _ => Err(fault("float_type", "a valid number", value)),
    }
}

fn count(value: &Value) -> Result<Value, Value> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64);
    match value {
        Value::Number(number) => match number.as_i64().or_else(|| number.as_f64().and_then(whole)) {
            Some(number) => Ok(json!(number)),
            None if number.is_f64() => {
                Err(fault("int_from_float", "a valid integer, got a number with a fractional part", value))
            }
            None => Err(fault("less_than_equal", "less than or equal to 9223372036854775807", value)),
        },
        Value::String(text) => match text.trim().parse::<i64>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => {
                Err(fault("int_parsing", "a valid integer, unable to parse string as an integer", value))
            }
        },
        _ => Err(fault("int_type", "a valid integer", value)),
    }
}

fn truth(value: &Value) -> Result<Value, Value> {
    let word = match value {
        Value::Bool(_) => return Ok(value.clone()),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.to_lowercase(),
        _ => return Err(fault("bool_type", "a valid boolean", value)),
    };
    match word.as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(json!(true)),
        "0" | "false" | "f" | "no" | "n" | "off" => Ok(json!(false)),
        _ => Err(fault("bool_parsing", "a valid boolean, unable to interpret input", value)),
    }
}

fn one_of(words: &[&str], value: &Value) -> Result<Value, Value> {
    if value.as_str().is_some_and(|word| words.contains(&word)) {
        return Ok(value.clone());
    }
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let expected = match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    };
    let mut fault = fault("enum", &expected, value);
    fault["ctx"] = json!({ "expected": expected });
    Err(fault)
}

/// Postgres stores no NUL in texts and JSON.
fn storable(name: &str, kind: Kind, value: &Value) -> Result<(), Refusal> {
    if has_nul(value) {
        return Err(Refusal::bad(name, format!("`{name}` holds a NUL character.")));
    }
    if matches!(kind, Kind::Name) && value.as_str().is_some_and(|text| text.len() > LONGEST_NAME) {
        return Err(Refusal::bad(name, format!("`{name}` is longer than {LONGEST_NAME} bytes.")));
    }
    Ok(())
}

pub(super) fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        ("text", Kind::Text),
        ("name", Kind::Name),
        ("texts", Kind::Texts),
        ("number", Kind::Number),
        ("count", Kind::Count),
        ("truth", Kind::Truth),
        ("object", Kind::Object),
        ("word", Kind::OneOf(&["a", "b", "c"])),
    ];

    #[test]
    fn what_pydantic_takes_is_taken() {
        let body = br#"{"text":"x","texts":["a"],"number":"1.5","count":"7","truth":"yes","object":{},"word":null,"other":[]}"#;
        let read = read(body, FIELDS).unwrap();
        assert_eq!(
            Value::Object(read),
            json!({"text":"x","texts":["a"],"number":1.5,"count":7,"truth":true,"object":{},"word":null})
        );
    }

    #[test]
    fn what_it_refuses_is_refused_in_its_words() {
        for (field, value, kind, place) in [
            ("number", json!("abc"), "float_parsing", json!(["body", "number"])),
            ("number", json!([]), "float_type", json!(["body", "number"])),
            ("count", json!(1.5), "int_from_float", json!(["body", "count"])),
            ("count", json!("x"), "int_parsing", json!(["body", "count"])),
            ("text", json!(1), "string_type", json!(["body", "text"])),
            ("texts", json!("a"), "list_type", json!(["body", "texts"])),
            ("texts", json!(["a", 1]), "string_type", json!(["body", "texts", 1])),
            ("truth", json!("perhaps"), "bool_parsing", json!(["body", "truth"])),
            ("object", json!([]), "dict_type", json!(["body", "object"])),
            ("word", json!("d"), "enum", json!(["body", "word"])),
        ] {
            let body = json!({ field: value }).to_string();
            let Err(Refusal::Fields(faults)) = read(body.as_bytes(), FIELDS) else {
                panic!("{body} is taken")
            };
            assert_eq!((&faults[0]["type"], &faults[0]["loc"]), (&json!(kind), &place), "{body}");
        }
        let Err(Refusal::Fields(faults)) = read(br#"{"word":"d"}"#, FIELDS) else { panic!("taken") };
        assert_eq!(faults[0]["msg"], "Input should be 'a', 'b' or 'c'");
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(1_001));
        for body in
            [r#"{"text":"\u0000"}"#, r#"{"object":{"a":[{"\u0000":1}]}}"#, &long, "{", r#"{"text":"\ud800"}"#]
        {
            let Err(Refusal::Error(error)) = read(body.as_bytes(), FIELDS) else { panic!("{body} is taken") };
            assert_eq!(error.status(), 400, "{body}");
        }
        for body in ["", " ", "[]", "\"x\"", "null"] {
            assert!(matches!(read(body.as_bytes(), FIELDS), Err(Refusal::Fields(_))), "{body:?}");
        }
    }
}
