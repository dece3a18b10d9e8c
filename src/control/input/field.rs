//! Members of a body and the types they want, with Pydantic's words for what is wrong.

use super::Refusal;
use crate::domain::{Money, Period};
use crate::store::Doc;
use serde_json::{Map, Value, json};

/// Largest whole number: what a double and every database column hold.
const LARGEST: u64 = 1 << 53;

/// What a member wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum Kind {
    /// Text.
    Text,
    /// US dollars from 0.
    Money,
    /// A whole number from 0.
    Count,
    /// A truth.
    Truth,
    /// A list of texts.
    Texts,
    /// A list.
    List,
    /// A mapping.
    Map,
    /// A mapping to whole numbers.
    Counts,
    /// A mapping of models to their budgets.
    Budgets,
    /// A length of time (`30d`).
    Period,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Anything.
    Any,
}

/// A member of a body.
#[derive(Clone, Copy, Debug)]
pub(in crate::control) struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
}

/// A member that may be there.
pub(in crate::control) const fn want(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// A member that must be there.
pub(in crate::control) const fn need(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

/// What is wrong with a value.
enum Fault {
    /// A wrong type: FastAPI's 422.
    Type(&'static str, String),
    /// A value out of range: a 400.
    Value(String),
}

/// The members of a document that `fields` name, null where it says null.
pub(in crate::control) fn read(doc: &Doc, fields: &[&[Field]]) -> Result<Doc, Refusal> {
    let (mut found, mut faults) = (Doc::new(), Vec::new());
    for field in fields.iter().copied().flatten() {
        match doc.get(field.name) {
            None if field.required => {
                faults.push(fault(field.name, "missing", "Field required", &harmless(doc)))
            }
            None => {}
            Some(Value::Null) if !field.required => drop(found.insert(field.name.to_owned(), Value::Null)),
            Some(value) => match typed(field.kind, value) {
                Ok(value) => drop(found.insert(field.name.to_owned(), value)),
                Err(Fault::Type(kind, words)) => faults.push(fault(field.name, kind, &words, value)),
                Err(Fault::Value(words)) => {
                    return Err(Refusal::bad(&format!("{}: {words}", field.name)).of(field.name));
                }
            },
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Refusal::Fields(faults)) }
}

fn fault(name: &str, kind: &str, words: &str, input: &Value) -> Value {
    json!({ "type": kind, "loc": ["body", name], "msg": words, "input": input })
}

/// A body as it may be repeated: without what may be a credential.
fn harmless(doc: &Doc) -> Value {
    let kept = doc.iter().filter(|(name, _)| !matches!(name.as_str(), "key" | "litellm_params" | "password"));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

fn typed(kind: Kind, value: &Value) -> Result<Value, Fault> {
    let wrong = |word, words: &str| Err(Fault::Type(word, words.to_owned()));
    match (kind, value) {
        (Kind::Any, _)
        | (Kind::Text, Value::String(_))
        | (Kind::Truth, Value::Bool(_))
        | (Kind::List, Value::Array(_))
        | (Kind::Map, Value::Object(_)) => Ok(value.clone()),
        (Kind::Text | Kind::Period, Value::Null | Value::Bool(_) | Value::Number(_)) | (Kind::Text, _) => {
            wrong("string_type", "Input should be a valid string")
        }
        (Kind::Money, _) => money(value),
        (Kind::Count, _) => count(value),
        (Kind::Truth, _) => truth(value),
        (Kind::Texts, Value::Array(items)) if items.iter().all(Value::is_string) => Ok(value.clone()),
        (Kind::Texts, Value::Array(_)) => wrong("string_type", "Input should be a valid string"),
        (Kind::Texts | Kind::List, _) => wrong("list_type", "Input should be a valid list"),
        (Kind::Counts, Value::Object(members)) => {
            let read = |(name, value): (&String, &Value)| Ok((name.clone(), count(value)?));
            Ok(Value::Object(members.iter().map(read).collect::<Result<Map<_, _>, Fault>>()?))
        }
        (Kind::Budgets, Value::Object(members)) => {
            members.values().try_for_each(model_budget)?;
            Ok(value.clone())
        }
        (Kind::Map | Kind::Counts | Kind::Budgets, _) => {
            wrong("dict_type", "Input should be a valid dictionary")
        }
        (Kind::Period, _) => period(value),
        (Kind::Word(words), _) => word(words, value),
    }
}

fn number(value: &Value) -> Result<f64, Fault> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => Some(number),
            Err(_) => {
                let words = "Input should be a valid number, unable to parse string as a number";
                return Err(Fault::Type("float_parsing", words.to_owned()));
            }
        },
        _ => None,
    }
    .filter(|number| number.is_finite())
    .ok_or_else(|| Fault::Type("float_type", "Input should be a valid number".to_owned()))
}

fn money(value: &Value) -> Result<Value, Fault> {
    let dollars = number(value)?;
    match Money::from_dollars(dollars) {
        Some(_) => Ok(json!(dollars)),
        None => Err(Fault::Value(format!("wants US dollars from 0 to 9000000, not {dollars}"))),
    }
}

fn count(value: &Value) -> Result<Value, Fault> {
    let read = match value {
        Value::String(text) => text.trim().parse::<i64>().map(|n| n as f64).map_err(|_| {
            let words = "Input should be a valid integer, unable to parse string as an integer";
            Fault::Type("int_parsing", words.to_owned())
        })?,
        Value::Number(_) => number(value)?,
        _ => return Err(Fault::Type("int_type", "Input should be a valid integer".to_owned())),
    };
    if read.fract() != 0.0 {
        let words = "Input should be a valid integer, got a number with a fractional part";
        return Err(Fault::Type("int_from_float", words.to_owned()));
    }
    if !(0.0..=LARGEST as f64).contains(&read) {
        return Err(Fault::Value("wants a whole number from 0 to 2^53".to_owned()));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    let whole = read as u64;
    Ok(Value::from(whole))
}

fn truth(value: &Value) -> Result<Value, Fault> {
    let word = match value {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return Err(Fault::Type("bool_type", "Input should be a valid boolean".to_owned())),
    };
    match word.as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Ok(Value::Bool(true)),
        "false" | "0" | "no" | "off" | "f" | "n" => Ok(Value::Bool(false)),
        _ => {
            let words = "Input should be a valid boolean, unable to interpret input";
            Err(Fault::Type("bool_parsing", words.to_owned()))
        }
    }
}

fn period(value: &Value) -> Result<Value, Fault> {
    let Value::String(text) = value else {
        return Err(Fault::Type("string_type", "Input should be a valid string".to_owned()));
    };
    match text.parse::<Period>() {
        Ok(_) => Ok(value.clone()),
        Err(bad) => Err(Fault::Value(format!("{bad}: wants a number and s, m, h, d, w or mo"))),
    }
}

fn model_budget(value: &Value) -> Result<(), Fault> {
    let Value::Object(terms) = value else { return money(value).map(drop) };
    let amount = terms.get("budget_limit").or_else(|| terms.get("max_budget")).unwrap_or(&Value::Null);
    money(amount)?;
    for name in ["time_period", "budget_duration"] {
        terms.get(name).filter(|value| !value.is_null()).map_or(Ok(Value::Null), period)?;
    }
    Ok(())
}

fn word(words: &[&str], value: &Value) -> Result<Value, Fault> {
    if value.as_str().is_some_and(|text| words.contains(&text)) {
        return Ok(value.clone());
    }
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, first) = quoted.split_last().map(|(l, f)| (l.as_str(), f.join(", "))).unwrap_or_default();
    Err(Fault::Type("literal_error", format!("Input should be {first} or {last}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, value: Value) -> Result<Value, String> {
        let doc = Doc::from_iter([("f".to_owned(), value)]);
        match read(&doc, &[&[want("f", kind)]]) {
            Ok(found) => Ok(found["f"].clone()),
            Err(Refusal::Fields(list)) => Err(list[0]["type"].as_str().unwrap_or_default().to_owned()),
            Err(refusal) => Err(refusal.words()),
        }
    }

    #[test]
    fn values_are_read_as_pydantic_reads_them() {
        assert_eq!(check(Kind::Count, json!("7")), Ok(json!(7)));
        assert_eq!(check(Kind::Count, json!(7.0)), Ok(json!(7)));
        assert_eq!(check(Kind::Money, json!("1.5")), Ok(json!(1.5)));
        assert_eq!(check(Kind::Truth, json!("true")), Ok(json!(true)));
        assert_eq!(check(Kind::Text, Value::Null), Ok(Value::Null));
        for (kind, value, word) in [
            (Kind::Count, json!("x"), "int_parsing"),
            (Kind::Count, json!(1.5), "int_from_float"),
            (Kind::Count, json!([1]), "int_type"),
            (Kind::Money, json!("x"), "float_parsing"),
            (Kind::Money, json!({}), "float_type"),
            (Kind::Text, json!(1), "string_type"),
            (Kind::Texts, json!("x"), "list_type"),
            (Kind::Texts, json!([1]), "string_type"),
            (Kind::Map, json!([]), "dict_type"),
            (Kind::Counts, json!({"m": "x"}), "int_parsing"),
            (Kind::Truth, json!("x"), "bool_parsing"),
            (Kind::Word(&["a", "b"]), json!("c"), "literal_error"),
        ] {
            assert_eq!(check(kind, value.clone()), Err(word.to_owned()), "{kind:?} {value}");
        }
    }

    #[test]
    fn a_limit_that_would_be_none_is_refused() {
        for (kind, value) in [
            (Kind::Money, json!(-5)),
            (Kind::Money, json!(1e10)),
            (Kind::Count, json!(-1)),
            (Kind::Count, json!(1e300)),
            (Kind::Period, json!("abc")),
            (Kind::Budgets, json!({"m": -1})),
            (Kind::Budgets, json!({"m": {"budget_limit": 1, "time_period": "x"}})),
        ] {
            assert!(check(kind, value.clone()).unwrap_err().starts_with("f: "), "{kind:?} {value}");
        }
        let missing = read(&Doc::new(), &[&[need("user_ids", Kind::Texts)]]).unwrap_err();
        let Refusal::Fields(list) = missing else { panic!("not a list") };
        assert_eq!(list[0]["loc"], json!(["body", "user_ids"]));
    }
}
