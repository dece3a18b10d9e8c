//! Who is who, in memory: keys, users, teams and customers as the database has them.
//!
//! Looking up what is known costs no lock that anybody waits under. What is not known is fetched once, on the
//! control runtime, however many requests ask for it; a name that turned out not to exist is remembered for
//! a moment. What is known stays usable while the database is away.

use super::shelf::Shelf;
use crate::auth::{Candidate, Principal, Role};
use crate::domain::{
    ApiError, CustomerFacts, ErrorKind, KeyDigest, KeyFacts, MemberFacts, OrganizationFacts, TeamFacts,
    UserFacts,
};
use crate::store::{
    BUDGETS, CUSTOMERS, KEYS, MEMBERS, ORGANIZATIONS, Store, StoreError, TEAMS, USERS, member_id,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
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
    keys: Shelf<KeyDigest, KeyFacts>,
    users: Shelf<Arc<str>, UserFacts>,
    teams: Shelf<Arc<str>, TeamFacts>,
    members: Shelf<Arc<str>, MemberFacts>,
    customers: Shelf<Arc<str>, CustomerFacts>,
    organizations: Shelf<Arc<str>, OrganizationFacts>,
    /// Whether any replaced key was ever used.
    replaced: AtomicBool,
}

macro_rules! lookup {
    ($self:ident, $shelf:ident, $key:expr, |$store:ident, $id:ident| $fetch:expr) => {{
        if let Some(known) = $self.$shelf.known(&$key) {
            return Ok(known);
        }
        let ($store, $id) = ($self.store.clone(), $key.clone());
        let fetched = $self.$shelf.fetch(&$key, || {
            let ($store, $id) = ($store.clone(), $id.clone());
            // A client that leaves must not cut a fetch that others wait for.
            let task = $self.control.spawn(async move { tokio::time::timeout(PATIENCE, $fetch).await });
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
    pub fn new(store: Store, control: Handle) -> Self {
        Self {
            store,
            control,
            keys: Shelf::new(MOST_KEYS),
            users: Shelf::new(MOST_OTHERS),
            teams: Shelf::new(MOST_OTHERS),
            members: Shelf::new(MOST_OTHERS),
            customers: Shelf::new(MOST_OTHERS),
            organizations: Shelf::new(MOST_OTHERS),
            replaced: AtomicBool::new(false),
        }
    }

    /// Who presents this key.
    ///
    /// # Errors
    /// Nobody knows the key, or the database cannot be asked. Whether the key may be used is not looked at.
    pub async fn principal(&self, candidate: &Candidate) -> Result<Principal, ApiError> {
        let Some(key) = self.key(&candidate.digest).await? else { return Err(candidate.unknown()) };
        if key.digest != candidate.digest {
            self.replaced.store(true, Ordering::Relaxed);
        }
        let role = match &key.user_id {
            // A name that nobody made a user of gives no rights.
            Some(user) => self.user(user).await?.map_or(Role::Unknown, |user| user.role.into()),
            None => Role::Unknown,
        };
        Ok(Principal { key_hash: Arc::from(key.digest.to_hex()), role, key: Some(key) })
    }

    /// The key of this digest.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn key(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyFacts>>, ApiError> {
        lookup!(self, keys, *digest, |store, id| store.key_facts(&id))
    }

    /// The user of this id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn user(&self, id: &Arc<str>) -> Result<Option<Arc<UserFacts>>, ApiError> {
        lookup!(self, users, id, |store, id| store.user_facts(&id))
    }

    /// The team of this id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn team(&self, id: &Arc<str>) -> Result<Option<Arc<TeamFacts>>, ApiError> {
        lookup!(self, teams, id, |store, id| store.team_facts(&id))
    }

    /// A user's place in a team.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn member(&self, user: &str, team: &str) -> Result<Option<Arc<MemberFacts>>, ApiError> {
        let id: Arc<str> = Arc::from(member_id(user, team));
        lookup!(self, members, id, |store, id| async move {
            let (user, team) = id.split_once('\n').unwrap_or_default();
            store.member_facts(user, team).await
        })
    }

    /// The end user of this id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn customer(&self, id: &Arc<str>) -> Result<Option<Arc<CustomerFacts>>, ApiError> {
        lookup!(self, customers, id, |store, id| store.customer_facts(&id))
    }

    /// The organization of this id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn organization(&self, id: &Arc<str>) -> Result<Option<Arc<OrganizationFacts>>, ApiError> {
        lookup!(self, organizations, id, |store, id| store.organization_facts(&id))
    }

    /// Forgets what is known of a changed row, so that the next request sees it as it is now.
    pub fn changed(&self, kind: &str, id: &str) {
        if kind == KEYS.kind {
            let Some(digest) = KeyDigest::from_hex(id) else { return };
            self.keys.forget(&digest);
            // A replaced key is known under its own digest and has the facts of its successor.
            if self.replaced.load(Ordering::Relaxed) {
                self.keys.forget_where(|key| key.digest == digest);
            }
        } else if kind == USERS.kind {
            self.users.forget(&Arc::from(id));
        } else if kind == TEAMS.kind {
            self.teams.forget(&Arc::from(id));
        } else if kind == MEMBERS.kind {
            self.members.forget(&Arc::from(id));
        } else if kind == CUSTOMERS.kind {
            self.customers.forget(&Arc::from(id));
        } else if kind == ORGANIZATIONS.kind {
            self.organizations.forget(&Arc::from(id));
        } else if kind == BUDGETS.kind {
            self.forget_all();
        }
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.keys.forget_all();
        self.users.forget_all();
        self.teams.forget_all();
        self.members.forget_all();
        self.customers.forget_all();
        self.organizations.forget_all();
    }
}

fn away(error: &StoreError) -> ApiError {
    log::error!("a key or its owner could not be looked up: {error}");
    ApiError::new(
        ErrorKind::DatabaseAway,
        "The database cannot be reached, and this key is not known here yet.",
    )
}
