//! Whose money a call spends: the counters that budgets are compared with.

use std::fmt;
use std::sync::Arc;

/// What kind of thing a counter or a limit belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// A virtual key; the id is its digest in hex.
    Key,
    /// An internal user.
    User,
    /// A team.
    Team,
    /// A user within a team; the id is the user, a newline, the team.
    Member,
    /// An end user of a client.
    Customer,
    /// An organization.
    Organization,
    /// A provider of models, limited by `provider_budget_config`.
    Provider,
    /// The whole gateway; the id is empty.
    Global,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 8] = [
        Self::Key,
        Self::User,
        Self::Team,
        Self::Member,
        Self::Customer,
        Self::Organization,
        Self::Provider,
        Self::Global,
    ];

    /// The scope's name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::Team => "team",
            Self::Member => "member",
            Self::Customer => "customer",
            Self::Organization => "organization",
            Self::Provider => "provider",
            Self::Global => "global",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names one counter of spent money.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterId {
    /// What it belongs to.
    pub scope: Scope,
    /// Which one of that kind.
    pub id: Arc<str>,
    /// Which counter of it: empty for the budget itself, `7d` for a window of `budget_limits`,
    /// `model:NAME` for a model's own budget.
    pub slot: Arc<str>,
}

/// A counter that a call is charged to, with the period the call falls into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The counter.
    pub counter: CounterId,
    /// When the period ends, in unix milliseconds; 0 for a counter without a period.
    pub period_end: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::from_name(scope.as_str()), Some(scope));
        }
    }
}
