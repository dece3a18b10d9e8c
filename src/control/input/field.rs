//! Members of a body and the types they want, with Pydantic's words for what is wrong.

use super::Refusal;
use super::value::{Fault, Kind, typed};
use crate::store::Doc;
use serde_json::{Map, Value, json};

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
