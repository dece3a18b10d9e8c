//! What a request needs to know of a key and of those it belongs to. Immutable: a change makes a new value.

use super::{KeyDigest, Money, Period};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Limits on speed; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateTerms {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute.
    pub tpm: Option<u64>,
    /// Requests at one time.
    pub parallel: Option<u64>,
}

/// A limit on money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetTerms {
    /// Spending stops here.
    pub max: Option<Money>,
    /// Spending is reported here, and goes on.
    pub soft: Option<Money>,
    /// How often the counter begins anew; `None` is never.
    pub period: Option<Period>,
    /// When the first period ends, in unix milliseconds; `None` for periods that follow the calendar.
    pub anchor: Option<i64>,
    /// Added to `max` until a time, in unix milliseconds.
    pub increase: Option<(Money, i64)>,
}

/// How the calls of a key or a team wait for scarce quota; what is `None` is as for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueTerms {
    /// Its share among those who wait, in thousandths (`queue_weight`); 1000 if nobody says another.
    pub weight: Option<u32>,
    /// How long its calls may wait (`max_wait`).
    pub max_wait: Option<Duration>,
    /// The best priority that its calls may have, and have if they say nothing (`queue_priority`); lower is sooner.
    pub priority: Option<u8>,
}

/// A virtual key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its digest.
    pub digest: KeyDigest,
    /// `sk-...` and the last four characters.
    pub name: Arc<str>,
    /// What people call it.
    pub alias: Option<Arc<str>>,
    /// Its owner.
    pub user_id: Option<Arc<str>>,
    /// Its team.
    pub team_id: Option<Arc<str>>,
    /// Its organization.
    pub organization_id: Option<Arc<str>>,
    /// Models, groups, access groups or patterns it may call; none means all.
    pub models: Vec<Arc<str>>,
    /// Its own names for models: name, what it stands for.
    pub aliases: Vec<(Arc<str>, Arc<str>)>,
    /// When it stops working, in unix milliseconds.
    pub expires: Option<i64>,
    /// Whether it was switched off.
    pub blocked: bool,
    /// Limits on its speed.
    pub rates: RateTerms,
    /// Limits on its speed with one model.
    pub model_rates: Vec<(Arc<str>, RateTerms)>,
    /// Its budget.
    pub budget: BudgetTerms,
    /// Further budgets that hold at the same time (`budget_limits`), each with its slot.
    pub windows: Vec<(Arc<str>, BudgetTerms)>,
    /// Budgets for single models.
    pub model_budgets: Vec<(Arc<str>, BudgetTerms)>,
    /// Routes, patterns and groups of routes it may call; none means what its role may.
    pub allowed_routes: Vec<Arc<str>>,
    /// Whether it may read what everybody spends (`permissions.get_spend_routes`).
    pub reads_spend: bool,
    /// Addresses it may be used from; none means all.
    pub allowed_ips: Vec<IpAddr>,
    /// Labels for spend, and for routing by tags (`metadata.tags`).
    pub tags: Vec<Arc<str>>,
    /// How its calls wait.
    pub queue: QueueTerms,
    /// Whether the tags that calls bring along decide about their route (`metadata.allow_client_tags`).
    pub client_tags: bool,
}

/// What a user may do, LiteLLM's `user_role`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UserRole {
    /// Everything.
    ProxyAdmin,
    /// Reads everything.
    ProxyAdminViewer,
    /// Makes and uses its own keys.
    #[default]
    InternalUser,
    /// Reads its own.
    InternalUserViewer,
}

impl UserRole {
    /// LiteLLM's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProxyAdmin => "proxy_admin",
            Self::ProxyAdminViewer => "proxy_admin_viewer",
            Self::InternalUser => "internal_user",
            Self::InternalUserViewer => "internal_user_viewer",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ProxyAdmin, Self::ProxyAdminViewer, Self::InternalUser, Self::InternalUserViewer]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

/// An internal user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFacts {
    /// Its id.
    pub id: Arc<str>,
    /// Its address.
    pub email: Option<Arc<str>>,
    /// What it may do.
    pub role: UserRole,
    /// Models its keys may call when they have no team; none means all.
    pub models: Vec<Arc<str>>,
    /// Limits on the speed of all its keys together.
    pub rates: RateTerms,
    /// The budget of all its keys together.
    pub budget: BudgetTerms,
}

/// A team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamFacts {
    /// Its id.
    pub id: Arc<str>,
    /// What people call it.
    pub alias: Option<Arc<str>>,
    /// Its organization.
    pub organization_id: Option<Arc<str>>,
    /// Models its keys may call; none means all.
    pub models: Vec<Arc<str>>,
    /// Its own names for models.
    pub aliases: Vec<(Arc<str>, Arc<str>)>,
    /// Whether it was switched off.
    pub blocked: bool,
    /// Users who may manage it.
    pub admins: Vec<Arc<str>>,
    /// Limits on the speed of all its keys together.
    pub rates: RateTerms,
    /// Limits on its speed with one model.
    pub model_rates: Vec<(Arc<str>, RateTerms)>,
    /// The budget of all its keys together.
    pub budget: BudgetTerms,
    /// Limits on the speed of each of its members.
    pub member_rates: RateTerms,
    /// The budget of each of its members.
    pub member_budget: BudgetTerms,
    /// Labels for spend, and for routing by tags.
    pub tags: Vec<Arc<str>>,
    /// How its keys' calls wait.
    pub queue: QueueTerms,
    /// Whether the tags that calls bring along decide about their route.
    pub client_tags: bool,
}

/// A user's place in a team, with limits of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberFacts {
    /// Limits on its speed within the team.
    pub rates: RateTerms,
    /// Its budget within the team.
    pub budget: BudgetTerms,
}

/// An end user of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerFacts {
    /// Its id: what clients send as `user`.
    pub id: Arc<str>,
    /// Whether it was switched off.
    pub blocked: bool,
    /// The model it gets when it names none that there is.
    pub default_model: Option<Arc<str>>,
    /// Limits on its speed.
    pub rates: RateTerms,
    /// Its budget.
    pub budget: BudgetTerms,
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationFacts {
    /// Its id.
    pub id: Arc<str>,
    /// What people call it.
    pub alias: Option<Arc<str>>,
    /// Models its keys may call; none means all.
    pub models: Vec<Arc<str>>,
    /// Limits on the speed of all its keys together.
    pub rates: RateTerms,
    /// The budget of all its keys together.
    pub budget: BudgetTerms,
}
