//! What it takes to call a route, and whether a principal has it.

use super::routes::route_allowed;
use super::{Principal, Role};
use crate::domain::{ApiError, ErrorKind, KeyFacts};
use jiff::Timestamp;
use std::fmt;
use std::net::IpAddr;

/// What it takes to call a route. Whoever has no place in a row is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing.
    Public,
    /// Any valid key.
    Key,
    /// Any valid key, if the configuration asks for one (`require_auth_for_metrics_endpoint`).
    KeyIfConfigured,
    /// Any valid key; the handler shows no more than what is the caller's own.
    Own,
    /// An admin, or an internal user; the handler lets the latter change its own, or its team's, only.
    Manage,
    /// An admin.
    Admin,
    /// An admin, or a viewer.
    AdminOrViewer,
    /// An admin, a viewer, or a key with `permissions.get_spend_routes`.
    Spend,
    /// The master key itself.
    Master,
}

impl Access {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Public,
        Self::Key,
        Self::KeyIfConfigured,
        Self::Own,
        Self::Manage,
        Self::Admin,
        Self::AdminOrViewer,
        Self::Spend,
        Self::Master,
    ];
}

/// Whether this principal may call a route of this kind. `path` is what is asked for, `shown` its pattern, as
/// refusals repeat it.
///
/// # Errors
/// LiteLLM's refusals: the key's list of routes, then its role.
pub fn may(principal: &Principal, access: Access, path: &str, shown: &str) -> Result<(), ApiError> {
    if access == Access::Public {
        return Ok(());
    }
    if let Some(key) = principal.key.as_deref().filter(|key| !route_allowed(key, path)) {
        return Err(route_denied(key, shown));
    }
    let reads_spend = principal.key.as_ref().is_some_and(|key| key.reads_spend);
    let granted = match (access, principal.role) {
        (Access::Public | Access::Key | Access::KeyIfConfigured | Access::Own, _) => true,
        (Access::Manage | Access::Admin | Access::AdminOrViewer | Access::Spend, Role::ProxyAdmin) => true,
        (Access::AdminOrViewer | Access::Spend, Role::ProxyAdminViewer) => true,
        // Without a master key nobody is anybody's owner.
        (Access::Manage, Role::InternalUser) => principal.key.is_some(),
        (Access::Spend, _) => reads_spend,
        (Access::Master, Role::ProxyAdmin) => principal.key.is_none(),
        (Access::Manage | Access::Admin | Access::AdminOrViewer | Access::Master, _) => false,
    };
    if granted { Ok(()) } else { Err(role_denied(principal, access, shown)) }
}

/// Where a request came from, if that is known; among the extensions of those that the control plane answers.
#[derive(Clone, Copy, Debug)]
pub struct Origin(pub Option<IpAddr>);

/// Whether a key may still be used at all, and from there.
///
/// # Errors
/// It was switched off, its time is over, or it belongs to other addresses.
pub fn usable(key: &KeyFacts, now_ms: i64, ip: Option<IpAddr>) -> Result<(), ApiError> {
    if key.blocked {
        let words = "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.";
        return Err(ApiError::new(ErrorKind::BlockedKey, words));
    }
    let Some(expires) = key.expires.filter(|expires| *expires <= now_ms) else {
        if key.allowed_ips.is_empty() || ip.is_some_and(|ip| key.allowed_ips.contains(&ip)) {
            return Ok(());
        }
        let words = "Authentication Error, this key may not be used from this address.";
        return Err(ApiError::new(ErrorKind::Forbidden, words));
    };
    let words = format!(
        "Authentication Error - Expired Key. Key Expiry time {} and current time {}",
        Moment(expires),
        Moment(now_ms)
    );
    let hash = key.digest.to_hex();
    let tail = format!("sk-...{}", hash.get(hash.len() - 4..).unwrap_or_default());
    Err(ApiError::new(ErrorKind::ExpiredKey, words).with_param(&tail))
}

/// A time as Python prints it.
struct Moment(i64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_millisecond(self.0).unwrap_or_default();
        let part = if self.0.rem_euclid(1000) == 0 { "" } else { "%.6f" };
        write!(f, "{}+00:00", time.strftime(&format!("%Y-%m-%d %H:%M:%S{part}")))
    }
}

fn route_denied(key: &KeyFacts, path: &str) -> ApiError {
    let routes: Vec<String> = key.allowed_routes.iter().map(|route| format!("'{route}'")).collect();
    let words = format!(
        "Virtual key is not allowed to call this route. Only allowed to call routes: [{}]. Tried to call route: {path}",
        routes.join(", ")
    );
    ApiError::new(ErrorKind::RouteDenied, words)
}

fn role_denied(principal: &Principal, access: Access, path: &str) -> ApiError {
    let words = if access == Access::Master {
        format!("Authentication Error, Tried to access route={path}, which is only for MASTER KEY")
    } else {
        format!(
            "Authentication Error, Only proxy admin can be used to generate, delete, update info for new \
             keys/users/teams. Route={path}. Your role={}. Your user_id={}",
            principal.role.as_str(),
            principal.user_id().unwrap_or("unknown")
        )
    };
    ApiError::new(ErrorKind::AdminOnly, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixture::{key, principal};
    use std::sync::Arc;

    #[test]
    fn each_role_gets_in_where_its_row_says() {
        use Access as A;
        let roles = [
            Role::ProxyAdmin,
            Role::ProxyAdminViewer,
            Role::InternalUser,
            Role::InternalUserViewer,
            Role::Unknown,
        ];
        for (access, allowed) in [
            (A::Public, [true; 5]),
            (A::Key, [true; 5]),
            (A::KeyIfConfigured, [true; 5]),
            (A::Own, [true; 5]),
            (A::Manage, [true, false, true, false, false]),
            (A::Admin, [true, false, false, false, false]),
            (A::AdminOrViewer, [true, true, false, false, false]),
            (A::Spend, [true, true, false, false, false]),
            (A::Master, [false; 5]),
        ] {
            for (role, allowed) in roles.into_iter().zip(allowed) {
                let found = may(&principal(role, key()), access, "/x", "/x");
                assert_eq!(found.is_ok(), allowed, "{access:?} {role:?}: {found:?}");
            }
        }
    }

    #[test]
    fn the_master_key_may_do_everything_and_nobody_next_to_nothing() {
        let master = Principal { key: None, ..principal(Role::ProxyAdmin, key()) };
        let nobody = Principal { key: None, ..principal(Role::InternalUser, key()) };
        for access in Access::ALL {
            assert!(may(&master, access, "/x", "/x").is_ok(), "{access:?}");
            let open = matches!(access, Access::Public | Access::Key | Access::KeyIfConfigured | Access::Own);
            assert_eq!(may(&nobody, access, "/x", "/x").is_ok(), open, "{access:?}");
        }
        assert_eq!(nobody.user_id(), None);
    }

    #[test]
    fn refusals_are_litellms() {
        let refused = may(&principal(Role::Unknown, key()), Access::Admin, "/key/generate", "/key/generate")
            .unwrap_err();
        assert_eq!(refused.status(), 401);
        assert_eq!(
            refused.message,
            "Authentication Error, Only proxy admin can be used to generate, delete, update info for new \
             keys/users/teams. Route=/key/generate. Your role=unknown. Your user_id=unknown"
        );
        let mut listed = key();
        listed.allowed_routes = vec![Arc::from("llm_api_routes"), Arc::from("/health")];
        let refused =
            may(&principal(Role::ProxyAdmin, listed), Access::Admin, "/key/info", "/key/info").unwrap_err();
        assert_eq!(refused.status(), 403);
        assert_eq!(
            refused.message,
            "Virtual key is not allowed to call this route. Only allowed to call routes: \
             ['llm_api_routes', '/health']. Tried to call route: /key/info"
        );
    }

    #[test]
    fn spend_opens_to_a_key_that_may_read_it() {
        let mut reader = key();
        reader.reads_spend = true;
        assert!(
            may(&principal(Role::Unknown, reader), Access::Spend, "/global/spend", "/global/spend").is_ok()
        );
    }

    #[test]
    fn a_blocked_key_and_an_old_one_are_of_no_use() {
        let mut blocked = key();
        blocked.blocked = true;
        assert_eq!(usable(&blocked, 0, None).unwrap_err().status(), 401);
        let mut old = key();
        old.expires = Some(1_795_225_906_831);
        assert!(usable(&old, 1_795_225_906_830, None).is_ok());
        let refused = usable(&old, 1_795_225_907_000, None).unwrap_err();
        assert_eq!((refused.status(), refused.param.as_deref()), (400, Some("sk-...0707")));
        assert_eq!(
            refused.message,
            "Authentication Error - Expired Key. Key Expiry time 2026-11-21 01:51:46.831000+00:00 \
             and current time 2026-11-21 01:51:47+00:00"
        );
    }
}
