//! What a model costs: its tokens, and what is not counted in tokens.

use super::{Money, TokenPrice};
use std::borrow::Cow;

/// Prices a token, and a unit of what is counted otherwise.
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
    /// A token of an image in the prompt; `None` is billed as `input`.
    pub image_input: Option<TokenPrice>,
    /// A token of a produced image; `None` is billed as `output`.
    pub image_output: Option<TokenPrice>,
    /// What is not counted in tokens.
    pub units: UnitPrices,
    /// Prices of long prompts, shortest first.
    pub tiers: [Option<Tier>; 3],
    /// What tokens cost in a batch; `None` is billed as elsewhere.
    pub batch: Option<BatchPrices>,
}

/// Prices of units; `None` where a model has no such price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnitPrices {
    /// A character of text that is spoken.
    pub character: Option<Money>,
    /// A second of audio that is listened to.
    pub second: Option<Money>,
    /// A second of audio that is produced.
    pub spoken_second: Option<Money>,
    /// An image.
    pub image: Option<Money>,
    /// A query of a reranker.
    pub query: Option<Money>,
}

/// Prices of all tokens of a call whose prompt is longer than `above` tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// So many prompt tokens are still billed as usual.
    pub above: u64,
    /// A prompt token; `None` is billed as usual.
    pub input: Option<TokenPrice>,
    /// A produced token; `None` is billed as usual.
    pub output: Option<TokenPrice>,
    /// A prompt token read from the cache; `None` is billed as usual.
    pub cache_read: Option<TokenPrice>,
    /// A prompt token written to the cache; `None` is billed as usual.
    pub cache_write: Option<TokenPrice>,
}

/// Prices of tokens in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPrices {
    /// A prompt token.
    pub input: TokenPrice,
    /// A produced token.
    pub output: TokenPrice,
}

/// What of a call is not counted in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Characters of text to speak.
    pub characters: u64,
    /// Milliseconds of audio to listen to.
    pub heard_ms: u64,
    /// Milliseconds of audio that is produced.
    pub spoken_ms: u64,
    /// Images that are made.
    pub images: u64,
    /// Queries of a reranker.
    pub queries: u64,
    /// Prompt tokens that were images.
    pub image_prompt: u64,
    /// Produced tokens that were images.
    pub image_completion: u64,
    /// What one of the images costs, if that depends on its size; else they cost what the model's images do.
    pub image_price: Option<Money>,
}

impl Prices {
    /// Whether nothing costs anything.
    #[must_use]
    pub fn are_zero(&self) -> bool {
        self.amounts().flatten().all(|amount| amount == 0)
    }

    /// Whether tokens cost anything.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        let parts = [self.audio_input, self.audio_output, self.image_input, self.image_output];
        [Some(self.input), Some(self.output)]
            .into_iter()
            .chain(parts)
            .flatten()
            .any(|p| p != TokenPrice::ZERO)
    }

    /// The prices of a call whose prompt has so many tokens.
    #[must_use]
    pub fn at(&self, prompt: u64) -> Cow<'_, Self> {
        let is_longer = |tier: &&Tier| prompt > tier.above;
        if !self.tiers.iter().flatten().any(|tier| is_longer(&tier)) {
            return Cow::Borrowed(self);
        }
        let mut prices = *self;
        for tier in self.tiers.iter().flatten().filter(is_longer) {
            prices.input = tier.input.unwrap_or(prices.input);
            prices.output = tier.output.unwrap_or(prices.output);
            prices.cache_read = tier.cache_read.or(prices.cache_read);
            prices.cache_write = tier.cache_write.or(prices.cache_write);
        }
        Cow::Owned(prices)
    }

    /// The prices of what is asked for in a batch.
    #[must_use]
    pub fn in_batch(&self) -> Self {
        let Some(batch) = self.batch else { return *self };
        Self { input: batch.input, output: batch.output, units: self.units, ..Self::default() }
    }

    /// A number that names these prices: it differs when any of them does.
    #[must_use]
    pub fn version(&self) -> u64 {
        // FNV-1a: the same in every process and release.
        self.amounts()
            .map(|amount| amount.unwrap_or(-1))
            .flat_map(i64::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Every price in pico-dollars. Those that a model rarely has count only if it has one.
    fn amounts(&self) -> impl Iterator<Item = Option<i64>> {
        let token = |price: Option<TokenPrice>| price.map(TokenPrice::pico);
        let money = |price: Option<Money>| price.map(Money::pico);
        let plain = [
            Some(self.input),
            Some(self.output),
            self.cache_read,
            self.cache_write,
            self.reasoning,
            self.audio_input,
            self.audio_output,
        ];
        let units = self.units;
        let units = [units.character, units.second, units.spoken_second, units.image, units.query];
        let units = (self.units != UnitPrices::default()).then_some(units);
        let tiers = self
            .tiers
            .into_iter()
            .flatten()
            .flat_map(|tier| [tier.input, tier.output, tier.cache_read, tier.cache_write].into_iter());
        let batch = self.batch.map(|batch| [batch.input, batch.output]);
        let images = [self.image_input, self.image_output].into_iter().filter(Option::is_some);
        plain
            .into_iter()
            .map(token)
            .chain(units.into_iter().flatten().map(money))
            .chain(tiers.chain(images).map(token))
            .chain(batch.into_iter().flatten().map(Some).map(token))
    }
}
