//! What may stand in `.env`: made here, or given and looked at.

use crate::config::is_placeholder;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Why a value is not taken. No text repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("it is empty")]
    Empty,
    #[error("it is a placeholder of the documentation, not a real value")]
    Placeholder,
    #[error("it is shorter than {0} characters")]
    Short(usize),
    #[error("it has to begin with \"sk-\"")]
    Prefix,
    #[error("it has a blank, a quote or another character that shells or URLs take for their own")]
    Character,
    #[error("it has to begin with http:// or https://")]
    Url,
    #[error("it has to be a number and a unit, like 15d")]
    Duration,
}

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The admin key: `sk-` and at least 16 characters.
    MasterKey,
    /// A password or salt of at least 8 characters that can stand in a URL.
    Password,
    /// A key that a provider gave.
    UpstreamKey,
    /// An address of a provider.
    Url,
    /// A duration in Prometheus' notation.
    Duration,
    /// Paths of files, with a colon between two.
    File,
}

const SAMPLES: [&str; 3] = ["sk-1234", "sk-master-key", "secret"];

impl Kind {
    /// The value without blanks around it, if it will do.
    pub(super) fn check(self, value: &str) -> Result<String, Unfit> {
        let value = &in_use(value)?;
        let plain = |extra: &str| value.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
        let is_plain = match self {
            Self::MasterKey | Self::Password => plain("-_.~"),
            Self::UpstreamKey => plain("-_.~+/=:@"),
            Self::Url => plain("-_.~:/%?=&[]"),
            Self::Duration => plain(""),
            Self::File => plain("-_.~/:"),
        };
        if !is_plain {
            return Err(Unfit::Character);
        }
        match self {
            Self::MasterKey if !value.starts_with("sk-") => Err(Unfit::Prefix),
            Self::MasterKey if value.len() < 16 => Err(Unfit::Short(16)),
            Self::Password | Self::UpstreamKey if value.len() < 8 => Err(Unfit::Short(8)),
            Self::Url if !value.starts_with("http://") && !value.starts_with("https://") => Err(Unfit::Url),
            Self::Duration if !is_duration(value) => Err(Unfit::Duration),
            _ => Ok(value.to_owned()),
        }
    }
}

/// A value that is in use already stays, whatever its characters: what it opens was made with it.
pub(super) fn in_use(value: &str) -> Result<String, Unfit> {
    match value.trim() {
        "" => Err(Unfit::Empty),
        shown if is_placeholder(shown) || SAMPLES.contains(&shown) => Err(Unfit::Placeholder),
        value => Ok(value.to_owned()),
    }
}

fn is_duration(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(number.len()..).unwrap_or_default();
    number.parse::<u32>().is_ok_and(|n| n > 0) && ["ms", "s", "m", "h", "d", "w", "y"].contains(&unit)
}

/// 256 bits from the system, in letters that need no quoting anywhere.
///
/// # Errors
/// If the system has no randomness to give.
pub(super) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// A value's end and length: enough to tell it from others, too little to use.
pub(in crate::cli) fn masked(value: &str) -> String {
    let length = value.chars().count();
    let end: String = value.chars().skip(length.saturating_sub(4)).collect();
    if length >= 20 { format!("…{end} (len={length})") } else { format!("(len={length})") }
}
