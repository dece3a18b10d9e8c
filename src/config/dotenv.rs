//! The `.env` format: `KEY=VALUE` with comments, quotes, `export` and `${VAR}`.

use super::{Place, Warning};
use std::ops::Range;
use std::sync::Arc;

/// Parses a `.env` text into variables in file order. `outer` looks up what the process has set,
/// which `${VAR}` prefers. A line that is no assignment is left out with a warning.
pub(super) fn parse(
    text: &str,
    file: &str,
    outer: impl Fn(&str) -> Option<String>,
) -> (Vec<(String, String)>, Vec<Warning>) {
    let file: Arc<str> = Arc::from(file);
    let mut vars: Vec<(String, String)> = Vec::new();
    let mut warnings = Vec::new();
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut more = || lines.next().map(|(line, _)| line.to_owned());
        match assignment(line, &mut more) {
            Ok((name, raw)) => {
                let lookup = |name: &str| outer(name).or_else(|| last(&vars, name));
                let value = match raw {
                    Raw::Literal(value) => value,
                    Raw::Expanded(value) => expand(&value, lookup),
                };
                vars.push((name, value));
            }
            Err(message) => {
                let place = Place { file: Arc::clone(&file), line: number, column: 1, path: String::new() };
                warnings.push(Warning { place, message: format!("{message}; the line is left out") });
            }
        }
    }
    dedup_keeping_last(&mut vars);
    (vars, warnings)
}

/// Where a `.env` text sets a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// Its lines, counted from 0.
    pub lines: Range<usize>,
}

/// The assignments of a `.env` text, in file order; lines that are none are passed over.
#[must_use]
pub fn assignments(text: &str) -> Vec<Assignment> {
    let mut found = Vec::new();
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().zip(0..);
    while let Some((line, first)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut end = first + 1;
        let mut more = || {
            let (line, number) = lines.next()?;
            end = number + 1;
            Some(line.to_owned())
        };
        if let Ok((name, _)) = assignment(line, &mut more) {
            found.push(Assignment { name, lines: first..end });
        }
    }
    found
}

enum Raw {
    Literal(String),
    Expanded(String),
}

fn assignment(line: &str, more: &mut dyn FnMut() -> Option<String>) -> Result<(String, Raw), &'static str> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=').ok_or("not KEY=VALUE")?;
    let name = name.trim_end();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
        return Err("not a variable's name before \"=\"");
    }
    let value = value.trim_start();
    let raw = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(value.get(1..).unwrap_or_default(), quote, more)?,
        _ => Raw::Expanded(before_comment(value).trim_end().to_owned()),
    };
    Ok((name.to_owned(), raw))
}

/// An unquoted value ends at a `#` after a blank.
fn before_comment(value: &str) -> &str {
    let starts = |(at, c): (usize, char)| {
        c == '#' && (at == 0 || value.get(..at).is_some_and(|before| before.ends_with([' ', '\t'])))
    };
    match value.char_indices().find(|&hit| starts(hit)) {
        Some((at, _)) => value.get(..at).unwrap_or(value),
        None => value,
    }
}

/// A quoted value may span lines. Double quotes know `\n`, `\t`, `\r`, `\"` and `\\`; single ones `\'` and `\\`.
fn quoted(first: &str, quote: char, more: &mut dyn FnMut() -> Option<String>) -> Result<Raw, &'static str> {
    let mut out = String::new();
    let mut line = first.to_owned();
    loop {
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            if c == quote {
                let rest = chars.as_str().trim_start();
                let ended = rest.is_empty() || rest.starts_with('#');
                let raw = if quote == '"' { Raw::Expanded(out) } else { Raw::Literal(out) };
                return if ended { Ok(raw) } else { Err("text after the closing quote") };
            }
            if c == '\\' {
                unescape(chars.next(), quote, &mut out);
            } else {
                out.push(c);
            }
        }
        line = more().ok_or("the quote is not closed")?;
        out.push('\n');
    }
}

fn unescape(c: Option<char>, quote: char, out: &mut String) {
    match c {
        Some('n') if quote == '"' => out.push('\n'),
        Some('t') if quote == '"' => out.push('\t'),
        Some('r') if quote == '"' => out.push('\r'),
        Some(c) if c == quote || c == '\\' => out.push(c),
        Some(c) => out.extend(['\\', c]),
        None => out.push('\\'),
    }
}

/// Replaces `${NAME}` and `${NAME:-default}`; a name that is not set gives nothing.
fn expand(value: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inner, tail)) = after.split_once('}') else { break };
        let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
        out.push_str(before);
        match lookup(name).filter(|found| !found.is_empty() || default.is_empty()) {
            Some(found) => out.push_str(&found),
            None => out.push_str(default),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn last(vars: &[(String, String)], name: &str) -> Option<String> {
    vars.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

fn dedup_keeping_last(vars: &mut Vec<(String, String)>) {
    let mut seen = std::collections::HashSet::new();
    vars.reverse();
    vars.retain(|(name, _)| seen.insert(name.clone()));
    vars.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<Warning>) {
        parse(text, ".env", |name| (name == "HOME").then(|| "/root".to_owned()))
    }

    #[test]
    fn the_usual_forms_are_read() {
        let text = "\n# c\nA=1\nexport B = two words # c\nC='${A}'\nD=\"x\\n${A}${NO}${NO:-d}\"\nE=\nF=a#b\nA=3\nG=${HOME}\n";
        let (vars, warnings) = read(text);
        let expected = [
            ("B", "two words"),
            ("C", "${A}"),
            ("D", "x\n1d"),
            ("E", ""),
            ("F", "a#b"),
            ("A", "3"),
            ("G", "/root"),
        ];
        let got: Vec<_> = vars.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(got, expected);
        assert!(warnings.is_empty());
    }

    #[test]
    fn quotes_may_span_lines() {
        let (vars, _) = read("K=\"a\nb\"\nL=1\n");
        assert_eq!(vars, [("K".into(), "a\nb".into()), ("L".into(), "1".into())]);
    }

    #[test]
    fn assignments_are_found_with_all_their_lines() {
        let found = assignments("# A=0\nA=1\n\nwhat\nexport K=\"a\nA=2\n\"\nA=3\n");
        let found: Vec<_> = found.into_iter().map(|a| (a.name, a.lines)).collect();
        assert_eq!(found, [("A".to_owned(), 1..2), ("K".to_owned(), 4..7), ("A".to_owned(), 7..8)]);
    }

    #[test]
    fn a_bad_line_is_named_and_left_out() {
        let (vars, warnings) = read("A=1\nwhat is this\n1X=2\nQ='x' y\nB=2\n");
        assert_eq!(vars.len(), 2);
        assert_eq!(warnings.iter().map(|w| w.place.line).collect::<Vec<_>>(), [2, 3, 4]);
    }
}
