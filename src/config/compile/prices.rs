//! What a deployment's tokens cost, from `litellm_params` or `model_info`.

use super::super::field::{Field, Report, Section};
use crate::domain::{Prices, TokenPrice};

/// The prices; `None` if nobody named one.
pub(super) fn compile(params: &Section<'_>, info: &Section<'_>, report: &mut Report) -> Option<Prices> {
    let field = |key: &str| params.field(key).or_else(|| info.field(key));
    let mut read = |key: &str| field(key).and_then(|f| price(&f, report));
    let (input, output) = (read("input_cost_per_token"), read("output_cost_per_token"));
    let cache_read = read("cache_read_input_token_cost");
    let cache_write = read("cache_creation_input_token_cost");
    let reasoning = read("output_cost_per_reasoning_token");
    let audio_input = read("input_cost_per_audio_token");
    let audio_output = read("output_cost_per_audio_token");
    let (input, output) = match (input, output) {
        (None, None) => return None,
        (Some(input), Some(output)) => (input, output),
        (Some(input), None) => {
            warn_missing(field("input_cost_per_token").as_ref(), "output", report);
            (input, TokenPrice::ZERO)
        }
        (None, Some(output)) => {
            warn_missing(field("output_cost_per_token").as_ref(), "input", report);
            (TokenPrice::ZERO, output)
        }
    };
    Some(Prices { input, output, cache_read, cache_write, reasoning, audio_input, audio_output })
}

fn warn_missing(present: Option<&Field<'_>>, missing: &str, report: &mut Report) {
    if let Some(field) = present {
        report.warn(field.place(), format!("no {missing} price: those tokens are billed 0"));
    }
}

fn price(field: &Field<'_>, report: &mut Report) -> Option<TokenPrice> {
    let dollars = field.number(report)?;
    let price = TokenPrice::from_dollars(dollars);
    if price.is_none() {
        report.fault(field.place(), "wants US dollars per token, from 0 to 1000");
    }
    price
}
