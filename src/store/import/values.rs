//! One value of LiteLLM's tables as documents hold it: from what `row_to_json` makes of it, and from what `COPY … CSV`
//! writes.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Number, Value};

/// What a column holds; columns of other names stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Time,
    Dollars,
    Count,
    Truth,
    List,
    Json,
    Plain,
}

#[rustfmt::skip]
const FORMS: &[(Form, &[&str])] = &[
    (Form::Time, &["expires", "last_active"]),
    (Form::Dollars, &["max_budget", "soft_budget"]),
    (Form::Count, &["tpm_limit", "rpm_limit", "max_parallel_requests", "rotation_count"]),
    (Form::Truth, &["blocked", "soft_budget_cooldown", "auto_rotate"]),
    (Form::List, &[
        "models", "teams", "admins", "members", "allowed_models", "allowed_routes", "allowed_cache_controls", "policies",
        "access_group_ids", "team_member_permissions",
    ]),
    (Form::Json, &[
        "aliases", "model_aliases", "config", "router_settings", "permissions", "metadata", "model_spend",
        "model_max_budget", "budget_limits", "members_with_roles", "litellm_params", "model_info", "model_rpm_limit",
        "model_tpm_limit", "credential_values", "credential_info",
    ]),
];

fn form(column: &str) -> Form {
    let named = FORMS.iter().find(|(_, names)| names.contains(&column)).map(|(form, _)| *form);
    named.unwrap_or(if column.ends_with("_at") { Form::Time } else { Form::Plain })
}

/// The value as documents hold it; null if there is none. `None` if it cannot be read.
pub(super) fn normal(column: &str, value: Value) -> Option<Value> {
    match (form(column), value) {
        (Form::Plain, value) | (_, value @ Value::Null) => Some(value),
        (Form::Time, Value::String(text)) => Some(Value::from(time(&text)?)),
        (Form::Dollars, value) => number(value)?.as_f64().and_then(Number::from_f64).map(Value::Number),
        (Form::Count, value) => number(value).map(Value::Number),
        (Form::Truth, Value::String(text)) => match text.as_str() {
            "t" | "true" | "True" => Some(Value::Bool(true)),
            "f" | "false" | "False" => Some(Value::Bool(false)),
            _ => None,
        },
        (Form::Truth, value @ Value::Bool(_)) | (Form::List, value @ Value::Array(_)) => Some(value),
        (Form::List, Value::String(text)) => {
            array(&text).or_else(|| serde_json::from_str(&text).ok().filter(Value::is_array))
        }
        // Some releases wrote the text of a document as a JSON text.
        (Form::Json, Value::String(text)) => serde_json::from_str(&text).ok().and_then(|inner| match inner {
            Value::String(twice) => serde_json::from_str(&twice).ok(),
            once => Some(once),
        }),
        (Form::Json, value) => Some(value),
        _ => None,
    }
}

/// A time in unix milliseconds, from its normal form.
pub(super) fn time_ms(value: Option<&Value>) -> Option<i64> {
    value?.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// LiteLLM's times have no zone and mean UTC.
fn time(text: &str) -> Option<String> {
    let zoned = text.parse::<Timestamp>().ok();
    let plain = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    Some(zoned.or_else(plain)?.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

fn number(value: Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number),
        Value::String(text) => serde_json::from_str(text.trim()).ok(),
        _ => None,
    }
}

/// A list of texts as Postgres writes it: `{a,"b c",NULL}`.
fn array(text: &str) -> Option<Value> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let (mut items, mut item, mut quoted) = (Vec::new(), String::new(), None);
    let mut letters = inner.chars();
    let finish = |item: &mut String, quoted: &mut Option<bool>| {
        let text = std::mem::take(item);
        let is_null = quoted.take().is_none() && text.eq_ignore_ascii_case("null");
        if is_null { Value::Null } else { Value::from(text) }
    };
    while let Some(letter) = letters.next() {
        match (letter, quoted) {
            ('\\', _) => item.push(letters.next()?),
            ('"', None) if item.is_empty() => quoted = Some(true),
            ('"', Some(true)) => quoted = Some(false),
            (',', None | Some(false)) => items.push(finish(&mut item, &mut quoted)),
            // More dimensions have no place in these columns.
            ('{' | '}', None) | (_, Some(false)) => return None,
            (letter, _) => item.push(letter),
        }
    }
    if quoted == Some(true) {
        return None;
    }
    if !inner.is_empty() {
        items.push(finish(&mut item, &mut quoted));
    }
    Some(Value::Array(items.into_iter().filter(|item| !item.is_null()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_sources_give_the_same() {
        for (column, from_server, from_file, wanted) in [
            (
                "expires",
                json!("2026-12-21T01:48:16.628"),
                "2026-12-21 01:48:16.628",
                json!("2026-12-21T01:48:16.628000Z"),
            ),
            (
                "created_at",
                json!("2026-12-21T01:48:16.628+02:00"),
                "2026-12-21 01:48:16.628+02",
                json!("2026-12-20T23:48:16.628000Z"),
            ),
            ("max_budget", json!(10), "10", json!(10.0)),
            ("max_budget", json!(3.3964e-5), "3.3964e-05", json!(0.000_033_964)),
            (
                "rpm_limit",
                json!(9_007_199_254_740_993_i64),
                "9007199254740993",
                json!(9_007_199_254_740_993_i64),
            ),
            ("blocked", json!(true), "t", json!(true)),
            ("models", json!(["a", "b c", "q\"\\"]), r#"{a,"b c","q\"\\"}"#, json!(["a", "b c", "q\"\\"])),
            ("models", json!([]), "{}", json!([])),
            ("models", json!(["null"]), r#"{"null",NULL}"#, json!(["null"])),
            ("metadata", json!({ "a": [1, "ü"] }), r#"{"a": [1, "ü"]}"#, json!({ "a": [1, "ü"] })),
            ("metadata", json!("{\"a\": 1}"), r#""{\"a\": 1}""#, json!({ "a": 1 })),
            ("key_alias", json!("{a}"), "{a}", json!("{a}")),
        ] {
            assert_eq!(normal(column, from_server).as_ref(), Some(&wanted), "{column}");
            assert_eq!(normal(column, Value::from(from_file)), Some(wanted), "{column}: {from_file}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        for (column, value) in [
            ("expires", "soon"),
            ("max_budget", "NaN"),
            ("tpm_limit", "many"),
            ("blocked", "maybe"),
            ("models", "{a"),
            ("models", "{{a},{b}}"),
            ("metadata", "{a}"),
        ] {
            assert_eq!(normal(column, Value::from(value)), None, "{column}: {value}");
        }
        assert_eq!(normal("expires", Value::Null), Some(Value::Null));
    }
}
