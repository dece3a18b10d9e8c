//! What an import did, or would do.

use crate::domain::Money;
use std::borrow::Cow;
use std::fmt;

/// Examples of rows that are named for each reason.
const EXAMPLES: usize = 5;

/// What becomes of the rows of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What the rows are.
    pub words: &'static str,
    /// Rows that are new here.
    pub added: u64,
    /// Rows that were changed there since the last time.
    pub changed: u64,
    /// Rows that are the same on both sides.
    pub same: u64,
    /// Rows that were made, changed or removed here since, and stay so.
    pub kept: u64,
    /// Rows that cannot be taken.
    pub refused: u64,
    /// Money added to their counters, or to the totals they are.
    pub spent: Money,
}

/// A reason, with some of the rows it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is the matter.
    pub why: String,
    /// What kind of rows, or which table.
    pub words: Cow<'static, str>,
    /// How many.
    pub count: u64,
    /// The first of them, by name.
    pub examples: Vec<String>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One line for each kind that is there.
    pub lines: Vec<Line>,
    /// What was not taken as it is.
    pub notes: Vec<Note>,
}

impl Report {
    /// Whether nothing was to be done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lines.iter().all(|line| line.added == 0 && line.changed == 0 && line.spent.is_zero())
    }

    /// In one sentence, for a log.
    #[must_use]
    pub fn summary(&self) -> String {
        let taken = self.lines.iter().filter(|line| line.added + line.changed > 0);
        let taken: Vec<String> =
            taken.map(|line| format!("{} {}", line.added + line.changed, line.words)).collect();
        let refused: u64 = self.lines.iter().map(|line| line.refused).sum();
        let refused = if refused > 0 { format!("; {refused} rows cannot be taken") } else { String::new() };
        format!("{}{refused}", if taken.is_empty() { "nothing".to_owned() } else { taken.join(", ") })
    }

    /// Says why the rows of a table stay where they are.
    pub(super) fn leave(&mut self, table: String, why: &str, rows: u64) {
        self.notes.push(Note { why: why.to_owned(), words: table.into(), count: rows, examples: Vec::new() });
    }

    pub(super) fn note(&mut self, words: &'static str, why: &str, example: Option<String>) {
        let known = self.notes.iter_mut().find(|note| note.words == words && note.why == why);
        let note = match known {
            Some(note) => note,
            None => {
                self.notes.push(Note {
                    why: why.to_owned(),
                    words: words.into(),
                    count: 0,
                    examples: Vec::new(),
                });
                let Some(note) = self.notes.last_mut() else { return };
                note
            }
        };
        note.count += 1;
        note.examples.extend(example.filter(|_| note.examples.len() < EXAMPLES));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.lines.iter().map(|line| line.words.len()).max().unwrap_or_default();
        writeln!(
            f,
            "{:wide$}  {:>9}  {:>9}  {:>9}  {:>10}  {:>9}  spend (USD)",
            "", "added", "changed", "the same", "left alone", "not taken"
        )?;
        for line in &self.lines {
            writeln!(
                f,
                "{:wide$}  {:>9}  {:>9}  {:>9}  {:>10}  {:>9}  {}",
                line.words, line.added, line.changed, line.same, line.kept, line.refused, line.spent
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.examples.len() as u64;
        let more = if named == 0 { 0 } else { self.count.saturating_sub(named) };
        if self.count > 0 {
            write!(f, "{} ", self.count)?;
        }
        write!(f, "{}: {}", self.words, self.why)?;
        if !self.examples.is_empty() {
            write!(f, ": {}", self.examples.join(", "))?;
        }
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}
