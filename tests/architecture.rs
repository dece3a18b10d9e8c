//! The floors, the crate fences and the file sizes that `src/lib.rs` promises, checked on the text of `src/`.

#![allow(clippy::unwrap_used, reason = "an unreadable source tree fails the test")]

use std::{fs, path::Path};

#[rustfmt::skip]
const FLOORS: &[&[&str]] = &[
    &["domain"], &["auth", "dialects", "limits", "metering", "routing"],
    &["endpoints", "providers", "store", "shared", "telemetry", "simulator"],
    &["config", "upstream"], &["runtime", "ledger"], &["proxy", "control"], &["server"], &["cli"],
];
/// Modules kept apart though the floors would allow it: the data plane sees snapshots only.
const APART: &[(&str, &str)] = &[("proxy", "store"), ("proxy", "config")];
/// A crate (with `*`: all whose names begin so; the first row that fits counts) and what may name it.
const FENCES: &[(&str, &str)] = &[
    ("pingora_load_balancing", "upstream/"),
    ("pingora*", "proxy/ upstream/ server/"),
    ("async_trait", "proxy/ upstream/ server/"),
    ("axum", "control/ server/ simulator/"),
    ("tower", "control/ server/ simulator/"),
    ("prometheus", "telemetry/"),
    ("serde_yaml", "config/yaml.rs"),
    ("rusqlite", "store/"),
    ("sqlx", "store/"),
    ("rustix", "server/handover.rs telemetry/threads.rs"),
    ("listenfd", "server/socket.rs"),
    ("sd_notify", "server/systemd.rs"),
    ("redis", "shared/"),
    ("env_logger", "cli/ main.rs"),
    ("tikv_jemallocator", "main.rs"),
];
/// Words that floors 0 and 1 do without: no clock, no I/O, no runtime.
#[rustfmt::skip]
const IMPURE: &[&[&str]] = &[
    &["tokio", "::"], &["log", "::"], &["fs"], &["TcpStream"], &["TcpListener"], &["UdpSocket"],
    &["ToSocketAddrs"], &["Instant", "::", "now"], &["SystemTime", "::", "now"],
];

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The length of the first token, and whether it is code: not space, comment or literal.
fn token(rest: &str) -> (usize, bool) {
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let hashes = rest[word..].len() - rest[word..].trim_start_matches('#').len();
    let raw = word < 3 && rest[..word].ends_with('r') && rest[word + hashes..].starts_with('"');
    let until = |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |n| from + n + end.len());
    let first = rest.chars().next().unwrap_or(' ');
    match first {
        '/' if rest.starts_with("//") => (until(2, "\n"), false),
        '/' if rest.starts_with("/*") => (until(2, "*/"), false),
        '"' | '\'' if first == '"' || rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => {
            let (mut end, mut escaped) = (1, false);
            while let Some(c) = rest[end..].chars().next().filter(|c| escaped || *c != first) {
                (end, escaped) = (end + c.len_utf8(), c == '\\' && !escaped);
            }
            (rest.len().min(end + 1), false)
        }
        'r' | 'b' | 'c' if raw => (until(word + hashes + 1, &format!("\"{}", "#".repeat(hashes))), false),
        ':' if rest.starts_with("::") => (2, true),
        _ => (word.max(first.len_utf8()), !first.is_whitespace()),
    }
}

/// The code of a file as tokens, without the items under `#[cfg(test)]`.
fn code(mut text: &str) -> Vec<&str> {
    let (mut words, mut skipping, mut depth) = (Vec::new(), false, 0);
    while !text.is_empty() {
        let (length, is_code) = token(text);
        let (word, rest) = text.split_at(length);
        text = rest;
        depth += i32::from("([{".contains(word)) - i32::from(")]}".contains(word));
        if skipping {
            skipping = depth > 0 || (word != "}" && word != ";");
        } else if is_code {
            words.push(word);
        }
        if words.ends_with(&["#", "[", "cfg", "(", "test", ")", "]"]) {
            words.truncate(words.len() - 7);
            (skipping, depth) = (true, 0);
        }
    }
    words
}

/// The modules that a path names once its root is behind it: one, or those of a group.
fn modules<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut depth = 0;
    let mut level = |word: &str| {
        depth += i32::from(word == "{") - i32::from(word == "}");
        depth
    };
    let group: Vec<_> =
        words.iter().map(|&word| (level(word), word)).take_while(|(level, _)| *level > 0).collect();
    let names = group.windows(2).filter(|w| w[1].0 == 1 && ["{", ","].contains(&w[0].1)).map(|w| w[1].1);
    names.chain(words.first().copied()).collect()
}

/// What is wrong with the code of `file`, a path below `src/`.
fn faults(file: &str, text: &str) -> Vec<String> {
    let (words, place) = (code(text), file.trim_end_matches(".rs").trim_end_matches("/mod"));
    let (own, depth) = (place.split('/').next().unwrap_or_default(), place.split('/').count());
    let (floor, mut found) = (floor_of(own), Vec::new());
    if floor.is_none() && !matches!(file, "lib.rs" | "main.rs") {
        found.push(format!("`{own}` is on no floor: add it to FLOORS in tests/architecture.rs"));
    }
    for at in (0..words.len()).filter(|&at| at == 0 || words[at - 1] != "::") {
        let (word, is_path) = (words[at], words.get(at + 1) == Some(&"::"));
        let supers = words[at..].chunks(2).take_while(|pair| **pair == ["super", "::"]).count();
        let root = if supers == depth { supers } else { usize::from(word == "crate" && is_path) };
        for module in modules(&words[at + 2 * root..]).into_iter().filter(|module| root > 0 && *module != own)
        {
            let above = floor.zip(floor_of(module)).is_some_and(|(own, other)| other >= own);
            if above || APART.contains(&(own, module)) {
                found.push(format!(
                    "{own} may not use {module}: put a trait or a type of a lower floor between"
                ));
            }
        }
        let named = |name: &str| name.strip_suffix('*').map_or(name == word, |start| word.starts_with(start));
        let fence = FENCES.iter().find(|(name, _)| is_path && named(name)).map(|(_, places)| places);
        if fence.is_some_and(|places| !places.split(' ').any(|place| file.starts_with(place))) {
            found.push(format!("only {} may name {word}: move the code there", fence.unwrap()));
        }
    }
    let pure = floor.is_some_and(|floor| floor < 2);
    for word in (0..words.len()).filter(|&at| pure && IMPURE.iter().any(|name| words[at..].starts_with(name)))
    {
        found.push(format!(
            "floors 0 and 1 do not name {}: take a Clock, or the data, as an argument",
            words[word]
        ));
    }
    found.iter().map(|fault| format!("src/{file}: {fault}\n")).collect()
}

fn walk(root: &Path, inside: &str, found: &mut Vec<String>) {
    let entries = fs::read_dir(root.join(inside)).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = entries.map(|name| format!("{inside}{}", name.to_str().unwrap())).collect();
    let head = fs::read_to_string(root.join(inside).join("mod.rs")).unwrap_or_default();
    if !inside.is_empty() && names.iter().any(|name| name.ends_with(".rs")) && !head.starts_with("//!") {
        found.push(format!("src/{inside}: give the folder a mod.rs that begins with a `//!` head\n"));
    }
    for name in names {
        if root.join(&name).is_dir() {
            walk(root, &format!("{name}/"), found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(root.join(&name)).unwrap();
            if text.lines().count() > 500 {
                found.push(format!("src/{name}: over 500 lines: split it by what changes together\n"));
            }
            if !name.ends_with("tests.rs") && !name.contains("/tests/") {
                found.extend(faults(&name, &text));
            }
        }
    }
}

#[test]
fn source_keeps_to_its_floors() {
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    assert!(found.is_empty(), "\n{}", found.concat());
}

#[test]
#[rustfmt::skip]
fn planted_violations_are_found() {
    for (file, text, count) in [
        ("auth/a.rs", "use crate::{domain::{Key, cli}, metering::{self, Usage}};", 1),
        ("config/b/c.rs", "fn f() { super::super::super::runtime::load(); super::super::runtime::load() }", 1),
        ("proxy/a.rs", "use sqlx::Pool; fn f(a: crate::store::Db) -> crate::runtime::Runtime {}", 2),
        ("config/a.rs", "use serde_yaml::Value; use pingora_core::Error;", 2),
        ("domain/a.rs", "use std::{fs, net::IpAddr}; fn f() { time::Instant::now(); log::info!() }", 3),
        ("helpers/a.rs", "", 1),
        ("routing/mod.rs", "// crate::cli\n/* tokio::x */ const A: &str = r#\"crate::cli \" \"#; const B: char = '\\'';
          #[cfg(test)] mod tests { use crate::cli; fn g() { tokio::spawn([0; 2]) } } use crate::domain::tower;", 0),
    ] {
        assert_eq!(faults(file, text).len(), count, "{file}: {text}: {:?}", faults(file, text));
    }
}
