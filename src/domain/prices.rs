//! What the tokens of a model cost.

use super::TokenPrice;

/// Prices a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// A prompt token.
    pub input: TokenPrice,
    /// A produced token.
    pub output: TokenPrice,
    /// A prompt token read from the provider's cache; `None` is billed as `input`.
    pub cache_read: Option<TokenPrice>,
    /// A prompt token written to the provider's cache; `None` is billed as `input`.
    pub cache_write: Option<TokenPrice>,
    /// A reasoning token; `None` is billed as `output`.
    pub reasoning: Option<TokenPrice>,
    /// An audio token of the prompt; `None` is billed as `input`.
    pub audio_input: Option<TokenPrice>,
    /// A produced audio token; `None` is billed as `output`.
    pub audio_output: Option<TokenPrice>,
}
