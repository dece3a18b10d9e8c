//! A key as it is in the database.

use crate::auth;
use crate::control::Control;
use crate::control::input::{Field, Input, Refusal};
use crate::domain::{KeyDigest, KeyFacts};
use crate::store::{Doc, Facts, KEYS, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) digest: KeyDigest,
    pub(super) doc: Doc,
}

/// What every virtual key begins with.
pub(super) const PREFIX: &str = "sk-";

/// The digest that a request means: of a key, or written out.
pub(super) fn digest_of(named: &str) -> KeyDigest {
    match KeyDigest::from_hex(named) {
        Some(digest) => digest,
        None => auth::digest(named),
    }
}

/// What a body says of the key that it must name.
pub(super) fn naming(input: &Input, known: &[Field]) -> Result<(Arc<str>, Doc), Refusal> {
    let read = input.read(&[known])?;
    let named = Facts(&read).text("key").ok_or_else(|| input.lacks("key"))?;
    Ok((named, read))
}

/// A key that is not there.
pub(super) fn not_found() -> Refusal {
    Refusal::missing("Key not found.").of("key")
}

/// What the database says against a key, in the words of LiteLLM's management of keys.
pub(super) fn refused(error: StoreError) -> Refusal {
    match error {
        StoreError::Taken(_) => Refusal::bad_member("None", format!("{error}.")),
        other => other.into(),
    }
}

/// `sk-...` and the last four characters.
pub(super) fn shown(key: &str) -> String {
    let start = key.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    format!("sk-...{}", key.get(start..).unwrap_or_default())
}

/// A new key: 128 random bits.
pub(super) fn random_key() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        log::error!("the system has no random numbers: {error}");
        Refusal::internal("No random numbers can be had.")
    })?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

impl Stored {
    /// The key that a request names, if there is one.
    pub(super) async fn find(control: &Control, named: &str) -> Result<Option<Self>, Refusal> {
        let digest = digest_of(named);
        Ok(control.store.get(&KEYS, &digest.to_hex()).await?.map(|doc| Self { digest, doc }))
    }

    /// The key that a request names.
    pub(super) async fn must_find(control: &Control, named: &str) -> Result<Self, Refusal> {
        Self::find(control, named).await?.ok_or_else(not_found)
    }

    pub(super) fn id(&self) -> String {
        self.digest.to_hex()
    }

    /// What a request would see of it.
    pub(super) async fn facts(&self, control: &Control) -> Result<KeyFacts, Refusal> {
        facts(control, self.digest, self.doc.clone()).await
    }

    /// Makes a change effective in this process.
    pub(super) fn announce(&self, control: &Control) {
        control.directory.changed(KEYS.kind, &self.id());
    }
}

/// What a request would see of a key with that document.
pub(super) async fn facts(control: &Control, digest: KeyDigest, mut doc: Doc) -> Result<KeyFacts, Refusal> {
    control.store.complete(&mut doc).await?;
    Ok(Facts(&doc).key(digest))
}
