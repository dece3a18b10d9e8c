//! Plain scalars as PyYAML reads them (YAML 1.1), because configurations were written for it.

use super::tree::Value;

/// What an unquoted word means.
#[must_use]
pub(super) fn resolve(word: &str) -> Value {
    if is_null(word) {
        return Value::Null;
    }
    if let Some(b) = boolean(word) {
        return Value::Bool(b);
    }
    if let Some(n) = integer(word) {
        return Value::Int(n);
    }
    match float(word) {
        Some(n) => Value::Float(n),
        None => Value::Text(word.to_owned()),
    }
}

/// Whether an unquoted word is null.
#[must_use]
pub(super) fn is_null(word: &str) -> bool {
    matches!(word, "" | "~" | "null" | "Null" | "NULL")
}

/// A boolean in any of YAML 1.1's spellings.
#[must_use]
pub(super) fn boolean(word: &str) -> Option<bool> {
    match word {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// An integer: decimal, `0b`, `0x`, octal with a leading zero, with `_` anywhere, or base 60 (`1:30`).
#[must_use]
pub(super) fn integer(word: &str) -> Option<i64> {
    let (negative, digits) = sign(word);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let clean: String = digits.chars().filter(|&c| c != '_').collect();
    let magnitude = if clean.contains(':') {
        sexagesimal(&clean)?
    } else if let Some(bits) = clean.strip_prefix("0b") {
        i64::from_str_radix(unsigned(bits)?, 2).ok()?
    } else if let Some(hex) = clean.strip_prefix("0x") {
        i64::from_str_radix(unsigned(hex)?, 16).ok()?
    } else if clean.len() > 1 && clean.starts_with('0') {
        i64::from_str_radix(unsigned(&clean)?, 8).ok()?
    } else {
        unsigned(&clean)?.parse().ok()?
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn sexagesimal(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    for (i, part) in text.split(':').enumerate() {
        let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let fits = if i == 0 { !part.starts_with('0') } else { part.len() <= 2 };
        let value: i64 = part.parse().ok().filter(|v| plain && fits && (i == 0 || *v < 60))?;
        total = total.checked_mul(60)?.checked_add(value)?;
    }
    Some(total)
}

/// A number with a point. Like PyYAML, an exponent counts only after a point and with a sign:
/// `1e-6` is text (and still taken where a number is wanted).
#[must_use]
pub(super) fn float(word: &str) -> Option<f64> {
    let (negative, body) = sign(word);
    let magnitude = match body {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" if body.len() == word.len() => f64::NAN,
        _ => decimal(body)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn decimal(body: &str) -> Option<f64> {
    let (whole, rest) = body.split_once('.')?;
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (rest.get(..at)?, rest.get(at + 1..)),
        None => (rest, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let starts = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let mantissa_ok =
        digits(whole) && digits(fraction) && if whole.is_empty() { starts(fraction) } else { starts(whole) };
    let exponent_ok = exponent.is_none_or(|e| {
        let (_, rest) = sign(e);
        rest.len() < e.len() && !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())
    });
    let clean: String = body.chars().filter(|&c| c != '_').collect();
    (mantissa_ok && exponent_ok).then(|| clean.parse().ok()).flatten()
}

fn sign(word: &str) -> (bool, &str) {
    match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    }
}

fn unsigned(digits: &str) -> Option<&str> {
    (!digits.starts_with(['+', '-'])).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_pyyaml_makes_of_them() {
        let text = |s: &str| Value::Text(s.to_owned());
        for (word, expected) in [
            ("True", Value::Bool(true)),
            ("off", Value::Bool(false)),
            ("y", text("y")),
            ("", Value::Null),
            ("~", Value::Null),
            ("100", Value::Int(100)),
            ("-1_000", Value::Int(-1000)),
            ("0x1F", Value::Int(31)),
            ("0b11", Value::Int(3)),
            ("010", Value::Int(8)),
            ("08", text("08")),
            ("0o10", text("0o10")),
            ("1:30", Value::Int(90)),
            ("12:99", text("12:99")),
            ("0.5", Value::Float(0.5)),
            (".5", Value::Float(0.5)),
            ("5.", Value::Float(5.0)),
            ("1.5e-06", Value::Float(1.5e-6)),
            ("1.5e6", text("1.5e6")),
            ("1e-6", text("1e-6")),
            (".", text(".")),
            ("1.2.3", text("1.2.3")),
            ("-", text("-")),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            ("99999999999999999999", text("99999999999999999999")),
            ("30d", text("30d")),
        ] {
            assert!(
                resolve(word) == expected,
                "{word}: {}",
                super::super::tree::Node::bare(resolve(word)).kind()
            );
        }
    }
}
