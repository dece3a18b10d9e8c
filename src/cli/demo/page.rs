//! Words set on a page as they come, without knowing what comes next.

use crate::cli::style::Style;
use std::io::{self, Write};

/// Columns before each line.
const INDENT: usize = 5;

/// The page of an answer, whose first line has begun.
pub(super) struct Page<'a, W> {
    out: &'a mut W,
    room: usize,
    column: usize,
}

impl<'a, W: Write> Page<'a, W> {
    pub(super) fn new(out: &'a mut W, style: Style) -> Self {
        Self { out, room: style.width.clamp(20, 100), column: INDENT }
    }

    /// Writes a piece of text at once; a piece that does not fit begins a line.
    pub(super) fn write(&mut self, piece: &str) -> io::Result<()> {
        let length = piece.chars().count();
        let piece = if self.column + length > self.room && piece.starts_with(' ') {
            write!(self.out, "\n{:INDENT$}", "")?;
            self.column = INDENT;
            piece.trim_start()
        } else {
            piece
        };
        self.column += piece.chars().count();
        write!(self.out, "{piece}")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_do_not_fit_begin_a_line() {
        for (width, lines) in [(80, 3), (200, 2)] {
            let mut out = Vec::new();
            let mut page = Page::new(&mut out, Style::plain(width));
            let words = "word ".repeat(32);
            words.trim_end().split_inclusive(' ').enumerate().for_each(|(n, word)| {
                let piece = if n == 0 { "word".to_owned() } else { format!(" {}", word.trim()) };
                page.write(&piece).unwrap();
            });
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.lines().count(), lines, "{text}");
            assert!(text.lines().all(|line| line.len() <= width.min(100)), "{text}");
            assert!(text.lines().skip(1).all(|line| line.starts_with("     word")), "{text}");
        }
    }
}
