//! Tokens and money.

use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::series::{Count, Sum};
use super::tally::Counted;
use crate::domain::{Usage, UsageRecord};
use prometheus::Error;
use smallvec::SmallVec;

/// The labels of answered calls and of their cost.
pub(super) const SERVED: &[L] = &[
    L::EndUser,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::Model,
    L::Team,
    L::TeamAlias,
    L::User,
    L::UserEmail,
    L::ClientIp,
    L::UserAgent,
    L::ModelId,
    L::ApiProvider,
    L::OrgId,
    L::OrgAlias,
];

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
    spend: Family<Sum>,
    /// Prompt and completion tokens together.
    total: Family<Count>,
    /// Prompt tokens.
    input: Family<Count>,
    /// Completion tokens.
    output: Family<Count>,
    /// In the order of [`DETAILS`].
    details: Vec<Family<Count>>,
}

/// Counts one kind of a call's tokens.
type Amount = fn(&Usage) -> u64;

/// The kinds of tokens that few calls have: a series is made when a call has some.
pub(super) const DETAILS: [(&str, &str, Amount); 5] = [
    (
        "litellm_input_cached_tokens_metric_total",
        "Prompt tokens that the provider had in its cache",
        |usage| usage.cached,
    ),
    (
        "litellm_input_cache_creation_tokens_metric_total",
        "Prompt tokens that the provider put into its cache",
        |usage| usage.cache_write,
    ),
    ("litellm_output_reasoning_tokens_metric_total", "Completion tokens of reasoning", |usage| {
        usage.reasoning
    }),
    ("litellm_input_audio_tokens_metric_total", "Prompt tokens of audio", |usage| usage.audio_prompt),
    ("litellm_output_audio_tokens_metric_total", "Completion tokens of audio", |usage| {
        usage.audio_completion
    }),
];

/// Which of [`DETAILS`] a call has, a bit each.
pub(super) fn details(usage: &Usage) -> u8 {
    DETAILS.iter().rev().fold(0, |bits, (_, _, count)| bits << 1 | u8::from(count(usage) > 0))
}

/// One call's series.
pub(super) struct TokenHandles {
    details: SmallVec<[(Amount, Count); 2]>,
    spend: Sum,
    total: Count,
    input: Count,
    output: Count,
}

impl Tokens {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            spend: to.family("litellm_spend_metric_total", "Spend in US dollars", SERVED)?,
            total: to.family("litellm_total_tokens_metric_total", "Prompt and completion tokens", TOKENS)?,
            input: to.family("litellm_input_tokens_metric_total", "Prompt tokens", TOKENS)?,
            output: to.family("litellm_output_tokens_metric_total", "Completion tokens", TOKENS)?,
            details: DETAILS
                .iter()
                .map(|(name, help, _)| to.family(name, help, TOKENS))
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn resolve(&self, labels: &LabelSet<'_>, details: u8) -> TokenHandles {
        let some = self.details.iter().zip(DETAILS).enumerate().filter(|(bit, _)| details >> bit & 1 == 1);
        TokenHandles {
            spend: self.spend.get(labels),
            total: self.total.get(labels),
            input: self.input.get(labels),
            output: self.output.get(labels),
            details: some.map(|(_, (family, (_, _, count)))| (count, family.get(labels))).collect(),
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
        self.count_details(record);
    }

    /// Counts the kinds of tokens that few calls have.
    pub(super) fn count_details(&self, record: &UsageRecord) {
        for (count, series) in &self.details {
            series.inc_by(count(&record.usage));
        }
    }

    /// Counts what a tally has counted; it leaves out the details.
    pub(super) fn add(&self, counted: &Counted) {
        self.spend.inc_by(counted.spend);
        self.total.inc_by(counted.prompt.wrapping_add(counted.completion));
        self.input.inc_by(counted.prompt);
        self.output.inc_by(counted.completion);
    }
}
