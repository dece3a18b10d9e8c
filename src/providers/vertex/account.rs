//! A service account of Google's: what it signs to be lent a token.

use crate::domain::{HostPort, Secret};
use crate::providers::Base;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;
use std::time::Duration;

/// What a token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
/// Google's bound, and its default.
const LIFE_SECONDS: i64 = 3600;

/// A service account, ready to sign.
pub struct Account {
    file: File,
    key: RsaKeyPair,
    origin: HostPort,
    path: String,
}

/// The members of Google's file that matter.
#[derive(Clone, Deserialize, Serialize)]
struct File {
    #[serde(default)]
    r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_key_id: Option<String>,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    client_email: String,
    #[serde(default = "token_uri")]
    token_uri: String,
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

/// A token that was lent.
#[derive(Debug)]
pub struct Loan {
    /// The token.
    pub token: Secret,
    /// How long it is good for.
    pub life: Duration,
}

impl Account {
    /// Reads Google's file.
    ///
    /// # Errors
    /// What is wrong with it, without quoting any of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|_| {
            "vertex_credentials are neither the JSON of a service account nor a file with it".to_owned()
        })?;
        if file.r#type != "service_account" {
            return Err("vertex_credentials of another type than service_account are not served".to_owned());
        }
        let uri = Base::parse(&file.token_uri).map_err(|why| format!("token_uri of the account: {why}"))?;
        let is_email = file.client_email.contains('@') && !file.client_email.contains(char::is_whitespace);
        let key = key(&file.private_key).filter(|_| is_email);
        let key = key.ok_or("the service account lacks a private_key of use, or its client_email")?;
        Ok(Self { file, key, origin: uri.origin, path: uri.path })
    }

    /// Its file again, with what matters: the deployment's key.
    #[must_use]
    pub fn written(&self) -> Option<Secret> {
        serde_json::to_string(&self.file).ok().as_deref().and_then(Secret::new)
    }

    /// The project it belongs to.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.file.project_id.as_deref().filter(|project| !project.trim().is_empty())
    }

    /// Who it is.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.file.client_email
    }

    /// Where tokens are lent.
    #[must_use]
    pub const fn origin(&self) -> &HostPort {
        &self.origin
    }

    /// The path there.
    #[must_use]
    pub fn path(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }

    /// The form that asks for a token, signed at this Unix time in seconds.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn form(&self, now: i64) -> Result<String, &'static str> {
        let mut head = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.file.private_key_id {
            head["kid"] = id.as_str().into();
        }
        let claims = json!({
            "iss": self.file.client_email,
            "scope": SCOPE,
            "aud": self.file.token_uri,
            "iat": now,
            "exp": now + LIFE_SECONDS,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the private key cannot sign")?;
        Ok(format!("grant_type={GRANT}&assertion={signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn key(pem: &str) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

/// Reads what a token endpoint answered.
///
/// # Errors
/// Why there is no token, in the endpoint's own word if it is a plain one.
pub fn loan(status: u16, body: &[u8]) -> Result<Loan, String> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: Option<String>,
        expires_in: Option<u64>,
        error: Option<serde_json::Value>,
    }
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let error = answer.as_ref().and_then(|answer| answer.error.as_ref()?.as_str());
    let word = error.filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    let refused = || format!("status {status} {}", word.unwrap_or_default()).trim_end().to_owned();
    if status != 200 {
        return Err(refused());
    }
    let answer = answer.ok_or_else(|| "an answer that is no JSON".to_owned())?;
    let token = answer.access_token.as_deref().filter(|token| is_token(token)).and_then(Secret::new);
    let life = Duration::from_secs(answer.expires_in.unwrap_or(LIFE_SECONDS.unsigned_abs()).clamp(1, 86_400));
    token.map(|token| Loan { token, life }).ok_or_else(|| "an answer without a token".to_owned())
}

/// Whether a token can stand in a header.
fn is_token(text: &str) -> bool {
    http::HeaderValue::from_str(text.trim()).is_ok()
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account of {}", self.origin)
    }
}
