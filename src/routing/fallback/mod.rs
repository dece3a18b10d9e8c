//! Which groups a call goes to when the one it asked for does not answer.
//!
//! [`Fallbacks`] is what is configured, [`Trail`] is how far one call got. A group that fails is followed by its own
//! list, before what was left of the list it stood on itself: depth first, as LiteLLM's nested calls go. No group is
//! visited twice, and a trail never has more than [`MOST_GROUPS`] of them, whatever the lists say.

mod trail;

pub use trail::{MOST_GROUPS, Step, Trail};

use crate::domain::{ErrorKind, UpstreamClass};
use std::collections::HashMap;
use std::sync::Arc;

/// The name that stands for every group without a list of its own.
const ANY: &str = "*";

/// Why a group is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The prompt does not fit.
    ContextWindow,
    /// The provider's content policy refused it.
    ContentPolicy,
    /// Anything else.
    Failure,
}

impl Reason {
    /// The reason behind an error.
    #[must_use]
    pub const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Upstream(UpstreamClass::ContextWindow) => Self::ContextWindow,
            ErrorKind::Upstream(UpstreamClass::ContentPolicy) => Self::ContentPolicy,
            _ => Self::Failure,
        }
    }
}

/// Lists of groups by the group they stand in for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists(HashMap<String, Vec<Arc<str>>>);

/// All configured fallbacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallbacks {
    /// `fallbacks`; `*` holds the default.
    pub failure: Lists,
    /// `context_window_fallbacks`.
    pub context_window: Lists,
    /// `content_policy_fallbacks`.
    pub content_policy: Lists,
    /// `max_fallbacks`: how often a fallback may fall back again, counting the first.
    pub max_depth: u32,
}

/// LiteLLM's `max_fallbacks`.
pub const MAX_DEPTH: u32 = 5;

impl Default for Fallbacks {
    fn default() -> Self {
        let none = Lists::default;
        Self { failure: none(), context_window: none(), content_policy: none(), max_depth: MAX_DEPTH }
    }
}

impl Lists {
    /// Adds a list; of two for the same group the first counts, as for LiteLLM.
    pub fn add(&mut self, group: &str, list: impl IntoIterator<Item = Arc<str>>) {
        self.0.entry(group.to_owned()).or_insert_with(|| list.into_iter().collect());
    }

    /// The list of the first of these names that has one; each name counts whole, then without its provider
    /// (`openai/x` is also `x`).
    #[must_use]
    pub fn of(&self, names: &[&str]) -> Option<&[Arc<str>]> {
        if self.0.is_empty() {
            return None;
        }
        let stripped = names.iter().filter_map(|name| Some(name.split_once('/')?.1));
        let mut all = names.iter().copied().chain(stripped).chain([ANY]);
        all.find_map(|name| self.0.get(name)).map(Vec::as_slice)
    }

    /// Every group that has a list, and what is on it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Arc<str>])> {
        self.0.iter().map(|(group, list)| (group.as_str(), list.as_slice()))
    }
}

impl Fallbacks {
    /// What a group that goes by these names falls back to. Where nothing is said about a prompt that is too long or
    /// refused, what is said of failures counts.
    #[must_use]
    pub fn of(&self, names: &[&str], reason: Reason) -> &[Arc<str>] {
        let special = match reason {
            Reason::ContextWindow => self.context_window.of(names),
            Reason::ContentPolicy => self.content_policy.of(names),
            Reason::Failure => None,
        };
        special.or_else(|| self.failure.of(names)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
