//! Who makes an admin call.

use super::Refusal;
use crate::auth::{ADMIN_USER, Principal, Role};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// The caller, and the path that refusals repeat.
pub(in crate::control) struct Caller {
    principal: Principal,
    path: String,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let principal = parts.extensions.get::<Principal>().cloned();
        let principal = principal.ok_or_else(|| Refusal::forbidden("this route wants a key"))?;
        Ok(Self { principal, path: parts.uri.path().to_owned() })
    }
}

impl Caller {
    /// Whether it may do anything.
    pub(in crate::control) fn is_admin(&self) -> bool {
        self.principal.role.is_admin()
    }

    /// Whether it may see anything.
    pub(in crate::control) fn sees_all(&self) -> bool {
        self.principal.role.sees_all()
    }

    /// Whether it may change what is its own.
    pub(in crate::control) fn manages(&self) -> bool {
        matches!(self.principal.role, Role::ProxyAdmin | Role::InternalUser)
    }

    /// The user it is; without a master key nobody is one.
    pub(in crate::control) fn user(&self) -> Option<&str> {
        match &self.principal.key {
            Some(key) => key.user_id.as_deref(),
            None if self.is_admin() => Some(ADMIN_USER),
            None => None,
        }
    }

    /// The team of its key.
    pub(in crate::control) fn team(&self) -> Option<&str> {
        self.principal.key.as_ref()?.team_id.as_deref()
    }

    /// Who it is in `created_by` and its like.
    pub(in crate::control) fn name(&self) -> &str {
        self.user().unwrap_or(&self.principal.key_hash)
    }

    /// What the caller's key and role are.
    pub(in crate::control) const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Lets an admin go on.
    pub(in crate::control) fn must_be_admin(&self) -> Result<(), Refusal> {
        if self.is_admin() { Ok(()) } else { Err(self.not_admin()) }
    }

    /// Lets an admin or a viewer go on.
    pub(in crate::control) fn must_see_all(&self) -> Result<(), Refusal> {
        if self.sees_all() { Ok(()) } else { Err(self.not_admin()) }
    }

    /// LiteLLM's words to whoever is no admin.
    pub(in crate::control) fn not_admin(&self) -> Refusal {
        Refusal::not_admin(&self.path, self.principal.role, self.user())
    }
}
