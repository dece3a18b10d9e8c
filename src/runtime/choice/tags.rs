//! Tags: which deployments are for a call (`enable_tag_filtering`).
//!
//! As in LiteLLM: a call with tags gets the deployments that have them, else those tagged `default`; one
//! without gets those tagged `default`, and all where there are none. One tag in common is enough, unless
//! `tag_filtering_match_any` is off: then the deployment must have all of the call's.

use super::Wish;
use crate::config::Filters;
use crate::runtime::Group;
use std::sync::Arc;

const DEFAULT: &str = "default";

/// Which deployments a call may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagRule {
    /// All.
    All,
    /// Those that have its tags.
    Matching,
    /// Those tagged `default`.
    Default,
}

impl TagRule {
    /// The rule for a call; a default stands in for matching ones that are out of rotation too.
    pub(super) fn of(group: &Group, wish: &Wish<'_>) -> Self {
        if !group.has_tags {
            return Self::All;
        }
        let in_rotation =
            group.deployments.iter().filter(|d| d.target.unserved.is_none() && d.state.cooled().is_none());
        let mut tagged = in_rotation.map(|deployment| deployment.target.params.tags.as_slice());
        if !wish.tags.is_empty() && tagged.clone().any(|tags| matches(tags, wish.tags, group.filters)) {
            return Self::Matching;
        }
        match (tagged.any(is_default), wish.tags.is_empty()) {
            (true, _) => Self::Default,
            (false, true) => Self::All,
            (false, false) => Self::Matching,
        }
    }

    pub(super) fn allows(self, own: &[Arc<str>], wanted: &[Arc<str>], filters: Filters) -> bool {
        match self {
            Self::All => true,
            Self::Matching => matches(own, wanted, filters),
            Self::Default => is_default(own),
        }
    }
}

fn is_default(tags: &[Arc<str>]) -> bool {
    tags.iter().any(|tag| **tag == *DEFAULT)
}

fn matches(own: &[Arc<str>], wanted: &[Arc<str>], filters: Filters) -> bool {
    let has = |tag: &Arc<str>| own.contains(tag);
    if filters.any_tag { wanted.iter().any(has) } else { wanted.iter().all(has) }
}
