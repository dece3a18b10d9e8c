//! Who may see whose spend. The one place of this folder that decides it.

use crate::auth::{Principal, Role};
use crate::control::input::Refusal;

/// How much of it may be seen.
pub(super) enum Sight {
    /// Everything.
    All,
    /// What this user's keys spend.
    Own(String),
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// What everybody spends: `/global/*`.
    Everybody,
    /// Single calls, and what single users spend.
    Single,
}

/// Who sees what: admins and viewers all, a key with `get_spend_routes` what everybody spends, users their own.
pub(super) fn sight(principal: &Principal, about: About, route: &str) -> Result<Sight, Refusal> {
    let reads_spend = principal.key.as_ref().is_some_and(|key| key.reads_spend);
    match (principal.role, principal.user_id()) {
        (Role::ProxyAdmin | Role::ProxyAdminViewer, _) => Ok(Sight::All),
        _ if reads_spend && about == About::Everybody => Ok(Sight::All),
        (Role::InternalUser | Role::InternalUserViewer, Some(user)) if about == About::Single => {
            Ok(Sight::Own(user.to_owned()))
        }
        (role, user) => Err(Refusal::not_admin(route, role, user)),
    }
}

/// For what only an admin may do.
pub(super) fn admin(principal: &Principal, route: &str) -> Result<(), Refusal> {
    if principal.role.is_admin() {
        return Ok(());
    }
    Err(Refusal::not_admin(route, principal.role, principal.user_id()))
}

impl Sight {
    /// The user whose spend is meant: the one asked for, if it may be seen.
    pub(super) fn narrowed(self, wanted: Option<String>) -> Option<String> {
        match self {
            Self::All => wanted,
            Self::Own(user) => Some(user),
        }
    }
}
