//! What is told while the steps go on, and in the end. Whatever a step found, no secret it knew of is told.

use super::finding::{Finding, Verdict};
use crate::cli::style::{Style, Tone};
use crate::domain::Secret;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

/// Columns before a step's words.
const INDENT: usize = 23;

/// Tells and counts.
pub(super) struct Report<W> {
    out: W,
    style: Style,
    /// Whether one document is printed in the end instead of lines.
    is_json: bool,
    url: String,
    steps: Vec<Value>,
    counts: [usize; 4],
}

impl<W: Write> Report<W> {
    pub(super) const fn new(out: W, style: Style, is_json: bool, url: String) -> Self {
        Self { out, style, is_json, url, steps: Vec::new(), counts: [0; 4] }
    }

    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.is_json { Ok(()) } else { writeln!(self.out, "tollgate doctor: {}\n", self.url) }
    }

    /// A step is under way; only a terminal sees it.
    pub(super) fn start(&mut self, step: &str) -> io::Result<()> {
        if self.is_json || !self.style.is_live() {
            return Ok(());
        }
        write!(self.out, " {}  {step}", self.style.paint(Tone::Faint, "  … "))?;
        self.out.flush()
    }

    pub(super) fn end(
        &mut self,
        step: &str,
        found: &Finding,
        took: Duration,
        secrets: &[Secret],
    ) -> io::Result<()> {
        let detail = without(&found.detail, secrets);
        if let Some(count) = self.counts.get_mut(found.verdict as usize) {
            *count += 1;
        }
        if self.is_json {
            self.steps.push(json!({
                "step": step,
                "verdict": found.verdict,
                "detail": detail,
                "cause": found.trouble.map(|trouble| trouble.cause()),
                "cure": found.trouble.map(|trouble| trouble.cure()),
                "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            }));
            return Ok(());
        }
        if self.style.is_live() {
            write!(self.out, "\r\x1b[2K")?;
        }
        self.out.write_all(self.lines(step, found, &detail).as_bytes())?;
        self.out.flush()
    }

    fn lines(&self, step: &str, found: &Finding, detail: &str) -> String {
        let (tone, word) = match found.verdict {
            Verdict::Pass => (Tone::Good, "pass"),
            Verdict::Warn => (Tone::Doubtful, "warn"),
            Verdict::Fail => (Tone::Bad, "FAIL"),
            Verdict::Skip => (Tone::Faint, "skip"),
        };
        let mut out = format!(" {}  {step:16}", self.style.paint(tone, word));
        self.paragraph(&mut out, detail, 0);
        if let Some(trouble) = found.trouble {
            for (name, text) in [("cause", trouble.cause()), ("cure ", trouble.cure())] {
                _ = write!(out, "{:INDENT$}{}  ", "", self.style.paint(Tone::Faint, name));
                self.paragraph(&mut out, text, 7);
            }
        }
        out
    }

    fn paragraph(&self, out: &mut String, text: &str, further: usize) {
        let lines = self.style.wrap(text, INDENT + further);
        let glue = format!("\n{:1$}", "", INDENT + further);
        out.push_str(&lines.join(&glue));
        out.push('\n');
    }

    /// The end; false if something failed.
    pub(super) fn finish(mut self) -> io::Result<bool> {
        let [passed, warned, failed, skipped] = self.counts;
        let is_well = failed == 0;
        if self.is_json {
            let all = json!({ "url": self.url, "ok": is_well, "steps": self.steps });
            writeln!(self.out, "{all:#}")?;
            return Ok(is_well);
        }
        let mut told = vec![format!("{passed} passed")];
        let mut tell = |count: usize, tone: Tone, words: &str| {
            if count > 0 {
                told.push(self.style.paint(tone, &format!("{count} {words}")));
            }
        };
        tell(warned, Tone::Doubtful, "to look at");
        tell(failed, Tone::Bad, "failed");
        tell(skipped, Tone::Faint, "left out");
        writeln!(self.out, "\n{}", told.join(", "))?;
        Ok(is_well)
    }
}

fn without(text: &str, secrets: &[Secret]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "[redacted]"))
}
