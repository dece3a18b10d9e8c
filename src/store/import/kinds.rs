//! Which of LiteLLM's tables become which of ours.

use crate::domain::Scope;
use crate::store::table::{BUDGETS, CUSTOMERS, KEYS, MEMBERS, MODELS, ORGANIZATIONS, TEAMS, Table, USERS};

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
}

/// In this order: what others need comes first.
#[rustfmt::skip]
pub(super) static ALL: [Kind; 8] = [
    kind("LiteLLM_BudgetTable", "budgets", &["budget_id"], &BUDGETS, None),
    kind("LiteLLM_OrganizationTable", "organizations", &["organization_id"], &ORGANIZATIONS, Some(Scope::Organization)),
    kind("LiteLLM_UserTable", "users", &["user_id"], &USERS, Some(Scope::User)),
    kind("LiteLLM_TeamTable", "teams", &["team_id"], &TEAMS, Some(Scope::Team)),
    kind("LiteLLM_TeamMembership", "team members", &["user_id", "team_id"], &MEMBERS, Some(Scope::Member)),
    kind(KEY_TABLE, "keys", &["token"], &KEYS, Some(Scope::Key)),
    kind("LiteLLM_EndUserTable", "customers", &["user_id"], &CUSTOMERS, Some(Scope::Customer)),
    kind("LiteLLM_ProxyModelTable", "models", &["model_id"], &MODELS, None),
];

/// The table that tells a database of LiteLLM's.
pub(super) const KEY_TABLE: &str = "LiteLLM_VerificationToken";
/// The names that teams give models, by number.
pub(super) const TEAM_ALIASES: &str = "LiteLLM_ModelTable";

/// Tables whose rows stay where they are, and why.
pub(super) const LEFT: &[(&str, &str)] = &[
    ("LiteLLM_SpendLogs", "single calls stay in LiteLLM's table"),
    ("LiteLLM_DailyUserSpend", "daily totals stay in LiteLLM's table"),
    ("LiteLLM_DailyTeamSpend", "daily totals stay in LiteLLM's table"),
    ("LiteLLM_DailyTagSpend", "daily totals stay in LiteLLM's table"),
    ("LiteLLM_CredentialsTable", "named credentials have to be made again"),
    ("LiteLLM_OrganizationMembership", "roles within an organization are not known here"),
    ("LiteLLM_ProjectTable", "projects are not known here"),
    ("LiteLLM_TagTable", "limits of tags are not known here"),
    ("LiteLLM_ObjectPermissionTable", "permissions for MCP servers and vector stores are not known here"),
    ("LiteLLM_Config", "settings are taken from the configuration file"),
];

const fn kind(
    table: &'static str,
    words: &'static str,
    ids: &'static [&'static str],
    to: &'static Table,
    scope: Option<Scope>,
) -> Kind {
    Kind { table, words, ids, to, scope }
}
