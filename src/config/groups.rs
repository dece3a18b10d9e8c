//! `tollgate.groups`: what one group does differently from the others.

use crate::routing::{Choice, HedgeTerms};
use std::time::Duration;

/// The settings of one group; what it does not say is as everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupConfig {
    /// How its next deployment is chosen.
    pub strategy: Option<Choice>,
    /// How long its calls may wait for quota; its deployments' `rpm` and `tpm` are limits then.
    pub max_wait: Option<Duration>,
    /// How its calls are hedged; `None` is not at all.
    pub hedge: Option<HedgeTerms>,
}

/// The groups that have settings of their own, by `model_name` or alias.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups(pub Vec<(String, GroupConfig)>);

impl Groups {
    /// The settings of the group of that name, if it has some.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&GroupConfig> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, group)| group)
    }
}
