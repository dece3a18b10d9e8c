//! A choice as it is told to whoever asks why.

use super::{Bar, Considered, Drawback};
use serde_json::{Value, json};
use std::time::Duration;

impl Considered<'_> {
    /// The deployment's id, its score, and what speaks against it: nothing that says where it is.
    #[must_use]
    pub fn told(&self) -> Value {
        let mut row = json!({ "id": self.deployment.target.id.as_str(), "score": rounded(self.score) });
        if let Some(bar) = self.bar {
            row["out"] = bar.word().into();
            match bar {
                Bar::Cooled(left) | Bar::Quota(left) => row["seconds"] = seconds(left).into(),
                Bar::Context(most) => row["max_input_tokens"] = most.into(),
                Bar::Unserved | Bar::Surface | Bar::Tags | Bar::Budget => {}
            }
        } else if let Some(drawback) = self.drawback {
            row["passed_over"] = drawback.word().into();
        }
        row
    }
}

impl Bar {
    /// A word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unserved => "unserved",
            Self::Surface => "no_such_api",
            Self::Tags => "tags",
            Self::Context(_) => "context",
            Self::Budget => "provider_budget",
            Self::Cooled(_) => "cooled",
            Self::Quota(_) => "quota",
        }
    }

    /// How long until it is gone, if time is what it takes.
    #[must_use]
    pub const fn wait(self) -> Option<Duration> {
        match self {
            Self::Cooled(left) | Self::Quota(left) => Some(left),
            Self::Unserved | Self::Surface | Self::Tags | Self::Context(_) | Self::Budget => None,
        }
    }
}

impl Drawback {
    /// A word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tried => "tried",
            Self::Full => "parallel_slots",
            Self::Down => "endpoint_down",
            Self::Cold => "model_not_loaded",
        }
    }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// Six digits after the point are all that anybody reads; what is unknown is `null`.
fn rounded(score: f64) -> Value {
    json!((score * 1e6).round() / 1e6)
}
