//! Who is who, in memory: keys, users, teams and customers as the database has them, with their counters.
//!
//! Looking up what is known costs no lock that anybody waits under. What is not known is fetched once, on the
//! control runtime, however many requests ask for it; a name that turned out not to exist is remembered for
//! a moment. What is known stays usable while the database is away.

use super::circle::People;
use super::known::{Counters, Gates, Known};
use super::near::Changes;
use super::shelf::Shelf;
use crate::auth::{Candidate, Principal, Role};
use crate::domain::{
    ApiError, BudgetTerms, CustomerFacts, ErrorKind, KeyDigest, KeyFacts, MemberFacts, OrganizationFacts,
    RateTerms, Scope, TeamFacts, UserFacts, unix_ms,
};
use crate::limits::{Meters, Zone};
use crate::store::{
    BUDGETS, CUSTOMERS, KEYS, MEMBERS, ORGANIZATIONS, Store, StoreError, TEAMS, USERS, member_id,
};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;

/// Keys that are remembered.
const MOST_KEYS: usize = 100_000;
/// Users, teams, members, customers and organizations of each kind that are remembered.
const MOST_OTHERS: usize = 50_000;
/// A request waits so long for the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that is known of keys and of those they belong to.
pub struct Directory {
    store: Store,
    control: Handle,
    /// Every counter of the process.
    pub meters: Arc<Meters>,
    zone: ArcSwap<Zone>,
    pub(super) keys: Shelf<KeyDigest, Known<KeyFacts>>,
    pub(super) users: Shelf<Arc<str>, Known<UserFacts>>,
    pub(super) teams: Shelf<Arc<str>, Known<TeamFacts>>,
    members: Shelf<Arc<str>, Known<MemberFacts>>,
    pub(super) customers: Shelf<Arc<str>, Known<CustomerFacts>>,
    pub(super) organizations: Shelf<Arc<str>, Known<OrganizationFacts>>,
    /// Whether any replaced key was ever used.
    replaced: AtomicBool,
    /// Tells threads when what they keep is no longer true.
    pub(super) changes: Changes,
    /// What end users have who have no row.
    customer_terms: ArcSwap<CustomerTerms>,
}

/// What end users have who have no row of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerTerms {
    /// Their budget.
    pub budget: BudgetTerms,
    /// The row of budgets that says more.
    pub budget_id: Option<String>,
}

/// What a look-up gives: a row with its counters, or that there is none.
type Found<F> = Result<Option<Arc<Known<F>>>, ApiError>;

macro_rules! lookup {
    ($self:ident, $shelf:ident, $key:expr, $scope:expr, |$store:ident, $id:ident| $facts:expr,
     |$gates:ident, $found:ident, $counters:ident| $known:expr) => {{
        if let Some(known) = $self.$shelf.known(&$key) {
            return Ok(known);
        }
        let fetched = $self.$shelf.fetch(&$key, || {
            let ($store, $id, $gates) = ($self.store.clone(), $key.clone(), $self.gates());
            // A client that leaves must not cut a fetch that others wait for.
            let task = $self.control.spawn(tokio::time::timeout(PATIENCE, async move {
                let Some($found) = $facts.await? else { return Ok(None) };
                let $counters = $store.spent($scope, &$id.to_string()).await?;
                Ok(Some($known))
            }));
            async move {
                match task.await {
                    Ok(Ok(found)) => found,
                    Ok(Err(_)) | Err(_) => Err(StoreError::Away("no answer in time".to_owned())),
                }
            }
        });
        fetched.await.map_err(|error| away(&error))
    }};
}

impl Directory {
    /// An empty one; fetching runs on `control`.
    #[must_use]
    pub fn new(store: Store, control: Handle, meters: Arc<Meters>) -> Self {
        Self {
            store,
            control,
            meters,
            zone: ArcSwap::from_pointee(Zone::UTC),
            keys: Shelf::new(MOST_KEYS),
            users: Shelf::new(MOST_OTHERS),
            teams: Shelf::new(MOST_OTHERS),
            members: Shelf::new(MOST_OTHERS),
            customers: Shelf::new(MOST_OTHERS),
            organizations: Shelf::new(MOST_OTHERS),
            replaced: AtomicBool::new(false),
            changes: Changes::new(),
            customer_terms: ArcSwap::default(),
        }
    }

    /// Lets days begin where it is midnight in this zone.
    pub fn set_zone(&self, zone: Zone) {
        if **self.zone.load() != zone {
            self.zone.store(Arc::new(zone));
            self.forget_all();
        }
    }

    /// Gives these terms to end users who have no row.
    pub fn set_customer_terms(&self, terms: CustomerTerms) {
        if **self.customer_terms.load() != terms {
            self.customer_terms.store(Arc::new(terms));
            self.customers.forget_all();
        }
    }

    pub(super) fn gates(&self) -> Gates {
        Gates {
            meters: Arc::clone(&self.meters),
            zone: Zone::clone(&self.zone.load()),
            customers: self.customer_terms.load_full(),
            now: now_ms(),
        }
    }

    /// What the database has of somebody's counters; `None` while it is away.
    pub(super) async fn counters(&self, scope: Scope, id: &str) -> Option<Counters> {
        let warn = |error: &StoreError| log::warn!("what {scope} has spent cannot be read: {error}");
        self.store.spent(scope, id).await.inspect_err(warn).ok()
    }

    /// Who presents this key.
    ///
    /// # Errors
    /// Nobody knows the key, or the database cannot be asked. Whether the key may be used is not looked at.
    pub async fn principal(&self, candidate: &Candidate) -> Result<Principal, ApiError> {
        let Some(key) = self.key(&candidate.digest).await? else { return Err(candidate.unknown()) };
        let role = match &key.user_id {
            // A name that nobody made a user of gives no rights.
            Some(user) => self.user(user).await?.map_or(Role::Unknown, |user| user.role.into()),
            None => Role::Unknown,
        };
        let facts = Arc::new(KeyFacts::clone(&key));
        Ok(Principal { key_hash: Arc::clone(key.gate.id()), role, key: Some(facts) })
    }

    /// The key of this digest.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn key(&self, digest: &KeyDigest) -> Found<KeyFacts> {
        let found = self.key_row(digest).await?;
        if found.as_ref().is_some_and(|key| key.digest != *digest) {
            self.replaced.store(true, Ordering::Relaxed);
        }
        Ok(found)
    }

    async fn key_row(&self, digest: &KeyDigest) -> Found<KeyFacts> {
        lookup!(
            self,
            keys,
            *digest,
            Scope::Key,
            |store, id| store.key_facts(&id),
            |gates, facts, counters| gates.key(facts, counters)
        )
    }

    /// The user of this id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn user(&self, id: &Arc<str>) -> Found<UserFacts> {
        lookup!(self, users, id, Scope::User, |store, id| store.user_facts(&id), |gates, facts, counters| {
            gates.user(facts, counters)
        })
    }

    /// The team of this id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn team(&self, id: &Arc<str>) -> Found<TeamFacts> {
        lookup!(self, teams, id, Scope::Team, |store, id| store.team_facts(&id), |gates, facts, counters| {
            gates.team(facts, counters)
        })
    }

    /// A user's place in a team.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn member(&self, user: &str, team: &str) -> Found<MemberFacts> {
        let id: Arc<str> = Arc::from(member_id(user, team));
        lookup!(
            self,
            members,
            id,
            Scope::Member,
            |store, id| store.member_facts(&id),
            |gates, facts, counters| gates.member(&id, facts, counters)
        )
    }

    /// The end user of this id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn customer(&self, id: &Arc<str>) -> Found<CustomerFacts> {
        lookup!(
            self,
            customers,
            id,
            Scope::Customer,
            |store, id| customer_facts(store.clone(), id.clone(), Arc::clone(&gates.customers)),
            |gates, facts, counters| gates.customer(facts, counters)
        )
    }

    /// The organization of this id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn organization(&self, id: &Arc<str>) -> Found<OrganizationFacts> {
        lookup!(
            self,
            organizations,
            id,
            Scope::Organization,
            |store, id| store.organization_facts(&id),
            |gates, facts, counters| gates.organization(facts, counters)
        )
    }

    /// Forgets what is known of a changed row, so that the next request sees it as it is now.
    pub fn changed(&self, kind: &str, id: &str) {
        if kind == KEYS.kind {
            return KeyDigest::from_hex(id).iter().for_each(|digest| self.key_changed(digest));
        }
        if kind == USERS.kind {
            self.users.forget(&Arc::from(id));
        } else if kind == TEAMS.kind {
            self.teams.forget(&Arc::from(id));
            // Members have what the team gives them.
            self.members.forget_all();
        } else if kind == MEMBERS.kind {
            self.members.forget(&Arc::from(id));
        } else if kind == CUSTOMERS.kind {
            self.customers.forget(&Arc::from(id));
        } else if kind == ORGANIZATIONS.kind {
            self.organizations.forget(&Arc::from(id));
        } else if kind == BUDGETS.kind {
            self.forget_all();
        }
        self.changes.of_others();
    }

    fn key_changed(&self, digest: &KeyDigest) {
        self.keys.forget(digest);
        // A replaced key is known under its own digest and has the facts of its successor.
        if self.replaced.load(Ordering::Relaxed) {
            self.keys.forget_where(|key| key.digest == *digest);
        }
        self.changes.of_key(digest);
    }

    /// Forgets everything but the counters.
    pub fn forget_all(&self) {
        self.keys.forget_all();
        self.users.forget_all();
        self.teams.forget_all();
        self.members.forget_all();
        self.customers.forget_all();
        self.organizations.forget_all();
        self.changes.of_others();
    }

    /// Tells the shelves that these are in use, which threads have of their own.
    pub(super) fn is_in_use(&self, digest: &KeyDigest, people: &People) {
        let _ = self.keys.known(digest);
        let _ = people.user.as_ref().map(|user| self.users.known(&user.id));
        let _ = people.team.as_ref().map(|team| self.teams.known(&team.id));
        let _ = people.member.as_ref().map(|member| self.members.known(member.gate.id()));
        let _ = people.organization.as_ref().map(|organization| self.organizations.known(&organization.id));
    }
}

/// An end user's own row, or else what all have without one.
async fn customer_facts(
    store: Store,
    id: Arc<str>,
    terms: Arc<CustomerTerms>,
) -> Result<Option<CustomerFacts>, StoreError> {
    if let Some(facts) = store.customer_facts(&id).await? {
        return Ok(Some(facts));
    }
    let (mut rates, mut budget) = (RateTerms::default(), terms.budget);
    if let Some(row) = &terms.budget_id {
        (rates, budget) = store.budget_terms(row).await?.unwrap_or((rates, budget));
    }
    let limited = rates != RateTerms::default() || budget != BudgetTerms::default();
    Ok(limited.then_some(CustomerFacts { id, blocked: false, default_model: None, rates, budget }))
}

/// Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}

fn away(error: &StoreError) -> ApiError {
    log::error!("a key or its owner could not be looked up: {error}");
    ApiError::new(
        ErrorKind::DatabaseAway,
        "The database cannot be reached, and this key is not known here yet.",
    )
}
