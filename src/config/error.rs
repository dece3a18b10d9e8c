//! What is said about a configuration: faults that stop it and warnings that do not.

use std::fmt;
use std::sync::Arc;

/// Where something stands: a file, a position in it and the path of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file; empty for the environment.
    pub file: Arc<str>,
    /// Counted from 1; 0 if the place is no line of a file.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The key, as in `router_settings.routing_strategy` or `model_list[2].litellm_params.model`.
    pub path: String,
}

/// A fault: the configuration cannot be used. It never holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

/// Something the operator should know although the configuration works.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

impl Place {
    /// A place outside of any file, such as a variable of the environment.
    #[must_use]
    pub fn named(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// A file as a whole.
    #[must_use]
    pub fn file(file: &str) -> Self {
        Self { file: Arc::from(file), ..Self::default() }
    }

    /// What places are sorted by.
    pub(crate) fn position(&self) -> (&str, usize, usize) {
        (&self.file, self.line, self.column)
    }
}

impl ConfigError {
    /// A fault without a suggestion.
    #[must_use]
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), suggestion: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            separator = ": ";
            if self.line > 0 {
                write!(f, ":{}:{}", self.line, self.column)?;
            }
        }
        if self.path.is_empty() { Ok(()) } else { write!(f, "{separator}{}", self.path) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, &self.place, &self.message)?;
        match &self.suggestion {
            Some(meant) => write!(f, "; did you mean \"{meant}\"?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, &self.place, &self.message)
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, place: &Place, message: &str) -> fmt::Result {
    if place.file.is_empty() && place.path.is_empty() {
        return f.write_str(message);
    }
    write!(f, "{place}: {message}")
}

/// A longer word is no misspelling of a key, in characters.
const LONGEST_WORD: usize = 100;

/// The word of `known` that `word` is probably a misspelling of.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let length = word.chars().count();
    if length > LONGEST_WORD {
        return None;
    }
    let limit = (length / 3).clamp(1, 3);
    known
        .into_iter()
        // Nothing is nearer than its length is: most need not be compared, which takes a multiple of their lengths.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_what_and_what_was_meant() {
        let place =
            Place { file: "conf/x.yaml".into(), line: 12, column: 7, path: "router_settings.x".into() };
        let mut fault = ConfigError::new(place, "no such thing");
        fault.suggestion = Some("y".to_owned());
        assert_eq!(
            fault.to_string(),
            "conf/x.yaml:12:7: router_settings.x: no such thing; did you mean \"y\"?"
        );
        assert_eq!(ConfigError::new(Place::named("PORT"), "odd").to_string(), "PORT: odd");
        assert_eq!(ConfigError::new(Place::file("a.yaml"), "gone").to_string(), "a.yaml: gone");
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["simple-shuffle", "least-busy", "rpm"];
        assert_eq!(did_you_mean("simple-shufle", known), Some("simple-shuffle"));
        assert_eq!(did_you_mean("least_busy", known), Some("least-busy"));
        assert_eq!(did_you_mean("zzz", known), None);
    }
}
