//! Values of the right type that make no sense all the same.

use super::stored::PREFIX;
use crate::auth::{Claim, Presented};
use crate::control::input::Refusal;
use crate::domain::Period;
use crate::runtime::Snapshot;
use crate::store::Doc;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::net::IpAddr;

/// Fields that are money or counts.
const NOT_NEGATIVE: [&str; 7] = [
    "max_budget",
    "soft_budget",
    "spend",
    "temp_budget_increase",
    "tpm_limit",
    "rpm_limit",
    "max_parallel_requests",
];

/// Looks through the fields of a request.
pub(super) fn check(fields: &Doc) -> Result<(), Refusal> {
    for name in NOT_NEGATIVE {
        if let Some(value) = fields.get(name) {
            not_negative(name, value)?;
        }
    }
    for name in ["budget_duration", "rotation_interval"] {
        if let Some(text) = fields.get(name).and_then(Value::as_str) {
            period(name, text)?;
        }
    }
    for name in ["model_rpm_limit", "model_tpm_limit"] {
        for limit in fields.get(name).and_then(Value::as_object).into_iter().flat_map(Doc::values) {
            if !limit.is_u64() {
                return Err(Refusal::bad_member(
                    name,
                    format!("`{name}` wants whole numbers for its models."),
                ));
            }
        }
    }
    for budget in fields.get("model_max_budget").and_then(Value::as_object).into_iter().flat_map(Doc::values)
    {
        terms(
            "model_max_budget",
            budget,
            &["budget_limit", "max_budget"],
            &["time_period", "budget_duration"],
        )?;
    }
    for window in fields.get("budget_limits").and_then(Value::as_array).into_iter().flatten() {
        if !(window["budget_duration"].is_string() && window["max_budget"].is_number()) {
            let words = "`budget_limits` wants a `budget_duration` and a `max_budget` in each entry.";
            return Err(Refusal::bad_member("budget_limits", words));
        }
        terms("budget_limits", window, &["max_budget"], &["budget_duration"])?;
    }
    addresses(fields)
}

fn not_negative(name: &str, value: &Value) -> Result<(), Refusal> {
    match value.as_f64() {
        Some(number) if number < 0.0 => {
            Err(Refusal::bad_member(name, format!("{name} cannot be negative. Received: {value}")))
        }
        _ => Ok(()),
    }
}

fn terms(field: &str, value: &Value, amounts: &[&str], periods: &[&str]) -> Result<(), Refusal> {
    let Some(terms) = value.as_object() else {
        return if value.is_number() {
            not_negative(field, value)
        } else {
            Err(Refusal::bad_member(field, format!("`{field}` wants amounts of money.")))
        };
    };
    for amount in amounts.iter().filter_map(|name| terms.get(*name)) {
        if !amount.is_number() && !amount.is_null() {
            return Err(Refusal::bad_member(field, format!("`{field}` wants amounts of money.")));
        }
        not_negative(field, amount)?;
    }
    periods
        .iter()
        .filter_map(|name| terms.get(*name)?.as_str())
        .try_for_each(|text| period(field, text).map(drop))
}

/// An address that cannot be read would be left out, and the key usable from anywhere.
fn addresses(fields: &Doc) -> Result<(), Refusal> {
    let Some(listed) = fields.get("metadata").and_then(|metadata| metadata.get("allowed_ips")) else {
        return Ok(());
    };
    let known = |ip: &Value| ip.as_str().is_some_and(|ip| ip == "*" || ip.parse::<IpAddr>().is_ok());
    match listed {
        Value::Null => Ok(()),
        Value::Array(ips) if ips.iter().all(known) => Ok(()),
        _ => Err(Refusal::bad_member("metadata", "`allowed_ips` wants a list of IP addresses.")),
    }
}

/// A duration.
pub(super) fn period(name: &str, text: &str) -> Result<Period, Refusal> {
    text.parse().map_err(|fault| {
        Refusal::bad_member(name, format!("{fault}: `{name}` wants a number and one of s, m, h, d, w, mo."))
    })
}

/// A time, with or without a zone.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    let zoned = text.parse::<Timestamp>().ok();
    let plain = || text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(Date::into));
    let found = zoned.or_else(|| plain()?.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp()));
    found.ok_or_else(|| Refusal::bad_member(name, format!("`{name}` wants a time in ISO form.")))
}

/// A key that somebody thought up.
pub(super) fn custom_key(key: &str, snapshot: &Snapshot) -> Result<(), Refusal> {
    if !key.starts_with(PREFIX) || key.len() <= PREFIX.len() {
        return Err(Refusal::bad_member(
            "key",
            "Invalid key format. LiteLLM Virtual Keys must start with 'sk-'.",
        ));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::bad_member("key", "A key is made of ASCII letters, digits and signs."));
    }
    if matches!(snapshot.verifier.check(Presented::Key(key)), Ok(Claim::Known(_)))
        && snapshot.verifier.is_on()
    {
        return Err(Refusal::bad_member("key", "This key cannot be used."));
    }
    Ok(())
}
