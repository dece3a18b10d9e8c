//! Tokens and money.

use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::requests::SERVED;
use crate::domain::UsageRecord;
use prometheus::{Counter, Error, IntCounter};

const TOKENS: &[L] = &[
    L::EndUser,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::Model,
    L::Team,
    L::TeamAlias,
    L::User,
    L::UserEmail,
    L::RequestedModel,
    L::ModelId,
    L::OrgId,
    L::OrgAlias,
];

/// Families about tokens and money. They count whatever was produced, also for clients that left and
/// answers that broke off: it is paid for.
pub(super) struct Tokens {
    /// US dollars.
    spend: Family<Counter>,
    /// Prompt and completion tokens together.
    total: Family<IntCounter>,
    /// Prompt tokens.
    input: Family<IntCounter>,
    /// Completion tokens.
    output: Family<IntCounter>,
}

/// One call's series.
pub(super) struct TokenHandles {
    spend: Counter,
    total: IntCounter,
    input: IntCounter,
    output: IntCounter,
}

impl Tokens {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            spend: to.family("litellm_spend_metric_total", "Spend in US dollars", SERVED)?,
            total: to.family("litellm_total_tokens_metric_total", "Prompt and completion tokens", TOKENS)?,
            input: to.family("litellm_input_tokens_metric_total", "Prompt tokens", TOKENS)?,
            output: to.family("litellm_output_tokens_metric_total", "Completion tokens", TOKENS)?,
        })
    }

    pub(super) fn resolve(&self, labels: &LabelSet<'_>) -> TokenHandles {
        TokenHandles {
            spend: self.spend.get(labels),
            total: self.total.get(labels),
            input: self.input.get(labels),
            output: self.output.get(labels),
        }
    }
}

impl TokenHandles {
    pub(super) fn count(&self, record: &UsageRecord) {
        // A counter must not go down, whatever a price table says.
        self.spend.inc_by(record.cost.dollars().max(0.0));
        self.total.inc_by(record.usage.total());
        self.input.inc_by(record.usage.prompt);
        self.output.inc_by(record.usage.completion);
    }
}
