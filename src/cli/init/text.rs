//! The text of a `.env` file, changed line by line: what is not meant stays as it is.

use crate::config::{Env, assignments};
use std::ops::Range;

/// A `.env` text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(String);

impl Text {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The variables that it sets.
    pub(super) fn values(&self) -> Env {
        Env::default().with_dotenv(&self.0, ".env")
    }

    pub(super) fn has(&self, name: &str) -> bool {
        assignments(&self.0).iter().any(|found| found.name == name)
    }

    /// Sets a variable where it is set already, else below `beside`, else at the end.
    pub(super) fn set(&mut self, name: &str, value: &str, beside: &str) {
        let all = assignments(&self.0);
        if let Some(held) = all.iter().rev().find(|found| found.name == name) {
            let export = self
                .lines()
                .get(held.lines.start)
                .is_some_and(|line| line.trim_start().starts_with("export "));
            let prefix = if export { "export " } else { "" };
            return self.replace(held.lines.clone(), &format!("{prefix}{name}={}\n", quoted(value)));
        }
        let neighbour = all.iter().rev().find(|found| found.name == beside);
        let at = neighbour.map_or_else(|| self.lines().len(), |found| found.lines.end);
        self.replace(at..at, &format!("{name}={}\n", quoted(value)));
    }

    /// Removes a variable wherever it is set.
    pub(super) fn remove(&mut self, name: &str) {
        while let Some(held) = assignments(&self.0).into_iter().rev().find(|found| found.name == name) {
            self.replace(held.lines, "");
        }
    }

    fn lines(&self) -> Vec<&str> {
        self.0.split_inclusive('\n').collect()
    }

    fn replace(&mut self, range: Range<usize>, with: &str) {
        let lines = self.lines();
        let mut out = String::with_capacity(self.0.len() + with.len());
        out.extend(lines.iter().take(range.start).copied());
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(with);
        out.extend(lines.iter().skip(range.end).copied());
        self.0 = out;
    }
}

/// So that it is read back as it is, by shells too if that can be.
fn quoted(value: &str) -> String {
    let is_plain = !value.contains(['"', '\\', '$', '`']);
    if is_plain {
        return format!("\"{value}\"");
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
