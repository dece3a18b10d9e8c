//! Which of LiteLLM's tables become which of ours.

use crate::domain::Scope;
use crate::store::table::{
    BUDGETS, CREDENTIALS, CUSTOMERS, KEYS, MEMBERS, MODELS, ORGANIZATIONS, PROJECTS, TAGS, TEAMS, Table,
    USERS,
};

/// A table of LiteLLM's that is brought over.
pub(super) struct Kind {
    /// LiteLLM's name of it.
    pub(super) table: &'static str,
    /// What its rows are called in a report.
    pub(super) words: &'static str,
    /// The columns of its primary key.
    pub(super) ids: &'static [&'static str],
    /// Where its rows go.
    pub(super) to: &'static Table,
    /// What its `spend` is a counter of.
    pub(super) scope: Option<Scope>,
    /// Whether its `spend` stays in the document.
    pub(super) keeps_spend: bool,
}

/// In this order: what others need comes first.
#[rustfmt::skip]
pub(super) static ALL: [Kind; 11] = [
    kind("LiteLLM_BudgetTable", "budgets", &["budget_id"], &BUDGETS, None),
    kind("LiteLLM_CredentialsTable", "credentials", &["credential_name"], &CREDENTIALS, None),
    kind("LiteLLM_OrganizationTable", "organizations", &["organization_id"], &ORGANIZATIONS, Some(Scope::Organization)),
    kind("LiteLLM_UserTable", "users", &["user_id"], &USERS, Some(Scope::User)),
    kind("LiteLLM_TeamTable", "teams", &["team_id"], &TEAMS, Some(Scope::Team)),
    kind("LiteLLM_TeamMembership", "team members", &["user_id", "team_id"], &MEMBERS, Some(Scope::Member)),
    kind("LiteLLM_ProjectTable", "projects", &["project_id"], &PROJECTS, None).keeping_spend(),
    kind("LiteLLM_TagTable", "tags", &["tag_name"], &TAGS, None).keeping_spend(),
    kind(KEY_TABLE, "keys", &["token"], &KEYS, Some(Scope::Key)),
    kind("LiteLLM_EndUserTable", "customers", &["user_id"], &CUSTOMERS, Some(Scope::Customer)),
    kind("LiteLLM_ProxyModelTable", "models", &["model_id"], &MODELS, None),
];

/// The table that tells a database of LiteLLM's.
pub(super) const KEY_TABLE: &str = "LiteLLM_VerificationToken";
/// The names that teams give models, by number.
pub(super) const TEAM_ALIASES: &str = "LiteLLM_ModelTable";

const fn kind(
    table: &'static str,
    words: &'static str,
    ids: &'static [&'static str],
    to: &'static Table,
    scope: Option<Scope>,
) -> Kind {
    Kind { table, words, ids, to, scope, keeps_spend: false }
}

impl Kind {
    /// What has no counter keeps what LiteLLM counted as it is.
    const fn keeping_spend(self) -> Self {
        Self { keeps_spend: true, ..self }
    }
}
