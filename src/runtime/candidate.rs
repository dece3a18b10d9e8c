//! A deployment as strategies know it beforehand.

use crate::domain::Prices;
use crate::routing::{Candidate, strategies};
use crate::upstream::Deployment;

/// What strategies may know of a deployment beforehand.
pub(super) fn candidate(deployment: &Deployment) -> Candidate {
    let target = &deployment.target;
    let price = |prices: &Prices| {
        u64::try_from(prices.input.pico().saturating_add(prices.output.pico())).unwrap_or_default()
    };
    Candidate {
        id: strategies::hash(target.id.as_str().as_bytes()),
        weight: target.weights.weight,
        rpm: target.weights.rpm,
        tpm: target.weights.tpm,
        order: target.order,
        price: target.info.prices.as_ref().map(price),
    }
}
