//! One model's facts, from a line of the table or an entry of a price file.

use super::{Facts, Units};
use crate::domain::{Money, Prices, TokenPrice};
use serde_json::{Map, Value};

/// Tokens are priced by the million in the table.
const MILLION: f64 = 1_000_000.0;

/// Reads a line: name, provider, mode, two limits, nine prices of tokens, four of other units.
pub(super) fn of_line(line: &str) -> Facts {
    let cells: Vec<&str> = line.split('\t').collect();
    let text = |at: usize| cells.get(at).copied().filter(|cell| !cell.is_empty());
    let count = |at| text(at)?.parse().ok();
    let dollars = |at| text(at)?.parse::<f64>().ok();
    let token = |at| TokenPrice::from_dollars(dollars(at)? / MILLION);
    let unit = |at| Money::from_dollars(dollars(at)?);
    Facts {
        provider: text(1).map(str::to_owned),
        mode: text(2).map(str::to_owned),
        max_input_tokens: count(3),
        max_output_tokens: count(4),
        prices: prices(token(5), token(6)).map(|plain| Prices {
            cache_read: token(7),
            cache_write: token(8),
            reasoning: token(9),
            audio_input: token(10),
            audio_output: token(11),
            ..plain
        }),
        batch: prices(token(12), token(13)),
        units: Units { image: unit(14), second: unit(15), character: unit(16), query: unit(17) },
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
    let token = |key: &str| TokenPrice::from_dollars(entry.get(key)?.as_f64()?);
    let unit = |key: &str| Money::from_dollars(entry.get(key)?.as_f64()?);
    Some(Facts {
        provider: None,
        mode: text("mode"),
        max_input_tokens: count("max_input_tokens").or_else(|| count("max_tokens")),
        max_output_tokens: count("max_output_tokens"),
        prices: prices(token("input_cost_per_token"), token("output_cost_per_token")).map(|plain| Prices {
            cache_read: token("cache_read_input_token_cost"),
            cache_write: token("cache_creation_input_token_cost"),
            reasoning: token("output_cost_per_reasoning_token"),
            audio_input: token("input_cost_per_audio_token"),
            audio_output: token("output_cost_per_audio_token"),
            ..plain
        }),
        batch: prices(token("input_cost_per_token_batches"), token("output_cost_per_token_batches")),
        units: Units {
            image: unit("output_cost_per_image").or_else(|| unit("input_cost_per_image")),
            second: unit("input_cost_per_second"),
            character: unit("input_cost_per_character"),
            query: unit("input_cost_per_query"),
        },
    })
}

/// Prices of which at least one is known; what embeds or ranks has no price for its answer.
fn prices(input: Option<TokenPrice>, output: Option<TokenPrice>) -> Option<Prices> {
    (input.is_some() || output.is_some()).then(|| Prices {
        input: input.unwrap_or(TokenPrice::ZERO),
        output: output.unwrap_or(TokenPrice::ZERO),
        ..Prices::default()
    })
}
