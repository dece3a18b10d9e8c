//! What windows answer.

use std::fmt;

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateKind {
    /// Requests in the window.
    Requests,
    /// Tokens in the window.
    Tokens,
    /// Requests at one time.
    Parallel,
}

impl RateKind {
    /// LiteLLM's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Parallel => "max_parallel_requests",
        }
    }
}

impl fmt::Display for RateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a window let nobody through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFast {
    /// Which limit.
    pub kind: RateKind,
    /// The limit.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// When the window ends, in unix milliseconds.
    pub resets_at: i64,
}

/// What is left after a request was let through; the largest number where there is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
}

/// What a window counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests in the window.
    pub requests: u64,
    /// Tokens in the window, settled and reserved.
    pub tokens: u64,
    /// Requests under way.
    pub parallel: u64,
}

impl Load {
    /// Both together.
    pub(super) const fn plus(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
            parallel: self.parallel.saturating_add(other.parallel),
        }
    }

    /// The smaller of each.
    #[must_use]
    pub fn at_most(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.min(other.requests),
            tokens: self.tokens.min(other.tokens),
            parallel: self.parallel.min(other.parallel),
        }
    }

    /// The larger of each.
    pub(super) fn at_least(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.max(other.requests),
            tokens: self.tokens.max(other.tokens),
            parallel: self.parallel.max(other.parallel),
        }
    }
}

/// Why nobody was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMuch<T> {
    /// A limit is reached.
    Reached(T),
    /// Others are to be asked first.
    Unknown,
    /// Others cannot be asked, and nobody is let through until they can.
    Closed,
}
