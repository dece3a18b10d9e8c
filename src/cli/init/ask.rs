//! Questions to a person. What is secret is typed unseen.

use super::values::Kind;
use std::io::{self, BufRead, Write};

/// Who is asked.
pub(super) trait Person {
    /// The answer to a question, as typed; a secret is not shown.
    fn answer(&mut self, question: &str, is_secret: bool) -> io::Result<String>;
    /// Tells why an answer will not do.
    fn tell(&mut self, words: &str) -> io::Result<()>;
}

/// The person at the terminal.
pub(super) struct AtTerminal;

impl Person for AtTerminal {
    fn answer(&mut self, question: &str, is_secret: bool) -> io::Result<String> {
        if is_secret {
            return rpassword::prompt_password(question);
        }
        let mut err = io::stderr().lock();
        write!(err, "{question}")?;
        err.flush()?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }

    fn tell(&mut self, words: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "  {words}")
    }
}

/// Asks until the answer will do; nothing typed means `None`.
pub(super) fn ask(
    person: &mut dyn Person,
    question: &str,
    kind: Kind,
    is_secret: bool,
) -> io::Result<Option<String>> {
    loop {
        let typed = person.answer(question, is_secret)?;
        if typed.trim().is_empty() {
            return Ok(None);
        }
        match kind.check(&typed) {
            Ok(value) => return Ok(Some(value)),
            Err(unfit) => person.tell(&format!("That will not do: {unfit}."))?,
        }
    }
}
