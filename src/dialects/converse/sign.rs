//! AWS Signature Version 4.

use crate::dialects::{Signer, Unsigned};
use crate::domain::{ApiError, ErrorKind, Secret};
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Signs requests to Bedrock. Its credentials are [`credentials`].
#[derive(Clone, Copy, Debug)]
pub struct SigV4;

/// Access key, secret key, region and, if there is one, session token, as [`SigV4`] takes them.
#[must_use]
pub fn credentials(access: &str, secret: &str, region: &str, token: Option<&str>) -> Option<Secret> {
    Secret::new(&[access, secret, region, token.unwrap_or_default()].map(str::trim).join("\n"))
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "bedrock";
/// What of a path stands in the signed text as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl Signer for SigV4 {
    fn sign(
        &self,
        request: &Unsigned<'_>,
        credentials: &Secret,
        unix_ms: i64,
    ) -> Result<Vec<(&'static str, String)>, ApiError> {
        let fault =
            |what: &str| ApiError::new(ErrorKind::Internal, format!("the request cannot be signed: {what}"));
        let mut lines = credentials.expose().lines();
        let (Some(access), Some(secret), Some(region)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(fault("the credentials are incomplete"));
        };
        let now = jiff::Timestamp::from_millisecond(unix_ms).map_err(|_| fault("the clock is wrong"))?;
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let token = lines.next();
        let scope = Scope { time: &time, region, service: SERVICE };
        let signature = scope.signature(request, secret, token);
        let authorization = format!(
            "{ALGORITHM} Credential={access}/{}, SignedHeaders={}, Signature={signature}",
            scope.text(),
            signed_headers(token)
        );
        let mut headers = vec![("authorization", authorization), ("x-amz-date", time)];
        headers.extend(token.map(|token| ("x-amz-security-token", token.to_owned())));
        Ok(headers)
    }
}

const fn signed_headers(token: Option<&str>) -> &'static str {
    if token.is_some() { "host;x-amz-date;x-amz-security-token" } else { "host;x-amz-date" }
}

/// What a signature is good for.
struct Scope<'a> {
    /// `20150830T123600Z`.
    time: &'a str,
    region: &'a str,
    service: &'a str,
}

impl Scope<'_> {
    fn date(&self) -> &str {
        self.time.get(..8).unwrap_or_default()
    }

    fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date(), self.region, self.service)
    }

    fn signature(&self, request: &Unsigned<'_>, secret: &str, token: Option<&str>) -> String {
        // Every service but S3 wants what is encoded already encoded once more.
        let path = utf8_percent_encode(request.path, PLAIN);
        let mut canonical = format!("POST\n{path}\n\nhost:{}\nx-amz-date:{}\n", request.host, self.time);
        if let Some(token) = token {
            canonical.push_str("x-amz-security-token:");
            canonical.push_str(token);
            canonical.push('\n');
        }
        let body = hex(&Sha256::digest(request.body));
        canonical.push('\n');
        canonical.push_str(signed_headers(token));
        canonical.push('\n');
        canonical.push_str(&body);
        let hashed = hex(&Sha256::digest(canonical.as_bytes()));
        let text = format!("{ALGORITHM}\n{}\n{}\n{hashed}", self.time, self.text());
        hex(&mac(&self.key(secret), text.as_bytes()))
    }

    fn key(&self, secret: &str) -> Vec<u8> {
        let parts = [self.date(), self.region, self.service, "aws4_request"];
        parts.iter().fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part.as_bytes()))
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    /// 2015-08-30, 12:36:00.
    const THEN: i64 = 1_440_938_160_000;

    #[test]
    fn the_key_is_as_in_amazons_example() {
        let scope = Scope { time: "20120215T000000Z", region: "us-east-1", service: "iam" };
        let key = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
        assert_eq!(hex(&scope.key(SECRET)), key);
    }

    #[test]
    fn the_signature_is_as_in_amazons_suite() {
        // "post-vanilla".
        let scope = Scope { time: "20150830T123600Z", region: "us-east-1", service: "service" };
        let request = Unsigned { host: "example.amazonaws.com", path: "/", body: b"" };
        let expected = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert_eq!(scope.signature(&request, SECRET, None), expected);
    }

    #[test]
    fn headers_show_who_asks_and_change_with_all_that_is_signed() {
        let sign = |path: &str, body: &[u8], token| {
            let key = credentials("AKIDEXAMPLE", SECRET, "eu-west-1", token).unwrap();
            SigV4.sign(&Unsigned { host: "h", path, body }, &key, THEN).unwrap()
        };
        let plain = sign("/model/a%3A0/converse", b"{}", None);
        assert_eq!(plain[1], ("x-amz-date", "20150830T123600Z".to_owned()));
        let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/bedrock/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature=";
        assert!(plain[0].1.starts_with(start), "{}", plain[0].1);
        assert!(!plain[0].1.contains(SECRET) && plain.len() == 2);
        for other in [sign("/model/a%3A1/converse", b"{}", None), sign("/model/a%3A0/converse", b"[]", None)]
        {
            assert_ne!(other[0], plain[0]);
        }
        let session = sign("/", b"", Some("token"));
        assert_eq!(session[2], ("x-amz-security-token", "token".to_owned()));
        assert!(session[0].1.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"));
    }

    #[test]
    fn incomplete_credentials_are_told_without_them() {
        let request = Unsigned { host: "h", path: "/", body: b"" };
        let error = SigV4.sign(&request, &Secret::new("AKID\ncanary").unwrap(), THEN).unwrap_err();
        assert!(error.message.contains("incomplete") && !error.message.contains("canary"));
    }
}
