//! A pass-through endpoint: a path of ours that leads to one place, whose bytes nobody looks into.

use super::target::SHORTEST_SECRET;
use crate::domain::{HostPort, Money, Secret};
use http::{HeaderName, HeaderValue, Method};

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
    fn nothing_leads_above_the_target() {
        for path in
            ["/tts/../admin", "/tts/a/%2e%2e/b", "/tts/%2E./x", "/tts/..%2fx", "/tts/..\\x", "/tts/.."]
        {
            assert_eq!(passage(true).below(path), None, "{path}");
        }
        assert_eq!(passage(true).below("/tts/a..b/.x"), Some("/a..b/.x"));
    }
}
