//! What is known of models beforehand: their mode, limits and prices.
//!
//! The facts are in `models.tsv`, which `update.py` writes; it is sorted by name and searched as it stands. A file
//! in LiteLLM's format can be laid over it. A model that is in neither stays unknown, and so does its price.

pub mod row;
mod search;

#[cfg(test)]
mod tests;

use crate::domain::{Money, Prices};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

static TABLE: &str = include_str!("models.tsv");

/// What is known of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whose model it is; `None` if any provider's of that name is meant.
    pub provider: Option<String>,
    /// `chat`, `embedding`, `audio_speech`, …
    pub mode: Option<String>,
    /// Largest prompt, in tokens.
    pub max_input_tokens: Option<u64>,
    /// Longest answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// What its tokens and units cost.
    pub prices: Option<Prices>,
}

/// What an image costs that is of a size, or of a quality, of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePrice {
    /// `1024x1024`; empty for any.
    pub size: String,
    /// `hd`; empty for any.
    pub quality: String,
    /// The price of one.
    pub price: Money,
}

/// Sizes and qualities that have prices of their own.
const SIZES: [&str; 8] = [
    "256-x-256",
    "512-x-512",
    "1024-x-1024",
    "1024-x-1536",
    "1536-x-1024",
    "1024-x-1792",
    "1792-x-1024",
    "2048-x-2048",
];
const QUALITIES: [&str; 6] = ["standard", "hd", "low", "medium", "high", "auto"];

/// The table, and what is laid over it.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    over: Arc<BTreeMap<String, Facts>>,
}

impl Catalog {
    /// The table with a price file in LiteLLM's format laid over it: an object of models by name.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn with_prices(text: &str) -> Result<Self, String> {
        let entries: Map<String, Value> = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
        let mut over = BTreeMap::new();
        for (name, entry) in entries.iter().filter(|(name, _)| *name != "sample_spec") {
            let facts = entry.as_object().and_then(row::of_json);
            over.insert(name.clone(), facts.ok_or_else(|| format!("{name}: not the facts of a model"))?);
        }
        Ok(Self { over: Arc::new(over) })
    }

    /// What is known of this provider's model: by its name with the provider's prefix, or else by its bare name if
    /// that is this provider's.
    #[must_use]
    pub fn find(&self, provider: &str, model: &str) -> Option<Facts> {
        let whole = format!("{provider}/{model}");
        self.get(&whole).or_else(|| self.get(model).filter(|facts| is_of(facts, provider)))
    }

    /// The prices of this provider's model's images that depend on their size or quality.
    #[must_use]
    pub fn images(&self, provider: &str, model: &str) -> Vec<ImagePrice> {
        let mut found = Vec::new();
        for size in SIZES {
            for quality in [""].into_iter().chain(QUALITIES) {
                let name = match quality {
                    "" => format!("{size}/{model}"),
                    _ => format!("{quality}/{size}/{model}"),
                };
                let facts = self.find(provider, &name);
                let price = facts.and_then(|facts| facts.prices?.units.image);
                let size = size.replace("-x-", "x");
                found.extend(price.map(|price| ImagePrice { size, quality: quality.to_owned(), price }));
            }
        }
        found
    }

    /// What is known under this very name (`base_model`).
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Facts> {
        let bare = || name.split_once('/').and_then(|(provider, model)| self.find(provider, model));
        self.get(name).or_else(bare)
    }

    fn get(&self, name: &str) -> Option<Facts> {
        self.over.get(name).cloned().or_else(|| search::line(TABLE, name).map(row::of_line))
    }
}

/// Prefixes that stand for the same models.
const SAME: [(&str, &str); 7] = [
    ("bedrock_converse", "bedrock"),
    ("cohere_chat", "cohere"),
    ("text-completion-openai", "openai"),
    ("ollama_chat", "ollama"),
    ("azure_text", "azure"),
    ("vertex_ai_beta", "vertex_ai"),
    ("custom_openai", "openai"),
];

fn is_of(facts: &Facts, provider: &str) -> bool {
    let family = SAME.iter().find(|(prefix, _)| *prefix == provider).map_or(provider, |(_, family)| family);
    facts.provider.as_deref().is_none_or(|own| own == family)
}
