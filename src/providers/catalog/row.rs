//! One model's facts, from a line of the table or an entry of a price file.

use super::Facts;
use crate::domain::{BatchPrices, Money, Prices, Tier, TokenPrice, UnitPrices};
use serde_json::{Map, Value};

/// Tokens are priced by the million in the table.
const MILLION: f64 = 1_000_000.0;

/// How long a prompt must be for prices of its own, in the names of a price file, shortest first.
pub(super) const TIERS: [(&str, u64); 4] =
    [("128k", 128_000), ("200k", 200_000), ("256k", 256_000), ("272k", 272_000)];

/// Reads a line: name, provider, mode, two limits, nine prices of tokens, five of other units, two of tokens of
/// images, and those of a long prompt.
pub(super) fn of_line(line: &str) -> Facts {
    let cells: Vec<&str> = line.split('\t').collect();
    let text = |at: usize| cells.get(at).copied().filter(|cell| !cell.is_empty());
    let count = |at| text(at)?.parse().ok();
    let dollars = |at| text(at)?.parse::<f64>().ok();
    let token = |at| TokenPrice::from_dollars(dollars(at)? / MILLION);
    let unit = |at| Money::from_dollars(dollars(at)?);
    let tier = count(21).map(|above| Tier {
        above,
        input: token(22),
        output: token(23),
        cache_read: token(24),
        cache_write: token(25),
    });
    Facts {
        provider: text(1).map(str::to_owned),
        mode: text(2).map(str::to_owned),
        max_input_tokens: count(3),
        max_output_tokens: count(4),
        prices: known(Named {
            input: token(5),
            output: token(6),
            batch: (token(12), token(13)),
            rest: Prices {
                cache_read: token(7),
                cache_write: token(8),
                reasoning: token(9),
                audio_input: token(10),
                audio_output: token(11),
                image_input: token(19),
                image_output: token(20),
                units: UnitPrices {
                    image: unit(14),
                    second: unit(15),
                    character: unit(16),
                    query: unit(17),
                    spoken_second: unit(18),
                },
                tiers: [tier, None, None],
                ..Prices::default()
            },
        }),
    }
}

/// Reads an entry of a price file; `None` if a price of it is none.
pub(super) fn of_json(entry: &Map<String, Value>) -> Option<Facts> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let count = |key: &str| entry.get(key).and_then(Value::as_u64);
    let fits = |key: &str| {
        entry.get(key).and_then(Value::as_f64).is_none_or(|price| TokenPrice::from_dollars(price).is_some())
    };
    if !entry.keys().filter(|key| key.contains("_cost_per_") || key.ends_with("_cost")).all(|key| fits(key)) {
        return None;
    }
    let number = |key: &str| entry.get(key)?.as_f64();
    Some(Facts {
        provider: None,
        mode: text("mode"),
        max_input_tokens: count("max_input_tokens").or_else(|| count("max_tokens")),
        max_output_tokens: count("max_output_tokens"),
        prices: named(&mut |key| number(key)),
    })
}

/// Prices by their names in LiteLLM's files, in US dollars; `None` if there is none.
pub fn named(dollars: &mut dyn FnMut(&str) -> Option<f64>) -> Option<Prices> {
    let mut token = |key: &str| TokenPrice::from_dollars(dollars(key)?);
    let mut tiers = TIERS.iter().filter_map(|(word, above)| {
        let mut at = |key: &str| token(&format!("{key}_above_{word}_tokens"));
        let (input, output) = (at("input_cost_per_token"), at("output_cost_per_token"));
        let (cache_read, cache_write) =
            (at("cache_read_input_token_cost"), at("cache_creation_input_token_cost"));
        let is_any = [input, output, cache_read, cache_write].iter().any(Option::is_some);
        is_any.then_some(Tier { above: *above, input, output, cache_read, cache_write })
    });
    let tiers = [tiers.next(), tiers.next(), tiers.next()];
    let batch = (token("input_cost_per_token_batches"), token("output_cost_per_token_batches"));
    let (input, output) = (token("input_cost_per_token"), token("output_cost_per_token"));
    let rest = Prices {
        cache_read: token("cache_read_input_token_cost"),
        cache_write: token("cache_creation_input_token_cost"),
        reasoning: token("output_cost_per_reasoning_token"),
        audio_input: token("input_cost_per_audio_token"),
        audio_output: token("output_cost_per_audio_token"),
        image_input: token("input_cost_per_image_token"),
        image_output: token("output_cost_per_image_token"),
        tiers,
        ..Prices::default()
    };
    let mut unit = |key: &str| Money::from_dollars(dollars(key)?);
    let units = UnitPrices {
        image: unit("output_cost_per_image").or_else(|| unit("input_cost_per_image")),
        second: unit("input_cost_per_second"),
        spoken_second: unit("output_cost_per_second"),
        character: unit("input_cost_per_character"),
        query: unit("input_cost_per_query"),
    };
    known(Named { input, output, batch, rest: Prices { units, ..rest } })
}

struct Named {
    input: Option<TokenPrice>,
    output: Option<TokenPrice>,
    batch: (Option<TokenPrice>, Option<TokenPrice>),
    rest: Prices,
}

/// Prices of which at least one is known; what embeds or ranks has no price for its answer, and what is billed by
/// the second none for its tokens.
fn known(named: Named) -> Option<Prices> {
    let Named { input, output, batch, rest } = named;
    let plain = |price: Option<TokenPrice>| price.unwrap_or(TokenPrice::ZERO);
    let is_known = input.is_some() || output.is_some() || rest.units != UnitPrices::default();
    let batch = match batch {
        (None, None) => None,
        (input, output) => Some(BatchPrices { input: plain(input), output: plain(output) }),
    };
    is_known.then(|| Prices { input: plain(input), output: plain(output), batch, ..rest })
}
