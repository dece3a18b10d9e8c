//! How much a model is to think before it speaks.

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reasoning {
    /// Not at all.
    Off,
    /// So hard.
    Effort(Effort),
    /// For at most so many tokens.
    Budget(u64),
    /// As the model sees fit.
    Adaptive,
}

/// OpenAI's levels, and those that others have added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// `minimal`.
    Minimal,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
    /// `xhigh`.
    ExtraHigh,
    /// `max`.
    Max,
}

/// Each level with its word, and the tokens it stands for where a budget is wanted: LiteLLM's numbers up to
/// `high`, doubled beyond it.
const LEVELS: [(Effort, &str, u64); 6] = [
    (Effort::Minimal, "minimal", 128),
    (Effort::Low, "low", 1024),
    (Effort::Medium, "medium", 2048),
    (Effort::High, "high", 4096),
    (Effort::ExtraHigh, "xhigh", 8192),
    (Effort::Max, "max", 16384),
];

impl Effort {
    /// The level of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        LEVELS.iter().find(|(_, own, _)| *own == word).map(|(level, _, _)| *level)
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        LEVELS.iter().find(|(level, _, _)| *level == self).map_or("medium", |(_, word, _)| word)
    }

    /// The tokens it stands for.
    #[must_use]
    pub fn budget(self) -> u64 {
        LEVELS.iter().find(|(level, _, _)| *level == self).map_or(2048, |(_, _, budget)| *budget)
    }
}

impl Reasoning {
    /// As tokens; `None` if there is to be no thinking, or no bound to it.
    #[must_use]
    pub fn budget(self) -> Option<u64> {
        match self {
            Self::Off | Self::Adaptive => None,
            Self::Effort(effort) => Some(effort.budget()),
            Self::Budget(tokens) => Some(tokens),
        }
    }

    /// As a level; `None` if there is to be no thinking. Up to 2048 tokens are low, up to 8192 medium.
    #[must_use]
    pub const fn effort(self) -> Option<Effort> {
        match self {
            Self::Off => None,
            Self::Effort(effort) => Some(effort),
            Self::Adaptive => Some(Effort::Medium),
            Self::Budget(0..1024) => Some(Effort::Minimal),
            Self::Budget(1024..=2048) => Some(Effort::Low),
            Self::Budget(2049..=8192) => Some(Effort::Medium),
            Self::Budget(_) => Some(Effort::High),
        }
    }
}
