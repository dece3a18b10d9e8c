//! How keys are named and made.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::stored::{digest_of, random_key, shown};
use crate::auth::digest;
use std::collections::HashSet;

#[test]
fn a_key_and_its_digest_mean_the_same_and_nothing_else_does() {
    let hex = digest("sk-abc").to_hex();
    assert_eq!(digest_of("sk-abc"), digest_of(&hex));
    for other in ["SK-abc", " sk-abc", &hex.to_uppercase(), &format!("sk-{hex}"), "", "'; --", "\0"] {
        assert_ne!(digest_of(other).to_hex(), hex, "{other:?}");
    }
}

#[test]
fn keys_are_of_litellms_form_and_never_the_same() {
    let keys: HashSet<String> = (0..1_000).map(|_| random_key().unwrap()).collect();
    assert_eq!(keys.len(), 1_000);
    for key in &keys {
        let rest = key.strip_prefix("sk-").unwrap();
        assert_eq!(rest.len(), 22);
        assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{key}");
        assert_eq!(shown(key), format!("sk-...{}", &key[key.len() - 4..]));
    }
    assert_eq!(shown("sk-é"), "sk-...sk-é");
}
