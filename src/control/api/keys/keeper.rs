//! What a caller may do with keys.

use super::Stored;
use crate::auth::Principal;
use crate::auth::grant::{self, Grantor, Place, Standing};
use crate::control::Control;
use crate::control::input::Refusal;
use crate::domain::{KeyFacts, TeamFacts, UserFacts};
use crate::runtime::Known;
use crate::store::{Facts, MEMBERS, TEAMS, member_id};
use serde_json::Value;
use std::sync::Arc;

/// Whoever makes a call about keys: every question about what it may do is asked here.
#[derive(Clone, Copy)]
pub(super) struct Keeper<'a> {
    pub(super) control: &'a Control,
    pub(super) principal: &'a Principal,
}

impl Keeper<'_> {
    /// Whether nothing is asked of them.
    pub(super) fn is_admin(&self) -> bool {
        self.principal.role.is_admin()
    }

    /// Whether everything is shown to them.
    pub(super) fn sees_all(&self) -> bool {
        self.principal.role.sees_all()
    }

    /// As rows note who did something.
    pub(super) fn name(&self) -> Value {
        self.principal.user_id().map_or(Value::Null, Value::from)
    }

    /// The caller's user.
    pub(super) async fn user(&self) -> Result<Option<Arc<Known<UserFacts>>>, Refusal> {
        match self.principal.key.as_ref().and_then(|key| key.user_id.as_ref()) {
            Some(id) => Ok(self.control.directory.user(id).await?),
            None => Ok(None),
        }
    }

    /// A team and the caller's place in it.
    pub(super) async fn team(
        &self,
        id: &Arc<str>,
    ) -> Result<Option<(Arc<Known<TeamFacts>>, Standing)>, Refusal> {
        let Some(team) = self.control.directory.team(id).await? else { return Ok(None) };
        let Some(user) = self.principal.key.as_ref().and_then(|key| key.user_id.as_deref()) else {
            return Ok(Some((team, Standing::Stranger)));
        };
        let standing = if team.admins.iter().any(|admin| **admin == *user) {
            Standing::Admin
        } else if self.is_member(user, id).await? {
            Standing::Member
        } else {
            Standing::Stranger
        };
        Ok(Some((team, standing)))
    }

    async fn is_member(&self, user: &str, team: &str) -> Result<bool, Refusal> {
        let Some(doc) = self.control.store.get(&TEAMS, team).await? else { return Ok(false) };
        let listed = doc.get("members_with_roles").and_then(Value::as_array).into_iter().flatten();
        let mut ids = listed.filter_map(|member| member.get("user_id")?.as_str());
        if ids.any(|id| id == user) || Facts(&doc).texts("members").iter().any(|id| **id == *user) {
            return Ok(true);
        }
        Ok(self.control.store.get(&MEMBERS, &member_id(user, team)).await?.is_some())
    }

    async fn standing(&self, team: Option<&Arc<str>>) -> Result<Standing, Refusal> {
        let Some(team) = team.filter(|_| !self.sees_all()) else { return Ok(Standing::Stranger) };
        Ok(self.team(team).await?.map_or(Standing::Stranger, |(_, standing)| standing))
    }

    /// Whether the caller may look at a key.
    pub(super) async fn may_read(&self, key: &KeyFacts) -> Result<bool, Refusal> {
        Ok(grant::may_read(self.principal, key, self.standing(key.team_id.as_ref()).await?))
    }

    /// Lets the caller change a key, whatever the change, or does not.
    pub(super) async fn must_own(&self, key: &Stored) -> Result<(), Refusal> {
        if self.is_admin() {
            return Ok(());
        }
        let facts = key.facts(self.control).await?;
        let standing = self.standing(facts.team_id.as_ref()).await?;
        if grant::may_change(self.principal, &facts, standing) {
            return Ok(());
        }
        Err(Refusal::forbidden(format!(
            "You are not allowed to change this key. Your role={}",
            self.principal.role.as_str()
        )))
    }

    /// Lets the caller make the key `new`, of `old` if it is only changed, or does not.
    pub(super) async fn must_have(&self, old: Option<&KeyFacts>, new: &KeyFacts) -> Result<(), Refusal> {
        if self.is_admin() {
            return Ok(());
        }
        let user = self.user().await?;
        let team = match &new.team_id {
            Some(id) => self.team(id).await?.map(|(team, standing)| (id, team, standing)),
            None => None,
        };
        let owner_is_member = match (&team, &new.user_id) {
            (Some((id, ..)), Some(owner)) => self.is_member(owner, id).await?,
            _ => false,
        };
        let place =
            team.as_ref().map(|(_, team, standing)| Place { team, standing: *standing, owner_is_member });
        let grantor = Grantor { principal: self.principal, user: user.as_ref().map(|user| &***user), place };
        Ok(grantor.check(old, new)?)
    }
}
