//! Whose call it is, with everybody whose limits it touches: the key, its owner, team and organization.

use super::House;
use super::directory::Directory;
use super::known::Known;
use crate::auth::{self, Asked, Candidate, Principal};
use crate::domain::{
    ApiError, Attribution, CustomerFacts, ErrorKind, KeyDigest, KeyFacts, MemberFacts, Money,
    OrganizationFacts, QueueTerms, TeamFacts, UserFacts,
};
use crate::limits::Gate;
use smallvec::SmallVec;
use std::net::IpAddr;
use std::sync::Arc;

/// A caller that may come in.
#[derive(Clone)]
pub struct Standing {
    /// sha256 of the key in hex.
    pub key_hash: Arc<str>,
    /// The virtual key; `None` for the master key, and for anybody when there is none.
    pub key: Option<Arc<Known<KeyFacts>>>,
    user: Option<Arc<Known<UserFacts>>>,
    team: Option<Arc<Known<TeamFacts>>>,
    member: Option<Arc<Known<MemberFacts>>>,
    organization: Option<Arc<Known<OrganizationFacts>>>,
    /// The end user that the call names, if its limits are known.
    customer: Option<Arc<Known<CustomerFacts>>>,
    /// What the call passes whoever makes it.
    bare: Option<Arc<Gate>>,
}

/// The gates of one call.
pub type GateList<'a> = SmallVec<[&'a Arc<Gate>; 8]>;

impl Directory {
    /// Everybody who stands behind a key.
    ///
    /// # Errors
    /// Nobody knows the key, or the database cannot be asked.
    pub async fn standing(&self, candidate: &Candidate) -> Result<Standing, ApiError> {
        self.standing_of(&candidate.digest).await?.ok_or_else(|| candidate.unknown())
    }

    /// Everybody who stands behind the key of this digest; `None` if there is no such key.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn standing_of(&self, digest: &KeyDigest) -> Result<Option<Standing>, ApiError> {
        let Some(key) = self.key(digest).await? else { return Ok(None) };
        let mut standing = Standing::empty(Arc::clone(key.gate.id()));
        if let Some(user) = &key.user_id {
            standing.user = self.user(user).await?;
        }
        if let Some(team) = &key.team_id {
            standing.team = self.team(team).await?;
            if let (Some(user), Some(_)) = (&key.user_id, &standing.team) {
                standing.member = self.member(user, team).await?;
            }
        }
        let through_team = || standing.team.as_ref().and_then(|team| team.organization_id.clone());
        if let Some(organization) = key.organization_id.clone().or_else(through_team) {
            standing.organization = self.organization(&organization).await?;
        }
        standing.key = Some(key);
        Ok(Some(standing))
    }
}

impl Standing {
    fn empty(key_hash: Arc<str>) -> Self {
        let (user, team, member, organization, customer) = (None, None, None, None, None);
        Self { key_hash, key: None, user, team, member, organization, customer, bare: None }
    }

    /// Somebody without a row: the master key, or anybody when there is none.
    #[must_use]
    pub fn of(principal: Principal, gate: Option<Arc<Gate>>) -> Self {
        Self { bare: gate, ..Self::empty(principal.key_hash) }
    }

    /// Names the end user of a call, whose limits then count too.
    ///
    /// # Errors
    /// The end user was switched off, or none is named where one must be, or the database cannot be asked.
    pub async fn name_customer(
        &mut self,
        user: Option<&Arc<str>>,
        house: &House,
        directory: &Directory,
    ) -> Result<(), ApiError> {
        let Some(user) = user else {
            if house.needs_customer {
                let words = "BadRequestError please pass param 'user' with the end user of this call";
                return Err(ApiError::new(ErrorKind::InvalidRequest, words).with_param("user"));
            }
            return Ok(());
        };
        let found = directory.customer(user).await?;
        if found.as_ref().is_some_and(|found| found.blocked) {
            let words = format!("User blocked from making LLM API Calls. User={user}");
            return Err(ApiError::new(ErrorKind::BlockedKey, words));
        }
        self.customer = found;
        Ok(())
    }

    /// The model that the end user gets when a call names none that there is.
    #[must_use]
    pub fn default_model(&self) -> Option<Arc<str>> {
        self.customer.as_ref()?.default_model.clone()
    }

    /// Whether the key may be used now, from there, on this path.
    ///
    /// # Errors
    /// It is blocked, its team is, its time is over, or it is for other places.
    pub fn usable(&self, now_ms: i64, path: &str, ip: Option<IpAddr>) -> Result<(), ApiError> {
        let Some(key) = &self.key else { return Ok(()) };
        auth::usable(key, now_ms, ip)?;
        if !auth::route_allowed(key, path) {
            let routes: Vec<&str> = key.allowed_routes.iter().map(|route| &**route).collect();
            let words = format!(
                "Virtual key is not allowed to call this route. Only allowed to call routes: {routes:?}. Tried to call route: {path}"
            );
            return Err(ApiError::new(ErrorKind::RouteDenied, words));
        }
        if let Some(team) = self.team.as_ref().filter(|team| team.blocked) {
            let words =
                format!("Team={} is blocked. Update via `/team/unblock` if you're an admin.", team.id);
            return Err(ApiError::new(ErrorKind::BlockedKey, words));
        }
        Ok(())
    }

    /// What the key, or else its team, means by a model's name.
    #[must_use]
    pub fn alias<'a>(&'a self, name: &'a str) -> &'a str {
        let of = |aliases: &'a [(Arc<str>, Arc<str>)]| {
            aliases.iter().find(|(alias, _)| **alias == *name).map(|(_, meant)| &**meant)
        };
        let own = self.key.as_ref().and_then(|key| of(&key.aliases));
        own.or_else(|| self.team.as_ref().and_then(|team| of(&team.aliases))).unwrap_or(name)
    }

    /// Whether all lists of models let this one through.
    ///
    /// # Errors
    /// The first list that does not, in LiteLLM's words.
    pub fn may_call(&self, asked: &Asked<'_>) -> Result<(), ApiError> {
        let check = |kind, word: &str, this: &str, list: &[Arc<str>]| {
            if auth::lets_through(list, asked) {
                return Ok(());
            }
            let list: Vec<String> = list.iter().map(|name| format!("'{name}'")).collect();
            let words = format!(
                "{word} not allowed to access model. This {this} can only access models=[{}]. Tried to access {}",
                list.join(", "),
                asked.name
            );
            Err(ApiError::new(kind, words).with_param("model"))
        };
        if let Some(key) = &self.key {
            check(ErrorKind::KeyModelDenied, "key", "key", &key.models)?;
        }
        if let Some(team) = &self.team {
            check(ErrorKind::TeamModelDenied, "team", "team", &team.models)?;
        } else if let Some(user) = &self.user {
            check(ErrorKind::UserModelDenied, "user", "user", &user.models)?;
        }
        match &self.organization {
            Some(organization) => {
                check(ErrorKind::OrganizationModelDenied, "org", "org", &organization.models)
            }
            None => Ok(()),
        }
    }

    /// How its calls wait for scarce quota: as the key says, or else its team.
    #[must_use]
    pub fn queue(&self) -> QueueTerms {
        let own = self.key.as_ref().map(|key| key.queue).unwrap_or_default();
        let team = self.team.as_ref().map(|team| team.queue).unwrap_or_default();
        QueueTerms {
            weight: own.weight.or(team.weight),
            max_wait: own.max_wait.or(team.max_wait),
            priority: own.priority.or(team.priority),
        }
    }

    /// What a call of a model passes. An owner's own budget is not asked when a team pays.
    #[must_use]
    pub fn gates(&self, names: &[&str]) -> GateList<'_> {
        let mut gates = GateList::new();
        if let Some(key) = &self.key {
            gates.push(&key.gate);
            gates.extend(key.model_gate(names));
        }
        if let Some(team) = &self.team {
            gates.push(&team.gate);
            gates.extend(team.model_gate(names));
        }
        gates.extend(self.member.as_ref().map(|member| &member.gate));
        gates.extend(self.organization.as_ref().map(|organization| &organization.gate));
        gates.extend(
            self.user.as_ref().map(|user| if self.team.is_some() { user.team_gate() } else { &user.gate }),
        );
        gates.extend(self.customer.as_ref().map(|customer| &customer.gate));
        gates.extend(&self.bare);
        gates
    }

    /// Whether the tags that a call brings along decide about its route: of the master key, and where the key or
    /// its team says so.
    #[must_use]
    pub fn takes_client_tags(&self) -> bool {
        let Some(key) = &self.key else { return true };
        key.client_tags || self.team.as_ref().is_some_and(|team| team.client_tags)
    }

    /// What the key has spent in its period, at `now` (unix milliseconds).
    #[must_use]
    pub fn spent(&self, now: i64) -> Money {
        let gate = self.key.as_ref().map(|key| &key.gate).or(self.bare.as_ref());
        let purse = gate.and_then(|gate| gate.purses().first());
        purse.map_or(Money::ZERO, |purse| purse.account().balance(now, purse.period_end(now)).spent())
    }

    /// Whether anybody's money is limited, so that a price must be known.
    #[must_use]
    pub fn has_budget(gates: &GateList<'_>) -> bool {
        gates.iter().any(|gate| gate.purses().iter().any(|purse| purse.terms().max.is_some()))
    }

    /// Who is to be named in the record of a call.
    #[must_use]
    pub fn attribution(&self) -> Attribution {
        let key = self.key.as_ref();
        let team = self.team.as_ref();
        let mut tags: Vec<Arc<str>> = key.map(|key| key.tags.clone()).unwrap_or_default();
        tags.extend(team.iter().flat_map(|team| team.tags.iter().cloned()));
        Attribution {
            key_alias: key.and_then(|key| key.alias.clone()),
            user_id: key.and_then(|key| key.user_id.clone()),
            user_email: self.user.as_ref().and_then(|user| user.email.clone()),
            team_id: key.and_then(|key| key.team_id.clone()),
            team_alias: team.and_then(|team| team.alias.clone()),
            organization_id: self.organization.as_ref().map(|organization| Arc::clone(&organization.id)),
            organization_alias: self
                .organization
                .as_ref()
                .and_then(|organization| organization.alias.clone()),
            tags,
            ..Attribution::default()
        }
    }
}
