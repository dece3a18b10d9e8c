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

impl Prices {
    /// Whether nothing costs anything.
    #[must_use]
    pub fn are_zero(&self) -> bool {
        let further =
            [self.cache_read, self.cache_write, self.reasoning, self.audio_input, self.audio_output];
        [Some(self.input), Some(self.output)]
            .into_iter()
            .chain(further)
            .flatten()
            .all(|price| price == TokenPrice::ZERO)
    }

    /// A number that names these prices: it differs when any of them does.
    #[must_use]
    pub fn version(&self) -> u64 {
        let further =
            [self.cache_read, self.cache_write, self.reasoning, self.audio_input, self.audio_output];
        let all = [Some(self.input), Some(self.output)].into_iter().chain(further);
        // FNV-1a: the same in every process and release.
        all.map(|price| price.map_or(-1, TokenPrice::pico))
            .flat_map(i64::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}
