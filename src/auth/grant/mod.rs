//! What a principal may hand on: never more than it has.
//!
//! A key that is made or changed must be within the key of whoever asks, in every respect at once; or, for a
//! change, within what it was before. Otherwise the money of one key and the models of another could be put
//! together into what neither had. Limits of users and teams hold for all their keys when these are used, so
//! here they are only compared with what is asked for by name.

mod bounds;
#[cfg(test)]
mod tests;

use super::{Principal, Role};
use crate::domain::{ApiError, ErrorKind, KeyFacts, TeamFacts, UserFacts};
use bounds::{OF_TEAM, beyond, models_beyond};
use std::sync::Arc;

/// A user's place in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// None.
    Stranger,
    /// A member.
    Member,
    /// A member that manages it.
    Admin,
}

/// The team that a key belongs to, as seen by whoever changes the key.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The team.
    pub team: &'a TeamFacts,
    /// The caller's place in it.
    pub standing: Standing,
    /// Whether the key's owner is a member of it.
    pub owner_is_member: bool,
}

/// Who hands on rights.
#[derive(Clone, Copy, Debug)]
pub struct Grantor<'a> {
    /// The caller.
    pub principal: &'a Principal,
    /// The caller's user.
    pub user: Option<&'a UserFacts>,
    /// The team of the key as it will be.
    pub place: Option<Place<'a>>,
}

impl Grantor<'_> {
    /// Whether the key `new` may be made; `old` is what it was before, if it is only changed.
    ///
    /// # Errors
    /// What the caller does not have itself.
    pub fn check(&self, old: Option<&KeyFacts>, new: &KeyFacts) -> Result<(), ApiError> {
        if self.principal.role == Role::ProxyAdmin {
            return Ok(());
        }
        let (Role::InternalUser, Some(own)) = (self.principal.role, &self.principal.key) else {
            return Err(forbidden("Only a proxy admin, or an internal user with a key, can do this."));
        };
        let Some(user) = own.user_id.as_deref() else {
            return Err(forbidden("Your key has no user."));
        };
        self.placed(user, new)?;
        if old.is_some_and(|old| old.blocked && !new.blocked) {
            return Err(forbidden("Only a proxy admin can unblock a key."));
        }
        let organization = self.place.and_then(|place| place.team.organization_id.as_deref());
        if old.is_some_and(|old| beyond(new, old, self.team(), None).is_none()) {
            return Ok(());
        }
        if let Some(field) = beyond(new, own, self.team(), organization) {
            return Err(exceeded(field));
        }
        self.named(own, new).map_or(Ok(()), |field| Err(exceeded(field)))
    }

    /// Whether the key may belong to whom it says.
    fn placed(&self, user: &str, new: &KeyFacts) -> Result<(), ApiError> {
        let place = self.place.filter(|place| new.team_id.as_deref() == Some(&*place.team.id));
        if new.team_id.is_some() && place.is_none_or(|place| place.standing == Standing::Stranger) {
            return Err(forbidden("You are not a member of this team."));
        }
        if new.user_id.as_deref() == Some(user) {
            return Ok(());
        }
        let Some(place) = place.filter(|place| place.standing == Standing::Admin) else {
            return Err(forbidden("You can have keys for yourself only."));
        };
        if new.user_id.is_some() && !place.owner_is_member {
            return Err(forbidden("The key's user is not a member of this team."));
        }
        Ok(())
    }

    fn team(&self) -> Option<&TeamFacts> {
        self.place.map(|place| place.team)
    }

    /// What is asked for by name, besides what the caller's key has, and would never be had because the user or
    /// the team does not have it.
    fn named(&self, own: &KeyFacts, new: &KeyFacts) -> Option<&'static str> {
        let (models, budget, rates) = match (self.team(), self.user) {
            (Some(team), _) => (&team.models, team.budget, team.rates),
            (None, Some(user)) => (&user.models, user.budget, user.rates),
            (None, None) => return None,
        };
        let over = |asked: Option<u64>, own: Option<u64>, bound: Option<u64>| {
            asked != own && asked.zip(bound).is_some_and(|(asked, bound)| asked > bound)
        };
        let (max, most) = (new.budget.max, budget.max);
        let of_team = |model: &Arc<str>| self.place.is_some() && **model == *OF_TEAM;
        let asked: Vec<Arc<str>> = new.models.iter().filter(|model| !of_team(model)).cloned().collect();
        let by_name = !asked.is_empty() && new.models != own.models;
        [
            ("models", by_name && models_beyond(&asked, models, None, true)),
            ("max_budget", max != own.budget.max && max.zip(most).is_some_and(|(max, most)| max > most)),
            ("rpm_limit", over(new.rates.rpm, own.rates.rpm, rates.rpm)),
            ("tpm_limit", over(new.rates.tpm, own.rates.tpm, rates.tpm)),
        ]
        .into_iter()
        .find_map(|(field, is_over)| is_over.then_some(field))
    }
}

/// Whether a principal may change a key at all, whatever the change. `standing` is its place in the key's team.
#[must_use]
pub fn may_change(principal: &Principal, key: &KeyFacts, standing: Standing) -> bool {
    match principal.role {
        Role::ProxyAdmin => true,
        Role::InternalUser => owns(principal, key) || standing == Standing::Admin,
        Role::ProxyAdminViewer | Role::InternalUserViewer | Role::Unknown => false,
    }
}

/// Whether a principal may look at a key. `standing` is its place in the key's team.
#[must_use]
pub fn may_read(principal: &Principal, key: &KeyFacts, standing: Standing) -> bool {
    let itself = principal.key.as_ref().is_some_and(|own| own.digest == key.digest);
    match principal.role {
        Role::ProxyAdmin | Role::ProxyAdminViewer => true,
        Role::InternalUser | Role::InternalUserViewer => {
            itself || owns(principal, key) || standing == Standing::Admin
        }
        Role::Unknown => itself,
    }
}

fn owns(principal: &Principal, key: &KeyFacts) -> bool {
    principal.user_id().is_some_and(|user| key.user_id.as_deref() == Some(user))
}

fn exceeded(field: &str) -> ApiError {
    forbidden(&format!("A key can be given only what you have yourself: `{field}` goes beyond it."))
        .with_param(field)
}

fn forbidden(words: &str) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, words)
}
