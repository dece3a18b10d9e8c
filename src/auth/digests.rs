//! Digests of keys that were presented lately.
//!
//! sha256 in software takes as long as half of a call's other checks. A thread remembers the digest under a tag of the
//! key: 128 bits of a keyed hash whose key is random and of this thread. Neither gives the key away, and without the
//! hash's key nobody can find two keys with one tag.

use crate::domain::KeyDigest;
use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

/// So many are remembered; a new one takes the place of an old one.
const PLACES: usize = 2048;
/// A longer key is none of ours.
const LONGEST: usize = 256;

struct Recent {
    keys: [RandomState; 2],
    places: Vec<Option<([u64; 2], KeyDigest)>>,
}

thread_local! {
    static RECENT: RefCell<Recent> =
        RefCell::new(Recent { keys: [RandomState::new(), RandomState::new()], places: vec![None; PLACES] });
}

impl Recent {
    fn digest(&mut self, key: &str, make: impl FnOnce(&str) -> KeyDigest) -> KeyDigest {
        let tag = self.keys.each_ref().map(|hash| hash.hash_one(key));
        let index = usize::try_from(tag[0] % PLACES as u64).unwrap_or_default();
        let Some(place) = self.places.get_mut(index) else { return make(key) };
        match place {
            Some((known, digest)) if *known == tag => *digest,
            _ => place.insert((tag, make(key))).1,
        }
    }
}

/// What `make` says of a key, or said when it was presented last.
pub(super) fn remembered(key: &str, make: impl FnOnce(&str) -> KeyDigest) -> KeyDigest {
    if key.len() > LONGEST {
        return make(key);
    }
    RECENT.with_borrow_mut(|recent| recent.digest(key, make))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::digest;
    use std::cell::Cell;

    #[test]
    fn a_digest_is_made_once_and_is_the_keys_own() {
        let made = Cell::new(0);
        let ask = |key: &str| {
            remembered(key, |key| {
                made.set(made.get() + 1);
                digest(key)
            })
        };
        assert_eq!(ask("sk-remembered"), digest("sk-remembered"));
        assert_eq!(ask("sk-remembered"), digest("sk-remembered"));
        assert_eq!(made.get(), 1);
        // Many more than there are places.
        for round in 0..2 {
            for number in 0..4 * PLACES {
                let key = format!("sk-{number}");
                assert_eq!(ask(&key), digest(&key), "round {round}");
            }
        }
        let long = "x".repeat(LONGEST + 1);
        let before = made.get();
        assert_eq!((ask(&long), ask(&long)), (digest(&long), digest(&long)));
        assert_eq!(made.get(), before + 2);
    }
}
