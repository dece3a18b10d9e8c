//! `api_base`: an origin and the path before `/chat/completions`.

use crate::domain::{HostPort, Scheme};
use http::Uri;

/// A parsed `api_base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The origin that is called.
    pub origin: HostPort,
    /// The path without a trailing slash; empty for the root.
    pub path: String,
}

impl Base {
    /// Parses a URL.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it: it may hold a credential.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.contains('#') {
            return Err("an api_base takes no fragment");
        }
        let uri: Uri = text.parse().or(Err("not a URL"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err("an api_base begins with http:// or https://"),
        };
        let authority = uri.authority().ok_or("an api_base names a host")?;
        if authority.as_str().contains('@') {
            return Err("an api_base takes no user or password; use api_key");
        }
        if uri.query().is_some() {
            return Err("an api_base takes no query");
        }
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, digits)) if !digits.ends_with(']') => port(digits)?,
            _ => scheme.default_port(),
        };
        let host = bare_host(authority.host())?;
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { origin: HostPort { scheme, host, port }, path })
    }

    /// The path, ending in `suffix`.
    #[must_use]
    pub fn path_ending_in(&self, suffix: &str) -> String {
        if self.path.ends_with(suffix) { self.path.clone() } else { format!("{}{suffix}", self.path) }
    }
}

fn port(digits: &str) -> Result<u16, &'static str> {
    digits.parse().ok().filter(|&port| port != 0).ok_or("the port is none")
}

fn bare_host(host: &str) -> Result<String, &'static str> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or("not an address in brackets")?;
        let address: std::net::Ipv6Addr = inner.parse().or(Err("not an IPv6 address in the brackets"))?;
        return Ok(address.to_string());
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if host.is_empty() || !host.bytes().all(plain) {
        return Err("an api_base names a host");
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_origins_and_paths() {
        for (text, host, port, path) in [
            ("http://vllm:8000/v1", "vllm", 8000, "/v1"),
            ("https://API.openai.com/v1/", "api.openai.com", 443, "/v1"),
            ("http://localhost", "localhost", 80, ""),
            ("http://[::1]:11434/", "::1", 11434, ""),
            ("https://[2001:db8::1]/openai/v1", "2001:db8::1", 443, "/openai/v1"),
        ] {
            let base = Base::parse(text).unwrap();
            assert_eq!((base.origin.host.as_str(), base.origin.port, base.path.as_str()), (host, port, path));
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for bad in [
            "",
            "vllm:8000/v1",
            "ftp://x/v1",
            "http://user:pass@x/v1",
            "http://x/v1?a=b",
            "http://x/v1#f",
            "http://x:0/",
            "http://x:99999/",
            "http://x:/",
            "http://[::1",
            "http://[zz]/",
            "http:///v1",
            "/v1",
            "http://a b/",
        ] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
    }
}
