//! Which of LiteLLM's tables stay where they are.

use super::{days, kinds};

/// Tables whose rows stay where they are, and why; of others nothing is known.
const LEFT: &[(&str, &str)] = &[
    ("LiteLLM_SpendLogs", "single calls stay in LiteLLM's table"),
    ("LiteLLM_DailyTeamSpend", "the totals of teams are those of their keys"),
    ("LiteLLM_DailyOrganizationSpend", "the totals of organizations are those of their keys"),
    ("LiteLLM_DailyEndUserSpend", "the totals of customers stay in LiteLLM's table"),
    ("LiteLLM_OrganizationMembership", "roles within an organization are not known here"),
    ("LiteLLM_ObjectPermissionTable", "permissions for MCP servers and vector stores are not known here"),
    ("LiteLLM_Config", "settings are taken from the configuration file"),
    ("LiteLLM_DeletedVerificationToken", "deleted keys stay in LiteLLM's table"),
    ("LiteLLM_ErrorLogs", "single failures stay in LiteLLM's table"),
    ("LiteLLM_AuditLog", "who changed what stays in LiteLLM's table"),
];

/// Whether the table of this name is brought over, or why not.
pub(super) fn fate(table: &str) -> Result<(), &'static str> {
    let days = days::ALL.iter().map(|days| days.table);
    if kinds::ALL
        .iter()
        .map(|kind| kind.table)
        .chain(days)
        .chain([kinds::TEAM_ALIASES])
        .any(|known| known == table)
    {
        return Ok(());
    }
    Err(LEFT.iter().find(|(name, _)| *name == table).map_or("not known here", |(_, why)| *why))
}
