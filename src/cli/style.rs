//! Colours and line breaks of what a person reads.

use std::io::IsTerminal;

/// The width of a page when nobody says, in columns.
const WIDTH: usize = 80;
/// No text is set wider: longer lines are hard to read.
const WIDEST: usize = 100;

/// How to write for whoever reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colours: bool,
    /// Columns of the page.
    pub(super) width: usize,
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Doubtful,
    Faint,
    Strong,
}

impl Style {
    /// For standard output: colours on a terminal, unless `NO_COLOR` is set.
    pub(super) fn of_stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// For standard error.
    pub(super) fn of_stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    /// Without colours, so wide.
    #[cfg(test)]
    pub(super) const fn plain(width: usize) -> Self {
        Self { colours: false, width }
    }

    fn of(is_terminal: bool) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = if is_terminal { ratatui::crossterm::terminal::size().ok() } else { None };
        // A terminal that does not know its size says 0.
        let width = columns.map(|(columns, _)| usize::from(columns)).filter(|&columns| columns > 0);
        let width = width.unwrap_or(WIDTH);
        Self { colours: is_terminal && !dumb && !is_set("NO_COLOR"), width }
    }

    /// Whether the reader is a terminal that understands more than letters.
    pub(super) const fn is_live(self) -> bool {
        self.colours
    }

    /// The text in its colour.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Doubtful => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The text broken at blanks, so that with `indent` columns before each line it fits.
    pub(super) fn wrap(self, text: &str, indent: usize) -> Vec<String> {
        let room = self.width.min(WIDEST).saturating_sub(indent).max(20);
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_breaks_at_blanks_and_is_never_wider_than_is_easy_to_read() {
        let words = "one two three four five six seven eight nine ten ".repeat(8);
        for (width, widest) in [(40, 40), (80, 80), (200, WIDEST)] {
            let lines = Style::plain(width).wrap(&words, 10);
            assert!(lines.iter().all(|line| line.len() <= widest - 10), "{lines:?}");
            assert!(lines.iter().any(|line| line.len() > widest - 20), "the room is used: {lines:?}");
            assert_eq!(lines.join(" "), words.trim());
        }
        assert_eq!(Style::plain(30).wrap(&"x".repeat(50), 10), ["x".repeat(50)], "a long word stays whole");
        assert_eq!(Style::plain(80).paint(Tone::Bad, "no"), "no");
    }
}
