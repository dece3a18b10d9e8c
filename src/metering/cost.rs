//! What a call costs.

use crate::domain::{Money, Prices, TokenPrice, Units, Usage};

/// The price of a call: of its units where the model is priced by them, else of its tokens.
#[must_use]
pub fn bill(usage: &Usage, units: &Units, prices: &Prices) -> Money {
    // Of most calls nothing but tokens is counted.
    if *units == Units::default() {
        return tokens(usage, units, prices);
    }
    let by = &prices.units;
    let heard = by.second.or(by.spoken_second);
    if let Some(price) = by.character.filter(|_| units.characters > 0) {
        return price.times(units.characters);
    }
    if let Some(price) = heard.filter(|_| units.heard_ms > 0) {
        return price.thousandths(units.heard_ms);
    }
    if let Some(price) = by.query.filter(|_| units.queries > 0) {
        return price.times(units.queries);
    }
    let counted = || usage.total() > 0 && prices.has_tokens();
    if let Some(price) = units.image_price.or(by.image).filter(|_| units.images > 0 && !counted()) {
        return price.times(units.images);
    }
    // Tokens of speech are rarely told: its length stands in for those that were produced.
    let spoken = by.spoken_second.filter(|_| units.spoken_ms > 0 && usage.completion == 0);
    let spoken = spoken.map_or(Money::ZERO, |price| price.thousandths(units.spoken_ms));
    tokens(usage, units, prices).saturating_add(spoken)
}

/// The price of `usage` in tokens. Kinds of tokens without a price of their own are billed as plain ones, and
/// parts that exceed their whole are held at it: no token is free by accident, or billed twice.
#[must_use]
pub fn cost(usage: &Usage, prices: &Prices) -> Money {
    tokens(usage, &Units::default(), prices)
}

fn tokens(usage: &Usage, units: &Units, prices: &Prices) -> Money {
    let prices = &*prices.at(usage.prompt);
    let prompt = match usage.cached | usage.cache_write | usage.audio_prompt | units.image_prompt {
        0 => prices.input.times(usage.prompt),
        _ => share(
            usage.prompt,
            prices.input,
            &[
                (usage.cached, prices.cache_read),
                (usage.cache_write, prices.cache_write),
                (usage.audio_prompt, prices.audio_input),
                (units.image_prompt, prices.image_input),
            ],
        ),
    };
    let completion = match usage.reasoning | usage.audio_completion | units.image_completion {
        0 => prices.output.times(usage.completion),
        _ => share(
            usage.completion,
            prices.output,
            &[
                (usage.reasoning, prices.reasoning),
                (usage.audio_completion, prices.audio_output),
                (units.image_completion, prices.image_output),
            ],
        ),
    };
    prompt.saturating_add(completion)
}

fn share(whole: u64, plain: TokenPrice, parts: &[(u64, Option<TokenPrice>)]) -> Money {
    let mut rest = whole;
    let mut sum = Money::ZERO;
    for (tokens, price) in parts {
        let tokens = (*tokens).min(rest);
        rest -= tokens;
        sum = sum.saturating_add(price.unwrap_or(plain).times(tokens));
    }
    sum.saturating_add(plain.times(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Tier, UnitPrices};
    use proptest::prelude::*;

    fn price(dollars: f64) -> TokenPrice {
        TokenPrice::from_dollars(dollars).unwrap()
    }

    fn example() -> (Usage, Prices) {
        let usage = Usage { prompt: 11, completion: 7, cached: 4, reasoning: 2, ..Usage::default() };
        let prices = Prices { input: price(1.078e-6), output: price(3.774e-6), ..Prices::default() };
        (usage, prices)
    }

    #[test]
    fn cached_tokens_without_a_price_are_not_free() {
        let (usage, prices) = example();
        assert_eq!(cost(&usage, &prices).to_string(), "3.8276e-05");
    }

    #[test]
    fn parts_are_billed_at_their_own_price_once() {
        let (usage, mut prices) = example();
        prices.cache_read = Some(price(1e-7));
        prices.reasoning = Some(price(1e-5));
        let expected = 7 * 1_078_000 + 4 * 100_000 + 5 * 3_774_000 + 2 * 10_000_000;
        assert_eq!(cost(&usage, &prices), Money::from_pico(expected));
    }

    #[test]
    fn parts_over_the_whole_are_held_at_it() {
        let (_, prices) = example();
        let usage = Usage { prompt: 5, cached: 100, cache_write: 9, ..Usage::default() };
        assert_eq!(cost(&usage, &prices), prices.input.times(5));
        let usage = Usage { prompt: u64::MAX, completion: u64::MAX, ..Usage::default() };
        assert_eq!(cost(&usage, &prices), Money::from_pico(i64::MAX));
    }

    fn unit(dollars: f64) -> Option<Money> {
        Money::from_dollars(dollars)
    }

    #[test]
    fn units_are_billed_where_the_model_is_priced_by_them() {
        let (usage, plain) = example();
        let one = |units: UnitPrices| Prices { units, ..Prices::default() };
        let speech = one(UnitPrices { character: unit(1.5e-5), ..UnitPrices::default() });
        let said = Units { characters: 7, ..Units::default() };
        assert_eq!(bill(&usage, &said, &speech), Money::from_pico(7 * 15_000_000));
        // whisper has two prices of a second that mean the same.
        let second = UnitPrices { second: unit(1e-4), spoken_second: unit(1e-4), ..UnitPrices::default() };
        let heard = Units { heard_ms: 12_345, ..Units::default() };
        assert_eq!(bill(&Usage::default(), &heard, &one(second)), Money::from_pico(1_234_500_000));
        let images = Units { images: 2, image_price: unit(0.08), ..Units::default() };
        let image = UnitPrices { image: unit(0.04), ..UnitPrices::default() };
        assert_eq!(bill(&Usage::default(), &images, &one(image)), Money::from_pico(160_000_000_000));
        assert_eq!(bill(&usage, &images, &plain), cost(&usage, &plain), "tokens that were told come first");
        let query = one(UnitPrices { query: unit(0.002), ..UnitPrices::default() });
        let asked = Units { queries: 3, ..Units::default() };
        assert_eq!(bill(&usage, &asked, &query), Money::from_pico(6_000_000_000));
        assert_eq!(bill(&usage, &asked, &plain), cost(&usage, &plain));
        let tts =
            Prices { units: UnitPrices { spoken_second: unit(2.5e-4), ..UnitPrices::default() }, ..plain };
        let text = Usage { prompt: 10, ..Usage::default() };
        let spoken = Units { spoken_ms: 2000, characters: 40, ..Units::default() };
        assert_eq!(bill(&text, &spoken, &tts), Money::from_pico(10 * 1_078_000 + 500_000_000));
    }

    #[test]
    fn a_long_prompt_has_prices_of_its_own() {
        let (_, plain) = example();
        let tier = |above, dollars| {
            Some(Tier {
                above,
                input: Some(price(dollars)),
                output: None,
                cache_read: None,
                cache_write: None,
            })
        };
        let prices = Prices { tiers: [tier(128_000, 2e-6), tier(200_000, 4e-6), None], ..plain };
        let of = |prompt| {
            cost(&Usage { prompt, ..Usage::default() }, &prices).pico() / i64::try_from(prompt).unwrap()
        };
        assert_eq!((of(128_000), of(128_001), of(200_001)), (1_078_000, 2_000_000, 4_000_000));
        assert_ne!(prices.version(), plain.version());
    }

    proptest! {
        #[test]
        fn splitting_tokens_changes_nothing_at_one_price(
            prompt in 0_u64..1_000_000, cached: u64, written: u64, audio: u64, reasoning: u64,
        ) {
            let (_, prices) = example();
            let plain = Usage { prompt, completion: prompt, ..Usage::default() };
            let split = Usage {
                cached, cache_write: written, audio_prompt: audio, reasoning, audio_completion: audio, ..plain
            };
            prop_assert_eq!(cost(&split, &prices), cost(&plain, &prices));
        }
    }
}
