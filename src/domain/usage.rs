//! Tokens of one call, and how far the numbers can be trusted.

/// Token counts of one call. `cached` and `audio_prompt` are parts of `prompt`; `reasoning` and
/// `audio_completion` are parts of `completion`, as OpenAI reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt: u64,
    /// Tokens produced, reasoning included.
    pub completion: u64,
    /// Prompt tokens read from the provider's cache.
    pub cached: u64,
    /// Prompt tokens written to the provider's cache.
    pub cache_write: u64,
    /// Produced tokens that were reasoning.
    pub reasoning: u64,
    /// Prompt tokens that were audio.
    pub audio_prompt: u64,
    /// Produced tokens that were audio.
    pub audio_completion: u64,
}

impl Usage {
    /// Prompt and completion together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
}

/// Where the numbers of a [`Usage`] come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UsageSource {
    /// The upstream reported them.
    Upstream,
    /// The gateway counted what it saw, because the upstream reported nothing.
    Estimated,
    /// Nothing was produced, so there is nothing to count.
    #[default]
    Absent,
}

impl UsageSource {
    /// The word used in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Estimated => "estimated",
            Self::Absent => "absent",
        }
    }
}

/// Roughly how many tokens `bytes` of text are, for when nobody has counted: four bytes a token.
#[must_use]
pub const fn estimate_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// What was counted here, because the upstream said nothing.
#[must_use]
pub fn estimated(prompt: u64, completion: u64) -> (Usage, UsageSource) {
    (Usage { prompt, completion, ..Usage::default() }, UsageSource::Estimated)
}
