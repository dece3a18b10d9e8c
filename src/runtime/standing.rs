//! Whose call it is, with everybody whose limits it touches: the key, its owner, team and organization.

use super::House;
use super::circle::{Circle, People};
use super::directory::Directory;
use super::known::Known;
use super::near::{self, Kept};
use crate::auth::{self, Asked, Candidate};
use crate::domain::{
    ApiError, Attribution, CustomerFacts, ErrorKind, KeyDigest, KeyFacts, Money, QueueTerms, TeamFacts,
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
    circle: Arc<Circle>,
    /// The end user that the call names, if its limits are known.
    customer: Option<Arc<Known<CustomerFacts>>>,
}

/// The gates of one call.
pub type GateList<'a> = SmallVec<[&'a Arc<Gate>; 8]>;

impl Directory {
    /// Everybody who stands behind a key.
    ///
    /// # Errors
    /// Nobody knows the key, or the database cannot be asked.
    pub async fn standing(&self, candidate: &Candidate) -> Result<Standing, ApiError> {
        let digest = &candidate.digest;
        let stamp = self.changes.stamp(digest);
        if let Some(Kept { circle, tell }) = near::find(digest, stamp) {
            if tell {
                self.is_in_use(digest, &circle.people);
            }
            return Ok(Standing::within(circle));
        }
        // On the heap, so that other calls need not carry it.
        let found = Box::pin(self.people(digest)).await?;
        let (hash, people) = found.ok_or_else(|| candidate.unknown())?;
        // A replaced key's facts change with its successor's.
        let is_own = people.key.as_ref().is_some_and(|key| key.digest == *digest);
        let circle = Circle::of(hash, people);
        let circle = if is_own { near::keep(digest, stamp, circle) } else { Arc::new(circle) };
        Ok(Standing::within(circle))
    }

    /// Everybody who stands behind the key of this digest; `None` if there is no such key.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn standing_of(&self, digest: &KeyDigest) -> Result<Option<Standing>, ApiError> {
        let found = self.people(digest).await?;
        Ok(found.map(|(hash, people)| Standing::within(Arc::new(Circle::of(hash, people)))))
    }

    async fn people(&self, digest: &KeyDigest) -> Result<Option<(Arc<str>, People)>, ApiError> {
        let Some(key) = self.key(digest).await? else { return Ok(None) };
        let mut people = People::default();
        if let Some(user) = &key.user_id {
            people.user = self.user(user).await?;
        }
        if let Some(team) = &key.team_id {
            people.team = self.team(team).await?;
            if let (Some(user), Some(_)) = (&key.user_id, &people.team) {
                people.member = self.member(user, team).await?;
            }
        }
        let through_team = || people.team.as_ref().and_then(|team| team.organization_id.clone());
        if let Some(organization) = key.organization_id.clone().or_else(through_team) {
            people.organization = self.organization(&organization).await?;
        }
        let hash = Arc::clone(key.gate.id());
        people.key = Some(key);
        Ok(Some((hash, people)))
    }
}

impl Standing {
    pub(super) fn within(circle: Arc<Circle>) -> Self {
        Self { key_hash: Arc::clone(&circle.key_hash), circle, customer: None }
    }

    /// Somebody without a row: the master key, or anybody when there is none, with what their calls pass.
    #[must_use]
    pub fn bare(key_hash: &Arc<str>, gate: &Arc<Gate>) -> Self {
        Self::within(Arc::new(near::apart(&Circle::bare(Arc::clone(key_hash), gate))))
    }

    /// The virtual key; `None` for the master key, and for anybody when there is none.
    #[must_use]
    pub fn key(&self) -> Option<&Known<KeyFacts>> {
        self.circle.people.key.as_deref()
    }

    fn team(&self) -> Option<&Known<TeamFacts>> {
        self.circle.people.team.as_deref()
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
        let Some(key) = self.key() else { return Ok(()) };
        auth::usable(key, now_ms, ip)?;
        if !auth::route_allowed(key, path) {
            let routes: Vec<&str> = key.allowed_routes.iter().map(|route| &**route).collect();
            let words = format!(
                "Virtual key is not allowed to call this route. Only allowed to call routes: {routes:?}. Tried to call route: {path}"
            );
            return Err(ApiError::new(ErrorKind::RouteDenied, words));
        }
        if let Some(team) = self.team().filter(|team| team.blocked) {
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
        let own = self.key().and_then(|key| of(&key.aliases));
        own.or_else(|| self.team().and_then(|team| of(&team.aliases))).unwrap_or(name)
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
        let People { key, team, user, organization, .. } = &self.circle.people;
        if let Some(key) = key {
            check(ErrorKind::KeyModelDenied, "key", "key", &key.models)?;
        }
        if let Some(team) = team {
            check(ErrorKind::TeamModelDenied, "team", "team", &team.models)?;
        } else if let Some(user) = user {
            check(ErrorKind::UserModelDenied, "user", "user", &user.models)?;
        }
        match organization {
            Some(organization) => {
                check(ErrorKind::OrganizationModelDenied, "org", "org", &organization.models)
            }
            None => Ok(()),
        }
    }

    /// How its calls wait for scarce quota: as the key says, or else its team.
    #[must_use]
    pub fn queue(&self) -> QueueTerms {
        let own = self.key().map(|key| key.queue).unwrap_or_default();
        let team = self.team().map(|team| team.queue).unwrap_or_default();
        QueueTerms {
            weight: own.weight.or(team.weight),
            max_wait: own.max_wait.or(team.max_wait),
            priority: own.priority.or(team.priority),
        }
    }

    /// What a call of a model passes. An owner's own budget is not asked when a team pays.
    #[must_use]
    pub fn gates(&self, names: &[&str]) -> GateList<'_> {
        let mut gates: GateList<'_> = self.circle.gates(names).collect();
        gates.extend(self.customer.as_ref().map(|customer| &customer.gate));
        gates
    }

    /// Whether the tags that a call brings along decide about its route: of the master key, and where the key or
    /// its team says so.
    #[must_use]
    pub fn takes_client_tags(&self) -> bool {
        let Some(key) = self.key() else { return true };
        key.client_tags || self.team().is_some_and(|team| team.client_tags)
    }

    /// What the key has spent in its period, at `now` (unix milliseconds).
    #[must_use]
    pub fn spent(&self, now: i64) -> Money {
        let purse = self.circle.first().and_then(|gate| gate.purses().first());
        purse.map_or(Money::ZERO, |purse| purse.spent(now))
    }

    /// Whether anybody's money is limited, so that a price must be known.
    #[must_use]
    pub fn has_budget(gates: &GateList<'_>) -> bool {
        gates.iter().any(|gate| gate.purses().iter().any(|purse| purse.terms().max.is_some()))
    }

    /// Who is to be named in the record of a call.
    #[must_use]
    pub fn attribution(&self) -> Attribution {
        self.circle.named()
    }
}
