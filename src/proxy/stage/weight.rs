//! What an answer used, and so what it costs.

use crate::domain::usage::{estimate_tokens, estimated};
use crate::domain::{Money, Units, Usage, UsageSource};
use crate::metering;
use crate::upstream::Deployment;

/// What an answer used, and who says so.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::proxy) struct Weight {
    pub(in crate::proxy) usage: Usage,
    pub(in crate::proxy) source: UsageSource,
    pub(in crate::proxy) units: Units,
}

impl Weight {
    /// What the upstream counted, or else about what a prompt of so many tokens and so many bytes of an answer are.
    pub(in crate::proxy) fn told(usage: Option<Usage>, prompt: u64, bytes: u64) -> Self {
        usage.map_or_else(
            || Self::from(estimated(prompt, estimate_tokens(bytes))),
            |usage| Self::from((usage, UsageSource::Upstream)),
        )
    }

    /// What it costs at this deployment's prices; zero if it has none.
    pub(in crate::proxy) fn cost(&self, deployment: &Deployment) -> Money {
        let prices = deployment.traits.prices.as_ref();
        prices.map_or(Money::ZERO, |prices| metering::bill(&self.usage, &self.units, prices))
    }
}

/// Tokens alone.
impl From<(Usage, UsageSource)> for Weight {
    fn from((usage, source): (Usage, UsageSource)) -> Self {
        Self { usage, source, units: Units::default() }
    }
}
