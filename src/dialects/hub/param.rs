//! The parameters of a chat that have a name with OpenAI: the one table.

macro_rules! params {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A parameter that clients name as OpenAI does. A dialect lists those that it can express.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Param { $($(#[$doc])* $variant,)* }

        impl Param {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// OpenAI's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

params! {
    /// Most tokens to produce; also said by `max_completion_tokens`.
    MaxTokens = "max_tokens";
    /// A number.
    Temperature = "temperature";
    /// A number.
    TopP = "top_p";
    /// Texts that end the answer.
    Stop = "stop";
    /// Functions that may be called.
    Tools = "tools";
    /// Which of them must be.
    ToolChoice = "tool_choice";
    /// Whether several may be called at once.
    ParallelToolCalls = "parallel_tool_calls";
    /// Plain text, JSON, or JSON by a schema.
    ResponseFormat = "response_format";
    /// How much to think first; also said by `thinking`.
    ReasoningEffort = "reasoning_effort";
    /// Who the end user is.
    User = "user";
    /// A whole number.
    Seed = "seed";
    /// How many answers.
    N = "n";
    /// A number.
    FrequencyPenalty = "frequency_penalty";
    /// A number.
    PresencePenalty = "presence_penalty";
    /// Token ids and what to add to them.
    LogitBias = "logit_bias";
    /// A boolean.
    Logprobs = "logprobs";
    /// A whole number.
    TopLogprobs = "top_logprobs";
    /// Text, audio, image.
    Modalities = "modalities";
    /// The voice and format of a spoken answer.
    Audio = "audio";
    /// Text that is likely to come.
    Prediction = "prediction";
    /// Settings of a search by the provider.
    WebSearchOptions = "web_search_options";
    /// Which class of service to use.
    ServiceTier = "service_tier";
    /// How wordy to be.
    Verbosity = "verbosity";
    /// A hashed name of the end user.
    SafetyIdentifier = "safety_identifier";
    /// What prompts to keep together in a cache.
    PromptCacheKey = "prompt_cache_key";
    /// How long to keep them.
    PromptCacheRetention = "prompt_cache_retention";
    /// Whether to keep the answer at the provider.
    Store = "store";
    /// Labels.
    Metadata = "metadata";
}

impl Param {
    /// The parameter of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|param| param.name() == name)
    }

    /// Whether it can be left out without the answer being another one than was asked for.
    #[must_use]
    pub const fn is_hint(self) -> bool {
        matches!(
            self,
            Self::ServiceTier
                | Self::SafetyIdentifier
                | Self::PromptCacheKey
                | Self::PromptCacheRetention
                | Self::Prediction
                | Self::Store
                | Self::Metadata
        )
    }
}
