//! From a presented key to a principal.

use super::Presented;
use crate::domain::{ApiError, ErrorKind, Secret};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What a principal may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything: the master key.
    ProxyAdmin,
    /// Model calls only: anyone, when no master key is configured.
    InternalUser,
}

/// Who is calling.
#[derive(Clone, Debug)]
pub struct Principal {
    /// sha256 of the key in hex, LiteLLM's `token`.
    pub key_hash: Arc<str>,
    /// What it may do.
    pub role: Role,
}

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
        let anonymous = Principal { key_hash: Arc::from("None"), role: Role::InternalUser };
        let master = master.map(|key| {
            let principal = Principal { key_hash: hash(key.expose()), role: Role::ProxyAdmin };
            (key, principal)
        });
        Self { master, anonymous }
    }

    /// Says who is calling.
    ///
    /// # Errors
    /// LiteLLM's refusals: no key, a malformed one, one without `sk-`, one that nobody knows.
    pub fn check(&self, presented: Presented<'_>) -> Result<Principal, ApiError> {
        let Some((master, principal)) = &self.master else { return Ok(self.anonymous.clone()) };
        let key = match presented {
            Presented::Nothing => return Err(refuse(ErrorKind::NoKey, "No api key passed in.")),
            Presented::Malformed => {
                let words = "Malformed API Key passed in. Ensure Key has `Bearer ` prefix.";
                return Err(refuse(ErrorKind::MalformedKey, words));
            }
            Presented::Key(key) => key,
        };
        if bool::from(master.expose().as_bytes().ct_eq(key.as_bytes())) {
            return Ok(principal.clone());
        }
        if !key.starts_with("sk-") {
            let words = "LiteLLM Virtual Key expected. Received=****, expected to start with 'sk-'.";
            return Err(refuse(ErrorKind::NotAVirtualKey, words));
        }
        Err(refuse(ErrorKind::UnknownKey, &unknown_key(key)))
    }
}

fn refuse(kind: ErrorKind, words: &str) -> ApiError {
    ApiError::new(kind, format!("Authentication Error, {words}"))
}

fn unknown_key(key: &str) -> String {
    let digest = hash(key);
    let last: String = key.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!(
        "Invalid proxy server token passed. Received API Key = sk-...{last}, Key Hash (Token) ={digest}. \
         Unable to find token in cache or `LiteLLM_VerificationTokenTable`"
    )
}

/// LiteLLM's digest of a key: sha256 in lower-case hex.
fn hash(key: &str) -> Arc<str> {
    let digest = Sha256::digest(key.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in digest {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Arc::from(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier() -> Verifier {
        Verifier::new(Secret::new("sk-master"))
    }

    #[test]
    fn the_master_key_is_admin_and_its_hash_is_not_a_key() {
        let principal = verifier().check(Presented::Key("sk-master")).unwrap();
        assert_eq!(principal.role, Role::ProxyAdmin);
        let digest = principal.key_hash.to_string();
        assert_eq!(verifier().check(Presented::Key(&digest)).unwrap_err().kind, ErrorKind::NotAVirtualKey);
    }

    #[test]
    fn the_hash_is_litellms() {
        let known = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";
        assert_eq!(&*hash("sk-1234"), known);
    }

    #[test]
    fn refusals_never_repeat_the_key() {
        for key in ["sk-canary-secret-value", "canary-secret-value"] {
            let error = verifier().check(Presented::Key(key)).unwrap_err();
            assert_eq!(error.status(), 401);
            assert!(!error.message.contains("canary"), "{}", error.message);
        }
        assert_eq!(verifier().check(Presented::Nothing).unwrap_err().kind, ErrorKind::NoKey);
        assert_eq!(verifier().check(Presented::Malformed).unwrap_err().kind, ErrorKind::MalformedKey);
    }

    #[test]
    fn without_a_master_key_everybody_is_an_internal_user() {
        let open = Verifier::new(None);
        assert_eq!(open.check(Presented::Nothing).unwrap().role, Role::InternalUser);
    }
}
