//! Credentials in documents, encrypted so that the key can be changed while the gateway runs.
//!
//! A value is `tollgate:` and the id of its key, a colon, and base64url of nonce and ciphertext
//! (XSalsa20-Poly1305). LiteLLM's values are that base64 alone; they are read and never written.

use crate::domain::Secret;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use crypto_secretbox::aead::{Aead, AeadCore, KeyInit, OsRng};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

const PREFIX: &str = "tollgate:";
const NONCE: usize = 24;
/// Python pads its base64 and we do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a value cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No key is configured.
    #[error("there is no key to encrypt with: set LITELLM_SALT_KEY or a master key")]
    NoKey,
    /// None of the keys fits.
    #[error("a credential was encrypted with another key: set LITELLM_SALT_KEY_PREVIOUS to the old one")]
    WrongKey,
}

/// The keys that credentials are encrypted with: the first writes, all read.
#[derive(Clone, Default)]
pub struct Vault {
    keys: Vec<Arc<SealKey>>,
}

struct SealKey {
    id: String,
    cipher: XSalsa20Poly1305,
}

impl Vault {
    /// A vault of these keys; the first one writes.
    #[must_use]
    pub fn new(keys: &[Secret]) -> Self {
        let mut vault = Self::default();
        for key in keys.iter().map(SealKey::of) {
            if !vault.keys.iter().any(|known| known.id == key.id) {
                vault.keys.push(Arc::new(key));
            }
        }
        vault
    }

    /// Encrypts a text.
    ///
    /// # Errors
    /// [`SealError::NoKey`].
    pub fn seal(&self, text: &str) -> Result<String, SealError> {
        let key = self.keys.first().ok_or(SealError::NoKey)?;
        let nonce = XSalsa20Poly1305::generate_nonce(&mut OsRng);
        let sealed = key.cipher.encrypt(&nonce, text.as_bytes()).map_err(|_| SealError::NoKey)?;
        let bytes = [nonce.as_slice(), &sealed].concat();
        Ok(format!("{PREFIX}{}:{}", key.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Decrypts a text; one that is not encrypted is returned as it is.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] if it is ours and none of the keys fits.
    pub fn open(&self, text: &str) -> Result<String, SealError> {
        let Some((id, body)) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')) else {
            return Ok(self.keys.iter().find_map(|key| key.open(text)).unwrap_or_else(|| text.to_owned()));
        };
        let known = self.keys.iter().filter(|key| key.id == id);
        known.into_iter().find_map(|key| key.open(body)).ok_or(SealError::WrongKey)
    }

    /// Whether a text was encrypted here with the key that writes.
    #[must_use]
    pub fn is_current(&self, text: &str) -> bool {
        let id = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).map(|(id, _)| id);
        id.is_some() && id == self.keys.first().map(|key| key.id.as_str())
    }

    /// Encrypts every text of a value that was just handed in, below lists and objects too.
    ///
    /// # Errors
    /// As [`Vault::seal`].
    pub fn seal_new(&self, value: &mut Value) -> Result<(), SealError> {
        each_text(value, &mut |text| {
            *text = self.seal(text)?;
            Ok(())
        })
    }

    /// Encrypts every text of a stored value that is not encrypted with the present key yet.
    ///
    /// # Errors
    /// As [`Vault::seal`] and [`Vault::open`].
    pub fn seal_all(&self, value: &mut Value) -> Result<(), SealError> {
        each_text(value, &mut |text| {
            if !self.is_current(text) {
                *text = self.seal(&self.open(text)?)?;
            }
            Ok(())
        })
    }

    /// Decrypts every text of a value.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_all(&self, value: &mut Value) -> Result<(), SealError> {
        each_text(value, &mut |text| {
            *text = self.open(text)?;
            Ok(())
        })
    }
}

/// Whether a text was encrypted here, whatever the key.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.contains(':'))
}

impl SealKey {
    /// LiteLLM's derivation: sha256 of the salt.
    fn of(salt: &Secret) -> Self {
        let bytes = Sha256::digest(salt.expose().as_bytes());
        // The id must not help to guess the salt: it is a digest of the digest, cut short.
        let id = Sha256::new().chain_update(b"tollgate key id").chain_update(bytes).finalize();
        let id = id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { id, cipher: XSalsa20Poly1305::new(&bytes) }
    }

    fn open(&self, body: &str) -> Option<String> {
        let bytes = BASE64.decode(body).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        String::from_utf8(self.cipher.decrypt(Nonce::from_slice(nonce), sealed).ok()?).ok()
    }
}

fn each_text(
    value: &mut Value,
    change: &mut dyn FnMut(&mut String) -> Result<(), SealError>,
) -> Result<(), SealError> {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().try_for_each(|item| each_text(item, change)),
        Value::Object(members) => members.values_mut().try_for_each(|member| each_text(member, change)),
        _ => Ok(()),
    }
}

/// Only how many keys there are.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault of {} keys", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vault(keys: &[&str]) -> Vault {
        let keys: Vec<Secret> = keys.iter().filter_map(|key| Secret::new(key)).collect();
        Vault::new(&keys)
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_no_other() {
        let own = vault(&["salt-one"]);
        let sealed = own.seal("upstream-key").unwrap();
        assert!(!sealed.contains("upstream-key") && is_sealed(&sealed));
        assert_ne!(sealed, own.seal("upstream-key").unwrap(), "a nonce is used once");
        assert_eq!(own.open(&sealed).unwrap(), "upstream-key");
        assert_eq!(vault(&["salt-two"]).open(&sealed), Err(SealError::WrongKey));
        assert_eq!(vault(&[]).seal("x"), Err(SealError::NoKey));
        let mut bent = sealed.clone();
        bent.replace_range(bent.len() - 1.., if sealed.ends_with('A') { "Q" } else { "A" });
        assert_eq!(own.open(&bent), Err(SealError::WrongKey), "a changed value is refused");
        assert!(!format!("{own:?}").contains("salt"));
    }

    #[test]
    fn the_old_key_goes_on_reading_while_the_new_one_writes() {
        let mut value = json!({ "api_key": "k", "extra": [{ "t": "os.environ/X" }], "rpm": 3 });
        vault(&["old"]).seal_new(&mut value).unwrap();
        let both = vault(&["new", "old"]);
        let before = value.clone();
        both.seal_all(&mut value).unwrap();
        assert_ne!(value, before);
        let once = value.clone();
        both.seal_all(&mut value).unwrap();
        assert_eq!(value, once, "what the present key wrote is left alone");
        let mut opened = value;
        vault(&["new"]).open_all(&mut opened).unwrap();
        assert_eq!(opened, json!({ "api_key": "k", "extra": [{ "t": "os.environ/X" }], "rpm": 3 }));
        let mut opened = before;
        both.open_all(&mut opened).unwrap();
        assert_eq!(opened["api_key"], "k");
    }

    #[test]
    fn litellms_own_form_is_read() {
        // PyNaCl's SecretBox with key sha256("sk-salt-of-litellm") and the nonce 0, 1, … 23.
        let theirs = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX2W2HxTu0XMw9FGqN41bwWL2M_JC-D5f_BQRU82FAz_CYqJcqPAPP";
        let own = vault(&["new", "sk-salt-of-litellm"]);
        assert_eq!(own.open(theirs).unwrap(), "upstream-key-of-litellm");
        assert_eq!(vault(&["other"]).open(theirs).unwrap(), theirs, "not ours, so perhaps not encrypted");
        assert_eq!(own.open("https://api.openai.com/v1").unwrap(), "https://api.openai.com/v1");
    }
}
