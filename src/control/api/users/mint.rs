//! Makes a virtual key for a new user.

use crate::auth;
use crate::control::Control;
use crate::control::input::Refusal;
use crate::control::records;
use crate::domain::{ApiError, ErrorKind};
use crate::store::{Doc, KEYS};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Random bytes of a key: 22 characters.
const RANDOM: usize = 16;

/// A key that was made. The key itself is nowhere else.
pub(super) struct Minted {
    /// What the client presents.
    pub(super) key: String,
    /// What is stored of it.
    pub(super) doc: Doc,
}

/// Stores a new key with these members.
pub(super) async fn mint(control: &Control, mut doc: Doc, by: &str) -> Result<Minted, Refusal> {
    let key = fresh()?;
    let tail = key.get(key.len() - 4..).unwrap_or_default();
    doc.insert("key_name".to_owned(), Value::from(format!("sk-...{tail}")));
    records::stamp(&mut doc, by);
    let id = auth::digest(&key).to_hex();
    records::add(control, &KEYS, &id, doc.clone()).await?;
    Ok(Minted { key, doc })
}

fn fresh() -> Result<String, Refusal> {
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes)
        .map_err(|_| ApiError::new(ErrorKind::Internal, "the system gives no random numbers"))?;
    Ok(format!("sk-{}", URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_litellms_form_and_differ() {
        let (one, two) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(one, two);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        assert!(one.starts_with("sk-") && one.len() == 25 && one.chars().all(plain), "{one}");
    }
}
