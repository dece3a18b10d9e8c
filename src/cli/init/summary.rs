//! What is told in the end: what was written, where each value is from, and what comes next.

use super::collect::{From, VARIABLES, Values};
use super::values::masked;
use crate::cli::style::{Style, Tone};
use std::fmt::Write;
use std::path::Path;

pub(super) fn made(style: Style, file: &Path, values: &Values, copy: Option<&Path>) -> String {
    let mut out = format!("{}, closed to others\n\n", done(style, &format!("{} is written", file.display())));
    for (variable, (_, from)) in VARIABLES.iter().zip(&values.values) {
        _ = writeln!(out, "  {:22}{}", variable.name, source(*from));
    }
    _ = writeln!(
        out,
        "  {:22}{}, {}",
        "HUAWEI_MAAS_API_KEY",
        counted(values.keys.len()),
        source(values.keys_from)
    );
    numbered(&mut out, style, &values.keys);
    if let Some(copy) = copy {
        _ = writeln!(out, "\n  the old file is {}", copy.display());
    }
    let docker = "docker compose up -d --build";
    _ = writeln!(out, "\nNext: {}", style.paint(Tone::Strong, "tollgate serve"));
    _ = writeln!(out, "  or: {}", style.paint(Tone::Strong, docker));
    _ = writeln!(out, "then: {}", style.paint(Tone::Strong, "tollgate doctor"));
    out
}

/// `unset` are the variables that a gateway can do without, and the stack around it may not.
pub(super) fn kept(style: Style, file: &Path, keys: &[String], unset: &[&str]) -> String {
    let mut out = done(style, &format!("{} is complete and stays as it is", file.display()));
    _ = writeln!(out, ": {}", counted(keys.len()));
    if !unset.is_empty() {
        let words =
            "docker/compose.yaml takes more from it, which --force adds, keeping the rest and a copy:";
        out.push_str(&format!("\n{}\n  {}\n", style.wrap(words, 0).join("\n"), unset.join("\n  ")));
    }
    out
}

pub(super) fn changed(style: Style, file: &Path, keys: &[String]) -> String {
    let mut out = done(style, &format!("{} is changed", file.display()));
    _ = writeln!(out, ": {}", counted(keys.len()));
    numbered(&mut out, style, keys);
    out.push_str("\nA running tollgate takes it over after kill -HUP, one in a container after docker compose up -d.\n");
    out
}

fn done(style: Style, words: &str) -> String {
    style.paint(Tone::Good, words)
}

fn numbered(out: &mut String, style: Style, keys: &[String]) {
    for (n, key) in keys.iter().enumerate() {
        _ = writeln!(out, "    {n:>3}  {}", style.paint(Tone::Faint, &masked(key)));
    }
}

fn counted(keys: usize) -> String {
    if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }
}

const fn source(from: From) -> &'static str {
    match from {
        From::Environment => "from the environment",
        From::Kept => "kept",
        From::Typed => "as typed",
        From::Made => "made",
        From::Default => "default",
        From::Input => "from standard input",
    }
}
