//! What a call costs.

use crate::domain::{Money, Prices, TokenPrice, Usage};

/// The price of `usage`. Kinds of tokens without a price of their own are billed as plain ones, and
/// parts that exceed their whole are held at it: no token is free by accident, or billed twice.
#[must_use]
pub fn cost(usage: &Usage, prices: &Prices) -> Money {
    let prompt = [
        (usage.cached, prices.cache_read),
        (usage.cache_write, prices.cache_write),
        (usage.audio_prompt, prices.audio_input),
    ];
    let completion = [(usage.reasoning, prices.reasoning), (usage.audio_completion, prices.audio_output)];
    bill(usage.prompt, prices.input, &prompt).saturating_add(bill(
        usage.completion,
        prices.output,
        &completion,
    ))
}

fn bill(whole: u64, plain: TokenPrice, parts: &[(u64, Option<TokenPrice>)]) -> Money {
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
