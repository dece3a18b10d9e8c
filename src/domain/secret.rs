//! A value that must never be printed: no `Display`, no `Serialize`, and a `Debug` that hides it.

use std::fmt;
use std::sync::Arc;

/// A credential. It is read only through [`Secret::expose`], so that every use is easy to find.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a credential; an empty or blank one is `None`, because an empty secret means "off".
    #[must_use]
    pub fn new(value: &str) -> Option<Self> {
        let value = value.trim();
        (!value.is_empty()).then(|| Self(Arc::from(value)))
    }

    /// The credential itself, for the wire and for comparison only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value_and_blank_is_none() {
        let secret = Secret::new(" sk-canary ").unwrap();
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose(), "sk-canary");
        assert!(Secret::new("  ").is_none(), "a blank secret must mean that the feature is off");
    }
}
