//! Whose API a model string means, and what the model is called there.

use super::super::did_you_mean;
use crate::providers::compatible::{self, Row};

/// What a model string means.
pub(super) struct Meaning {
    /// The provider's prefix.
    pub(super) provider: String,
    /// The model as the upstream knows it.
    pub(super) model: String,
    /// Its row, if it has one.
    pub(super) row: Option<&'static Row>,
    /// Why it cannot be served.
    pub(super) unserved: Option<String>,
    /// What the operator should know.
    pub(super) note: Option<String>,
}

/// Reads `provider/model`; `custom` is `custom_llm_provider`, which wins over a prefix.
pub(super) fn read(text: &str, custom: Option<&str>, has_base: bool) -> Meaning {
    if let Some(provider) = custom {
        let model = text.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
        return of_prefix(provider, model, text, has_base);
    }
    match text.split_once('/') {
        // Names that LiteLLM knows without a prefix.
        None if text.starts_with("claude-") && !has_base => known("anthropic", text),
        None => known("openai", text),
        Some((prefix, model)) => of_prefix(prefix, model, text, has_base),
    }
}

fn known(prefix: &str, model: &str) -> Meaning {
    Meaning {
        provider: prefix.to_owned(),
        model: model.to_owned(),
        row: compatible::find(prefix),
        unserved: None,
        note: None,
    }
}

fn of_prefix(prefix: &str, model: &str, whole: &str, has_base: bool) -> Meaning {
    let plain = known(prefix, model);
    if plain.row.is_some() {
        return plain;
    }
    if compatible::UNSERVED.contains(&prefix) {
        return Meaning { unserved: Some(format!("the provider \"{prefix}\" is not served yet")), ..plain };
    }
    match (compatible::OTHERS.contains(&prefix), has_base) {
        (true, true) => {
            let note = format!("\"{prefix}\" is taken for OpenAI-compatible at its api_base");
            Meaning { note: Some(note), ..plain }
        }
        (true, false) => {
            let reason = format!("the provider \"{prefix}\" is only served with an api_base");
            Meaning { unserved: Some(reason), ..plain }
        }
        (false, true) => {
            let note = format!(
                "\"{prefix}\" is no known provider: taken for OpenAI-compatible at its api_base, which is asked for \"{whole}\""
            );
            Meaning { note: Some(note), ..known("openai", whole) }
        }
        (false, false) => {
            let meant = did_you_mean(prefix, compatible::ALL.iter().map(|row| row.prefix));
            let hint = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
            let reason = format!("\"{prefix}\" is no known provider and there is no api_base{hint}");
            Meaning { unserved: Some(reason), ..plain }
        }
    }
}
