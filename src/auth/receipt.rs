//! Ids of what an upstream keeps for a client: files and batches.
//!
//! An id names the deployment that has the thing, who may use it, and what the upstream calls it. It is sealed, so that a
//! client can choose none of the three; every replica that has the same secret reads it, and nothing is stored.

use crate::domain::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Longest id of an upstream that is sealed, in bytes.
const LONGEST: usize = 512;
const VERSION: u8 = 1;
const MAC: usize = 16;
const NAME: usize = 12;
const PURPOSE: &[u8] = b"tollgate: what an upstream keeps";

/// Short stand-ins for the name of a deployment, or of an owner.
pub type Name = [u8; NAME];

/// Seals ids.
#[derive(Clone)]
pub struct Seal {
    mac: Hmac<Sha256>,
}

/// What an id says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The deployment that has it.
    pub deployment: Name,
    /// Who may use it.
    pub owner: Name,
    /// The upstream's id.
    pub id: String,
}

/// The stand-in for a name. What `kind` of name it is makes a difference.
#[must_use]
pub fn name(kind: &str, text: &str) -> Name {
    let whole = Sha256::new().chain_update(kind).chain_update([0]).chain_update(text).finalize();
    let mut name = [0; NAME];
    name.copy_from_slice(whole.get(..NAME).unwrap_or(&[0; NAME]));
    name
}

impl Seal {
    /// Seals with a secret; without one anybody may do anything anyway.
    #[must_use]
    pub fn new(secret: Option<&Secret>) -> Self {
        let key = Sha256::new()
            .chain_update(PURPOSE)
            .chain_update(secret.map(Secret::expose).unwrap_or_default())
            .finalize();
        // A key that is shorter than a block is filled up with zeros.
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(slot, byte)| *slot = byte);
        let mac = Hmac::new(&block.into());
        Self { mac }
    }

    /// The id that clients are given; it begins as the upstream's own does (`file-`, `batch_`).
    #[must_use]
    pub fn seal(&self, receipt: &Receipt) -> String {
        let prefix = prefix(&receipt.id);
        let payload = [&[VERSION][..], &receipt.deployment, &receipt.owner, receipt.id.as_bytes()].concat();
        let sealed = [&self.mac_of(&payload)[..], &payload].concat();
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What an id says; `None` if it is not one that was sealed here.
    #[must_use]
    pub fn open(&self, id: &str) -> Option<Receipt> {
        if id.len() > 2 * LONGEST {
            return None;
        }
        let text = id.strip_prefix("file-").or_else(|| id.strip_prefix("batch_"))?;
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (mac, payload) = sealed.split_at_checked(MAC)?;
        self.mac.clone().chain_update(payload).verify_truncated_left(mac).ok()?;
        let (version, rest) = payload.split_first()?;
        let (deployment, rest) = rest.split_first_chunk::<NAME>()?;
        let (owner, own) = rest.split_first_chunk::<NAME>()?;
        let own = std::str::from_utf8(own).ok().filter(|_| *version == VERSION)?;
        let receipt = Receipt { deployment: *deployment, owner: *owner, id: own.to_owned() };
        id.starts_with(prefix(own)).then_some(receipt)
    }

    fn mac_of(&self, payload: &[u8]) -> [u8; MAC] {
        let whole = self.mac.clone().chain_update(payload).finalize().into_bytes();
        let mut mac = [0; MAC];
        mac.copy_from_slice(whole.get(..MAC).unwrap_or(&[0; MAC]));
        mac
    }
}

fn prefix(id: &str) -> &'static str {
    if id.starts_with("batch") { "batch_" } else { "file-" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(id: &str) -> Receipt {
        Receipt { deployment: name("deployment", "d1"), owner: name("team", "t"), id: id.to_owned() }
    }

    fn seal(secret: &str) -> Seal {
        Seal::new(Secret::new(secret).as_ref())
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_secret_alone() {
        for id in ["file-abc", "batch_68", "x", "file-\u{e9}/../.."] {
            let text = seal("s").seal(&receipt(id));
            assert_eq!(seal("s").open(&text), Some(receipt(id)), "{id}");
            assert_eq!(seal("other").open(&text), None);
            assert_eq!(Seal::new(None).open(&text), None);
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
        }
        assert!(seal("s").seal(&receipt("batch_68")).starts_with("batch_"));
    }

    #[test]
    fn nothing_of_it_can_be_changed() {
        let text = seal("s").seal(&receipt("file-abc"));
        for at in 0..text.len() {
            for letter in ["A", "b", "-"] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, letter);
                assert!(
                    changed == text
                        || seal("s").open(&changed).is_none_or(|open| open == receipt("file-abc"))
                );
            }
        }
        for bad in ["", "file-", "file-abc", "batch_", "file-AAAA", "x"] {
            assert_eq!(seal("s").open(bad), None, "{bad}");
        }
        let as_batch = text.replacen("file-", "batch_", 1);
        assert_eq!(seal("s").open(&as_batch), None);
        assert_ne!(name("team", "a"), name("key", "a"));
    }
}
