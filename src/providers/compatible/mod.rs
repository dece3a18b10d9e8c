//! Providers that are reached by a known dialect with a key. One is a row of the table and nothing else.

mod table;

pub use table::{ALL, OTHERS, UNSERVED};

use super::base::Base;
use super::site::Site;
use crate::dialects::Dialect;
use crate::domain::HostPort;

/// A provider of a known dialect, OpenAI's for nearly all.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The prefix in `litellm_params.model`, without the slash.
    pub prefix: &'static str,
    /// Where it lives; `None` if only `api_base` can tell.
    pub base: Option<&'static str>,
    /// What the base's path must end in; added if it does not.
    pub suffix: &'static str,
    /// Variables that may hold the key, first match wins.
    pub key_env: &'static [&'static str],
    /// Variables that may hold the base, first match wins.
    pub base_env: &'static [&'static str],
    /// What bases are also written with, cut off: the vendor's OpenAI-compatible endpoint, or a whole path.
    pub cut: &'static [&'static str],
    /// Whether it takes `stream_options` (it answers 422 otherwise).
    pub takes_stream_options: bool,
    /// Whether the vendor's own address has OpenAI's responses, too.
    pub has_responses: bool,
    /// What it speaks.
    pub dialect: &'static dyn Dialect,
    /// Who finds out where it is, if that takes more than a base and a key.
    pub site: Option<&'static dyn Site>,
}

impl Row {
    /// Whether what is at this address has OpenAI's responses: the vendor's own has if its documentation says so, and
    /// Azure's has on the surface that names models in the body. Of other servers nobody knows.
    #[must_use]
    pub fn has_responses_at(&self, origin: &HostPort, path: &str) -> bool {
        let host = origin.host.as_str();
        let is_azures = host.ends_with(".azure.com") && path.ends_with("/openai/v1");
        let own = self.base.and_then(|base| Base::parse(base).ok()).map(|base| base.origin.host);
        let is_own = own.is_some_and(|own| host == own || host.ends_with(&format!(".{own}")));
        is_azures || (self.has_responses && is_own)
    }
}

/// The row of a prefix.
#[must_use]
pub fn find(prefix: &str) -> Option<&'static Row> {
    ALL.iter().find(|row| row.prefix == prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_relayed_to_those_who_are_known_to_have_them() {
        let has = |prefix: &str, base: &str| {
            let base = Base::parse(base).unwrap();
            find(prefix).unwrap().has_responses_at(&base.origin, &base.path)
        };
        for (prefix, base, expected) in [
            ("openai", "https://api.openai.com/v1", true),
            ("openai", "https://eu.api.openai.com/v1", true),
            ("openai", "https://api-openai.com/v1", false),
            ("openai", "http://vllm:8000/v1", false),
            ("openai", "https://r.openai.azure.com/openai/v1", true),
            ("azure", "https://r.openai.azure.com/openai/v1", true),
            ("azure", "https://r.openai.azure.com/openai/deployments/d", false),
            ("azure_ai", "https://r.services.ai.azure.com/openai/v1", true),
            ("groq", "https://api.groq.com/openai/v1", true),
            ("groq", "http://proxy/v1", false),
            ("deepseek", "https://api.deepseek.com", false),
            ("hosted_vllm", "http://vllm:8000/v1", false),
        ] {
            assert_eq!(has(prefix, base), expected, "{prefix} {base}");
        }
    }

    #[test]
    fn every_row_is_usable_and_stands_once() {
        assert!(ALL.len() >= 60);
        for row in ALL {
            assert_eq!(ALL.iter().filter(|other| other.prefix == row.prefix).count(), 1, "{}", row.prefix);
            assert!(!UNSERVED.contains(&row.prefix) && !OTHERS.contains(&row.prefix), "{}", row.prefix);
            if let Some(base) = row.base {
                assert!(Base::parse(base).is_ok(), "{base}");
            }
        }
    }
}
