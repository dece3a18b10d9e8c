//! A pass-through endpoint: a path of ours that leads to one place, whose bytes nobody looks into.

use super::Catalog;
use super::target::SHORTEST_SECRET;
use crate::dialects::{Dialect, Signer};
use crate::domain::{HostPort, Money, Secret};
use http::{HeaderName, HeaderValue, Method};
use std::fmt;

/// One entry of `pass_through_endpoints`.
#[derive(Clone, Debug)]
pub struct Passage {
    /// Our path, without a trailing slash.
    pub path: String,
    /// The origin that is called.
    pub origin: HostPort,
    /// The path there, without a trailing slash.
    pub target_path: String,
    /// The target as configured, for headers. It holds no credentials.
    pub target: String,
    /// Headers that are always sent there.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What may be a credential in their values, scheme words apart: no answer repeats it.
    pub secrets: Vec<Secret>,
    /// Whether paths below ours lead to paths below the target's.
    pub includes_below: bool,
    /// Whether the client's headers are sent on, its credentials never among them.
    pub forwards_headers: bool,
    /// Whether anybody may call it without a key.
    pub is_open: bool,
    /// What each call costs.
    pub cost: Money,
    /// The methods that are taken.
    pub methods: Vec<Method>,
    /// Whose API it is, if its answers are to be read for what they count.
    pub vendor: Option<Vendor>,
}

/// A provider whose own API is passed through.
#[derive(Clone)]
pub struct Vendor {
    /// The provider's prefix.
    pub provider: &'static str,
    /// What it speaks.
    pub dialect: &'static dyn Dialect,
    /// Who signs the requests, with which credentials; else the key is one of the passage's headers.
    pub signer: Option<(&'static dyn Signer, Secret)>,
    /// What its models cost.
    pub catalog: Catalog,
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.provider)
    }
}

impl Passage {
    /// The words of a header's value that may be a credential.
    pub fn secrets_of(value: &Secret) -> impl Iterator<Item = Secret> {
        let words = value.expose().split_ascii_whitespace();
        words.filter(|word| word.len() >= SHORTEST_SECRET).filter_map(Secret::new)
    }

    /// What a path leads to: what follows the target's path. `None` if this passage does not lead there.
    #[must_use]
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.path.as_str())?;
        match rest {
            "" | "/" => Some(""),
            _ if self.includes_below && rest.starts_with('/') && !climbs(rest) => Some(rest),
            _ => None,
        }
    }
}

impl Passage {
    /// The path at the target for what follows ours. A version that the client names takes the place of the target's.
    #[must_use]
    pub fn at_target(&self, below: &str) -> String {
        let version = |path: &str| {
            let digits = path.strip_prefix('v')?;
            digits.starts_with(|c: char| c.is_ascii_digit()).then_some(())
        };
        let own = self.target_path.rsplit_once('/').filter(|(_, last)| version(last).is_some());
        let named = below.trim_start_matches('/').split('/').next().and_then(version);
        match (own, named) {
            (Some((root, _)), Some(())) if self.vendor.is_some() => format!("{root}{below}"),
            _ => format!("{}{below}", self.target_path),
        }
    }
}

/// Whether a path could lead above where it begins.
fn climbs(path: &str) -> bool {
    let plain = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    plain.split(['/', '\\']).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Scheme;

    fn passage(includes_below: bool) -> Passage {
        Passage {
            path: "/tts".to_owned(),
            origin: HostPort { scheme: Scheme::Http, host: "h".to_owned(), port: 1 },
            target_path: "/v1".to_owned(),
            target: "http://h:1/v1".to_owned(),
            headers: Vec::new(),
            secrets: Vec::new(),
            includes_below,
            forwards_headers: false,
            is_open: false,
            cost: Money::ZERO,
            methods: vec![Method::POST],
            vendor: None,
        }
    }

    #[test]
    fn only_its_own_path_leads_there_unless_those_below_do_too() {
        assert_eq!(passage(false).below("/tts"), Some(""));
        assert_eq!(passage(false).below("/tts/"), Some(""));
        assert_eq!(passage(false).below("/tts/x"), None);
        assert_eq!(passage(true).below("/tts/x/y"), Some("/x/y"));
        assert_eq!(passage(true).below("/ttsx"), None);
    }

    #[test]
    fn a_version_stands_once_in_a_path_of_a_provider() {
        let vendor = || Vendor {
            provider: "openai",
            dialect: &crate::dialects::openai::OpenAi,
            signer: None,
            catalog: Catalog::default(),
        };
        let provider = Passage { vendor: Some(vendor()), ..passage(true) };
        assert_eq!(provider.at_target("/v1/files"), "/v1/files");
        assert_eq!(provider.at_target("/v1beta/files"), "/v1beta/files");
        assert_eq!(provider.at_target("/files"), "/v1/files");
        assert_eq!(passage(true).at_target("/v1/files"), "/v1/v1/files");
    }

    #[test]
    fn nothing_leads_above_the_target() {
        for path in
            ["/tts/../admin", "/tts/a/%2e%2e/b", "/tts/%2E./x", "/tts/..%2fx", "/tts/..\\x", "/tts/.."]
        {
            assert_eq!(passage(true).below(path), None, "{path}");
        }
        assert_eq!(passage(true).below("/tts/a..b/.x"), Some("/a..b/.x"));
    }
}
