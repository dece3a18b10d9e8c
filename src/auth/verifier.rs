//! From a presented key to a principal.

use super::{Presented, digests};
use crate::domain::{ApiError, ErrorKind, KeyDigest, KeyFacts, Secret, UserRole};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What a principal may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything: the master key, or a key of an admin.
    ProxyAdmin,
    /// Reads everything: a key of a viewer.
    ProxyAdminViewer,
    /// Model calls and its own keys.
    InternalUser,
    /// Model calls, and reading its own.
    InternalUserViewer,
    /// A key without an owner: model calls only.
    Unknown,
}

impl Role {
    /// LiteLLM's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProxyAdmin => UserRole::ProxyAdmin.as_str(),
            Self::ProxyAdminViewer => UserRole::ProxyAdminViewer.as_str(),
            Self::InternalUser => UserRole::InternalUser.as_str(),
            Self::InternalUserViewer => UserRole::InternalUserViewer.as_str(),
            Self::Unknown => "unknown",
        }
    }

    /// Whether it may do anything.
    #[must_use]
    pub const fn is_admin(self) -> bool {
        matches!(self, Self::ProxyAdmin)
    }

    /// Whether it may see anything.
    #[must_use]
    pub const fn sees_all(self) -> bool {
        matches!(self, Self::ProxyAdmin | Self::ProxyAdminViewer)
    }
}

impl From<UserRole> for Role {
    fn from(role: UserRole) -> Self {
        match role {
            UserRole::ProxyAdmin => Self::ProxyAdmin,
            UserRole::ProxyAdminViewer => Self::ProxyAdminViewer,
            UserRole::InternalUser => Self::InternalUser,
            UserRole::InternalUserViewer => Self::InternalUserViewer,
        }
    }
}

/// Who is calling.
#[derive(Clone, Debug)]
pub struct Principal {
    /// sha256 of the key in hex, LiteLLM's `token`.
    pub key_hash: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// The virtual key; `None` for the master key and for anybody when there is none.
    pub key: Option<Arc<KeyFacts>>,
}

impl Principal {
    /// LiteLLM's `user_id` of whoever calls: the key's owner, or the master key's own. Without a master key
    /// nobody has one.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        match &self.key {
            Some(key) => key.user_id.as_deref(),
            None => (self.role == Role::ProxyAdmin).then_some(ADMIN_USER),
        }
    }
}

/// The user that the master key acts as.
pub const ADMIN_USER: &str = "default_user_id";

/// What a presented key turned out to be.
#[derive(Clone, Debug)]
pub enum Claim<'a> {
    /// Somebody who is known without looking further.
    Known(&'a Principal),
    /// A virtual key, if there is one with that digest.
    Virtual(Candidate),
}

/// A key that must be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its digest.
    pub digest: KeyDigest,
    /// Its last characters, as refusals show them.
    tail: [char; 4],
}

impl Candidate {
    fn new(key: &str) -> Self {
        let mut tail = ['*'; 4];
        if key.len() >= SHOWN_FROM {
            tail.iter_mut().rev().zip(key.chars().rev()).for_each(|(place, c)| *place = c);
        }
        Self { digest: digests::remembered(key, digest), tail }
    }

    /// What is said when nobody knows the key. Its digest is repeated, and nothing is found by presenting that.
    #[must_use]
    pub fn unknown(&self) -> ApiError {
        let tail: String = self.tail.iter().collect();
        let words = format!(
            "Invalid proxy server token passed. Received API Key = sk-...{tail}, Key Hash (Token) ={}. \
             Unable to find token in cache or `LiteLLM_VerificationTokenTable`",
            self.digest
        );
        refuse(ErrorKind::UnknownKey, &words)
    }
}

/// A shorter key shows none of its characters.
const SHOWN_FROM: usize = 12;

/// Knows the master key.
#[derive(Clone, Debug)]
pub struct Verifier {
    master: Option<(Secret, Principal)>,
    anonymous: Principal,
}

impl Verifier {
    /// A verifier for this master key; without one everybody is an internal user.
    #[must_use]
    pub fn new(master: Option<Secret>) -> Self {
        let anonymous = Principal { key_hash: Arc::from("None"), role: Role::InternalUser, key: None };
        let master = master.map(|secret| {
            let key_hash = Arc::from(digest(secret.expose()).to_hex());
            (secret, Principal { key_hash, role: Role::ProxyAdmin, key: None })
        });
        Self { master, anonymous }
    }

    /// The digest in hex that calls without a virtual key are counted under.
    #[must_use]
    pub const fn bare_hash(&self) -> &Arc<str> {
        match &self.master {
            Some((_, principal)) => &principal.key_hash,
            None => &self.anonymous.key_hash,
        }
    }

    /// Whether keys are asked for at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.master.is_some()
    }

    /// Says who is calling, or which virtual key must be looked up.
    ///
    /// # Errors
    /// LiteLLM's refusals: no key, a malformed one, one without `sk-`.
    pub fn check(&self, presented: Presented<'_>) -> Result<Claim<'_>, ApiError> {
        let Some((master, principal)) = &self.master else { return Ok(Claim::Known(&self.anonymous)) };
        let key = match presented {
            Presented::Nothing => return Err(refuse(ErrorKind::NoKey, "No api key passed in.")),
            Presented::Malformed => {
                let words = "Malformed API Key passed in. Ensure Key has `Bearer ` prefix.";
                return Err(refuse(ErrorKind::MalformedKey, words));
            }
            Presented::Key(key) => key,
        };
        if bool::from(master.expose().as_bytes().ct_eq(key.as_bytes())) {
            return Ok(Claim::Known(principal));
        }
        if !key.starts_with("sk-") {
            let words = "LiteLLM Virtual Key expected. Received=****, expected to start with 'sk-'.";
            return Err(refuse(ErrorKind::NotAVirtualKey, words));
        }
        Ok(Claim::Virtual(Candidate::new(key)))
    }
}

/// LiteLLM's digest of a key: sha256.
#[must_use]
pub fn digest(key: &str) -> KeyDigest {
    KeyDigest::new(Sha256::digest(key.as_bytes()).into())
}

fn refuse(kind: ErrorKind, words: &str) -> ApiError {
    ApiError::new(kind, format!("Authentication Error, {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier() -> Verifier {
        Verifier::new(Secret::new("sk-master"))
    }

    fn known(claim: Claim<'_>) -> &Principal {
        match claim {
            Claim::Known(principal) => principal,
            Claim::Virtual(_) => panic!("it would be looked up"),
        }
    }

    #[test]
    fn the_master_key_is_admin_and_its_hash_is_not_a_key() {
        let verifier = verifier();
        let principal = known(verifier.check(Presented::Key("sk-master")).unwrap());
        assert_eq!(principal.role, Role::ProxyAdmin);
        let digest = principal.key_hash.to_string();
        assert_eq!(verifier.check(Presented::Key(&digest)).unwrap_err().kind, ErrorKind::NotAVirtualKey);
    }

    #[test]
    fn the_hash_is_litellms() {
        let known = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";
        assert_eq!(digest("sk-1234").to_hex(), known);
    }

    #[test]
    fn what_is_looked_up_is_the_digest_of_what_was_sent() {
        let stored = digest("sk-1");
        let sent = format!("sk-{stored}");
        let Claim::Virtual(found) = verifier().check(Presented::Key(&sent)).unwrap() else {
            panic!("not looked up")
        };
        assert_ne!(found.digest, stored);
    }

    #[test]
    fn refusals_never_repeat_the_key() {
        let error = verifier().check(Presented::Key("canary-secret-value")).unwrap_err();
        let unknown = Candidate::new("sk-canary-secret-value").unknown();
        for error in [error, unknown] {
            assert_eq!(error.status(), 401);
            assert!(!error.message.contains("canary"), "{}", error.message);
        }
        assert_eq!(verifier().check(Presented::Nothing).unwrap_err().kind, ErrorKind::NoKey);
        assert_eq!(verifier().check(Presented::Malformed).unwrap_err().kind, ErrorKind::MalformedKey);
    }

    #[test]
    fn without_a_master_key_everybody_is_an_internal_user() {
        let open = Verifier::new(None);
        assert_eq!(known(open.check(Presented::Nothing).unwrap()).role, Role::InternalUser);
    }
}
