//! Members of a body and the types they want, with Pydantic's words for what is wrong.

use super::Refusal;
use crate::domain::{Money, Period};
use crate::store::Doc;
use serde_json::{Map, Value, json};

/// Largest whole number: what a double and every database column hold.
const LARGEST: u64 = 1 << 53;
/// The longest [`Kind::Name`], in bytes: a row of an index in Postgres holds 2,704.
const LONGEST_NAME: usize = 1_000;

/// What a member wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum Kind {
    /// Text.
    Text,
    /// Text that is searched by: not longer than an index takes.
    Name,
    /// A number.
    Number,
    /// US dollars from 0.
    Money,
    /// A whole number.
    Whole,
    /// A whole number from 0.
    Count,
    /// A truth.
    Truth,
    /// A list of texts.
    Texts,
    /// A list.
    List,
    /// A list of mappings.
    Maps,
    /// A mapping.
    Map,
    /// A mapping to whole numbers.
    Counts,
    /// A mapping of models to their budgets.
    Budgets,
    /// A length of time (`30d`).
    Period,
    /// One of these words, which Pydantic has as literals.
    Word(&'static [&'static str]),
    /// One of these words, which it has as an enum.
    OneOf(&'static [&'static str]),
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
    /// The same of the item at this place of a list.
    Item(usize, &'static str, String),
    /// None of these words: the same, with the words by themselves.
    Enum(String),
    /// A value out of range: a 400.
    Value(String),
}

/// The members of a document that `fields` name, null where it says null.
pub(in crate::control) fn read(doc: &Doc, fields: &[&[Field]]) -> Result<Doc, Refusal> {
    let (mut found, mut faults) = (Doc::new(), Vec::new());
    for field in fields.iter().copied().flatten() {
        match doc.get(field.name) {
            None if field.required => faults.push(missing(field.name, doc)),
            None => {}
            Some(Value::Null) if !field.required => drop(found.insert(field.name.to_owned(), Value::Null)),
            Some(value) => match typed(field.kind, value) {
                Ok(value) => drop(found.insert(field.name.to_owned(), value)),
                Err(Fault::Value(words)) => {
                    return Err(Refusal::bad(format!("{}: {words}", field.name)).of(field.name));
                }
                Err(fault) => faults.push(told(field.name, fault, value)),
            },
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Refusal::Fields(faults)) }
}

/// A member that must be there is not.
pub(super) fn missing(name: &str, doc: &Doc) -> Value {
    fault(name, "missing", "Field required", &harmless(doc))
}

/// A fault as FastAPI tells it.
fn told(name: &str, found: Fault, value: &Value) -> Value {
    match found {
        Fault::Type(kind, words) => fault(name, kind, &words, value),
        Fault::Item(at, kind, words) => {
            let mut told = fault(name, kind, &words, value.get(at).unwrap_or(value));
            told["loc"] = json!(["body", name, at]);
            told
        }
        Fault::Enum(expected) => {
            let mut told = fault(name, "enum", &format!("Input should be {expected}"), value);
            told["ctx"] = json!({ "expected": expected });
            told
        }
        Fault::Value(words) => fault(name, "value_error", &words, value),
    }
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
        (Kind::Name, Value::String(text)) if text.len() <= LONGEST_NAME => Ok(value.clone()),
        (Kind::Name, Value::String(_)) => Err(Fault::Value(format!("wants at most {LONGEST_NAME} bytes"))),
        (Kind::Name, _) => wrong("string_type", "Input should be a valid string"),
        (Kind::Number, _) => number(value).map(Value::from),
        (Kind::Money, _) => money(value),
        (Kind::Whole, _) => whole(value),
        (Kind::Count, _) => count(value),
        (Kind::Truth, _) => truth(value),
        (Kind::Texts, Value::Array(items)) => {
            all(items, value, Value::is_string, "string_type", "Input should be a valid string")
        }
        (Kind::Maps, Value::Array(items)) => {
            all(items, value, Value::is_object, "dict_type", "Input should be a valid dictionary")
        }
        (Kind::Texts | Kind::List | Kind::Maps, _) => wrong("list_type", "Input should be a valid list"),
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
        (Kind::Word(words) | Kind::OneOf(words), Value::String(text)) if words.contains(&text.as_str()) => {
            Ok(value.clone())
        }
        (Kind::Word(words), _) => Err(Fault::Type("literal_error", format!("Input should be {}", or(words)))),
        (Kind::OneOf(words), _) => Err(Fault::Enum(or(words))),
    }
}

/// A list whose items all pass; else the first that does not.
fn all(
    items: &[Value],
    list: &Value,
    passes: fn(&Value) -> bool,
    kind: &'static str,
    words: &str,
) -> Result<Value, Fault> {
    match items.iter().position(|item| !passes(item)) {
        Some(at) => Err(Fault::Item(at, kind, words.to_owned())),
        None => Ok(list.clone()),
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

/// A number without a fraction.
fn integer(value: &Value) -> Result<f64, Fault> {
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
    Ok(read)
}

fn whole(value: &Value) -> Result<Value, Fault> {
    let read = integer(value)?;
    if read.abs() > LARGEST as f64 {
        return Err(Fault::Value("wants a whole number from -2^53 to 2^53".to_owned()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    let whole = read as i64;
    Ok(Value::from(whole))
}

fn count(value: &Value) -> Result<Value, Fault> {
    let read = integer(value)?;
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

/// `'a', 'b' or 'c'`.
fn or(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => quoted.concat(),
    }
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
        assert_eq!(check(Kind::Whole, json!("-7")), Ok(json!(-7)));
        assert_eq!(check(Kind::Number, json!(-1)), Ok(json!(-1.0)));
        assert_eq!(check(Kind::Truth, json!("Yes")), Ok(json!(true)));
        assert_eq!(check(Kind::OneOf(&["a", "b"]), json!("b")), Ok(json!("b")));
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
            (Kind::Name, json!(1), "string_type"),
            (Kind::Number, json!("x"), "float_parsing"),
            (Kind::Whole, json!(1.5), "int_from_float"),
            (Kind::Maps, json!({}), "list_type"),
            (Kind::Maps, json!([{}, 1]), "dict_type"),
            (Kind::Word(&["a", "b"]), json!("c"), "literal_error"),
            (Kind::OneOf(&["a", "b"]), json!("c"), "enum"),
        ] {
            assert_eq!(check(kind, value.clone()), Err(word.to_owned()), "{kind:?} {value}");
        }
    }

    #[test]
    fn a_fault_is_told_with_its_place_and_what_was_expected() {
        let faults = |kind, value: Value| {
            let doc = Doc::from_iter([("f".to_owned(), value)]);
            let Err(Refusal::Fields(faults)) = read(&doc, &[&[want("f", kind)]]) else { panic!("taken") };
            faults
        };
        let item = &faults(Kind::Texts, json!(["a", 1]))[0];
        assert_eq!((&item["loc"], &item["input"]), (&json!(["body", "f", 1]), &json!(1)));
        let word = &faults(Kind::OneOf(&["a", "b", "c"]), json!("d"))[0];
        assert_eq!(word["msg"], "Input should be 'a', 'b' or 'c'");
        assert_eq!(word["ctx"]["expected"], "'a', 'b' or 'c'");
    }

    #[test]
    fn a_limit_that_would_be_none_is_refused() {
        for (kind, value) in [
            (Kind::Money, json!(-5)),
            (Kind::Money, json!(1e10)),
            (Kind::Count, json!(-1)),
            (Kind::Count, json!(1e300)),
            (Kind::Period, json!("abc")),
            (Kind::Name, json!("x".repeat(1_001))),
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
