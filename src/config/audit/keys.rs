//! What is known of keys: looked up in the tables of `entries` and `settings`.

use super::super::did_you_mean;

pub(crate) use super::entries::{ENTRY, INFO, PARAMS, PRICES, REQUEST, SEARCH_PARAMS, SEARCH_TOOL, TOP};
pub(crate) use super::settings::{
    CACHE_PARAMS, FAILS_POLICY, GENERAL, GROUP, HEALTH_CHECK, HEDGE, LITELLM, QUEUE, REALTIME, RETRY_POLICY,
    ROUTER, SEARCH_LOOP, SHARED, STRATEGY_ARGS, TOLLGATE,
};

/// What becomes of a known key, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    /// Honoured.
    Yes(&'static str),
    /// LiteLLM ignores it in this place.
    Ignored(&'static str),
    /// Not served by this version.
    Later(&'static str),
}

/// A row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// The key.
    pub(crate) name: &'static str,
    /// What becomes of it.
    pub(crate) known: Known,
}

pub(crate) const LATER: &str = "not served by this version";
const TOO: &str = "LiteLLM ignores this too";

pub(super) const fn yes(name: &'static str) -> Key {
    Key { name, known: Known::Yes("") }
}

pub(super) const fn noted(name: &'static str, note: &'static str) -> Key {
    Key { name, known: Known::Yes(note) }
}

pub(super) const fn later(name: &'static str) -> Key {
    Key { name, known: Known::Later(LATER) }
}

pub(super) const fn other(name: &'static str, note: &'static str) -> Key {
    Key { name, known: Known::Later(note) }
}

pub(super) const fn ignored(name: &'static str) -> Key {
    Key { name, known: Known::Ignored(TOO) }
}

/// What a table says of a key.
pub(crate) fn find(table: &[Key], name: &str) -> Option<Known> {
    table.iter().find(|key| key.name == name).map(|key| key.known)
}

/// The table that knows a key.
pub(crate) fn of(tables: &[&'static [Key]], name: &str) -> Option<&'static [Key]> {
    tables.iter().copied().find(|table| find(table, name).is_some())
}

/// Whether a key of `litellm_params` is a parameter of the request rather than of the gateway.
pub(crate) fn is_sent_upstream(name: &str) -> bool {
    let credential = ["aws_", "vertex_", "azure_", "watsonx_", "s3_", "gcs_"];
    find(PARAMS, name).is_none()
        && !is_price(name)
        && !credential.iter().any(|prefix| name.starts_with(prefix))
}

/// The parameter a key that nobody knows was probably meant to be.
pub(crate) fn probably_meant(name: &str) -> Option<&'static str> {
    if name.len() < 5 || REQUEST.contains(&name) {
        return None;
    }
    let known = PARAMS.iter().chain(PRICES).map(|key| key.name).chain(REQUEST.iter().copied());
    let near = known.filter(|known| known.len() >= 5);
    did_you_mean(name, near).filter(|meant| strsim::damerau_levenshtein(name, meant) <= 2)
}

/// Whether a key is some price.
pub(crate) fn is_price(name: &str) -> bool {
    name.contains("_cost_per_") || name.contains("_token_cost") || name == "tiered_pricing"
}
