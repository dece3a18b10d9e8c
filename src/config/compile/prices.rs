//! What a deployment costs, from `litellm_params` or `model_info`.

use super::super::field::{Field, Report, Section};
use crate::domain::{Prices, TokenPrice};
use crate::providers::catalog;

/// The prices; `None` if nobody named one.
pub(super) fn compile(params: &Section<'_>, info: &Section<'_>, report: &mut Report) -> Option<Prices> {
    let field = |key: &str| params.field(key).or_else(|| info.field(key));
    let prices = catalog::row::named(&mut |key| field(key).and_then(|found| price(&found, report)))?;
    match (field("input_cost_per_token"), field("output_cost_per_token")) {
        (Some(input), None) => warn_missing(&input, "output", report),
        (None, Some(output)) => warn_missing(&output, "input", report),
        _ => {}
    }
    Some(prices)
}

fn warn_missing(present: &Field<'_>, missing: &str, report: &mut Report) {
    report.warn(present.place(), format!("no {missing} price: those tokens are billed 0"));
}

fn price(field: &Field<'_>, report: &mut Report) -> Option<f64> {
    let dollars = field.number(report)?;
    if TokenPrice::from_dollars(dollars).is_none() {
        report.fault(field.place(), "wants US dollars, from 0 to 1000");
        return None;
    }
    Some(dollars)
}
