//! Which of LiteLLM's families are exposed, and with which of their labels: `prometheus_metrics_config`.
//!
//! Our own families and those of the seeds' Python callback, which LiteLLM's setting never reached, always are.

use super::label::Label;
use std::collections::HashMap;

/// LiteLLM's families that are exposed; all of them unless some are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Option<HashMap<String, Option<Vec<String>>>>);

impl Selection {
    /// The families of these names, with or without `_total`, each with all its labels or those of a list.
    #[must_use]
    pub fn of(families: impl IntoIterator<Item = (String, Option<Vec<String>>)>) -> Self {
        let bare = |(name, labels): (String, _)| (bare(&name).to_owned(), labels);
        Self(Some(families.into_iter().map(bare).collect()))
    }

    /// Which of a family's labels are exposed; `None` if the family is not.
    pub(super) fn labels(&self, family: &str, labels: &[Label]) -> Option<Vec<Label>> {
        let everything = || Some(labels.to_vec());
        let (Some(chosen), true) = (&self.0, is_selectable(family)) else { return everything() };
        match chosen.get(bare(family))? {
            None => everything(),
            Some(only) => {
                Some(labels.iter().copied().filter(|label| only.iter().any(|n| n == label.name())).collect())
            }
        }
    }
}

/// Whether LiteLLM's setting decides about a family.
pub(super) fn is_selectable(family: &str) -> bool {
    family.starts_with("litellm_") && !family.starts_with("litellm_custom_")
}

/// LiteLLM's name of a family in its settings.
pub(super) fn bare(family: &str) -> &str {
    family.strip_suffix("_total").unwrap_or(family)
}
