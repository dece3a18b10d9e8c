//! What a member of a body wants, and whether a value is that.

use crate::domain::{Money, Period};
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

/// What is wrong with a value.
pub(super) enum Fault {
    /// A wrong type: FastAPI's 422.
    Type(&'static str, String),
    /// The same of the item at this place of a list.
    Item(usize, &'static str, String),
    /// None of these words: the same, with the words by themselves.
    Enum(String),
    /// A value out of range: a 400.
    Value(String),
}

/// A value as its kind has it, converted where Pydantic converts.
///
/// # Errors
/// What is wrong with it.
pub(super) fn typed(kind: Kind, value: &Value) -> Result<Value, Fault> {
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
