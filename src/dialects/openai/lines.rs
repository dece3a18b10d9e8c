//! The file of a batch: a request on each line, all of one model.

use crate::dialects::json::{Members, Span, text};
use crate::domain::{ApiError, ErrorKind};
use std::borrow::Cow;

/// Where each line names its model, and which.
///
/// # Errors
/// A line is no request, or names no model or another one than the first.
pub(super) fn models(file: &[u8]) -> Result<Vec<(Span, Cow<'_, str>)>, ApiError> {
    let mut found: Vec<(Span, Cow<'_, str>)> = Vec::new();
    let mut start = 0;
    for (at, line) in file.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let span = Span { start, end: start + line.trim_ascii_end().len() };
        start += line.len();
        if line.trim_ascii().is_empty() {
            continue;
        }
        let fault = |what: String| {
            let words = format!("Invalid batch file: line {}: {what}.", at + 1);
            Err(ApiError::new(ErrorKind::InvalidRequest, words).with_param("file"))
        };
        let Some(place) = model(file, span) else {
            return fault("no request with a body and a model".to_owned());
        };
        let Some(named) = text(place.of(file)) else { return fault("its model is no text".to_owned()) };
        if let Some((_, first)) = found.first().filter(|(_, first)| **first != *named) {
            return fault(format!("its model is {named}, and the one of the first is {first}"));
        }
        found.push((place, named));
    }
    Ok(found)
}

/// The one model of a line's body; `None` if there is none, or more than one.
fn model(file: &[u8], line: Span) -> Option<Span> {
    let body = single(file, line, "body")?;
    single(file, body, "model")
}

fn single(file: &[u8], object: Span, name: &str) -> Option<Span> {
    let mut found = None;
    for member in Members::within(file, object).ok()? {
        let member = member.ok()?;
        if member.is(file, name) && found.replace(member.value).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_names_the_one_model() {
        let file = b"{\"custom_id\":\"1\",\"body\":{\"model\":\"m\",\"messages\":[]}}\r\n\n {\"body\":{\"x\":1,\"model\":\"m\"}}";
        let found = models(file).unwrap();
        let of = |at: usize| std::str::from_utf8(found[at].0.of(file)).unwrap().to_owned();
        assert_eq!((found.len(), of(0), of(1)), (2, "\"m\"".to_owned(), "\"m\"".to_owned()));
        for bad in [
            &b"{\"body\":{\"model\":\"m\"}}\n{\"body\":{\"model\":\"n\"}}"[..],
            b"{\"body\":{\"model\":\"m\",\"model\":\"n\"}}",
            b"{\"body\":{}}",
            b"{\"body\":{\"model\":7}}",
            b"not json",
            b"{\"model\":\"m\"}",
        ] {
            assert!(models(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(models(b"\n \n").unwrap().is_empty());
    }
}
