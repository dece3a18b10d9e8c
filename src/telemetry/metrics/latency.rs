//! How long answered calls took.

use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::series::Histogram;
use super::tally::{Counted, Observed, SPANS};
use crate::telemetry::spans::Spans;
use prometheus::Error;

/// LiteLLM's latency buckets.
const LATENCY: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 420.0, 600.0];
/// The Python client's default buckets.
const PYTHON: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const FIRST_TOKEN: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const PER_TOKEN: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

const CALL: &[L] = &[
    L::EndUser,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::RequestedModel,
    L::Team,
    L::TeamAlias,
    L::User,
    L::Model,
    L::ModelId,
    L::OrgId,
    L::OrgAlias,
];

/// The labels of what concerns a deployment and a key.
pub(super) const GROUP: &[L] = &[
    L::ModelGroup,
    L::ApiProvider,
    L::ApiBase,
    L::LitellmModelName,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::ModelId,
];

const DEPLOYMENT: &[L] = &[
    L::LitellmModelName,
    L::ModelId,
    L::ApiBase,
    L::ApiProvider,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::Team,
    L::TeamAlias,
    L::OrgId,
    L::OrgAlias,
];

const CUSTOM: &[L] = &[L::PrefixedModel, L::ModelGroup, L::ApiProvider];

/// Families about durations, all in seconds and of fully answered calls.
pub(super) struct Latency {
    /// The whole call.
    request: Family<Histogram>,
    /// The answering attempt.
    upstream: Family<Histogram>,
    /// From the upstream call to the first output (streams).
    first_token: Family<Histogram>,
    /// From arrival to the first upstream call.
    queue: Family<Histogram>,
    /// The whole call without its upstream calls.
    overhead: Family<Histogram>,
    /// The answering attempt by completion tokens.
    per_output_token: Family<Histogram>,
    /// As `first_token`, with few labels.
    custom_ttft: Family<Histogram>,
    /// The whole call by completion tokens.
    custom_tpot: Family<Histogram>,
    /// From the first output to the end, by the tokens after the first (streams).
    custom_itl: Family<Histogram>,
}

/// One call's series; what only streams have is missing elsewhere.
pub(super) struct LatencyHandles([Option<Histogram>; SPANS]);

impl Latency {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            request: to.histogram(
                "litellm_request_total_latency_metric",
                "Whole call, seconds",
                CALL,
                LATENCY,
            )?,
            upstream: to.histogram(
                "litellm_llm_api_latency_metric",
                "Upstream call, seconds",
                CALL,
                LATENCY,
            )?,
            first_token: to.histogram(
                "litellm_llm_api_time_to_first_token_metric",
                "From the upstream call to the first output, seconds (streams)",
                CALL,
                LATENCY,
            )?,
            queue: to.histogram(
                "litellm_request_queue_time_seconds",
                "From arrival to the first upstream call, seconds",
                CALL,
                LATENCY,
            )?,
            overhead: to.histogram(
                "litellm_overhead_latency_metric",
                "Whole call without its upstream calls, seconds",
                GROUP,
                LATENCY,
            )?,
            per_output_token: to.histogram(
                "litellm_deployment_latency_per_output_token",
                "Upstream call by completion tokens, seconds",
                DEPLOYMENT,
                PYTHON,
            )?,
            custom_ttft: to.histogram(
                "litellm_custom_ttft_seconds",
                "Time to first token in seconds (streams)",
                CUSTOM,
                FIRST_TOKEN,
            )?,
            custom_tpot: to.histogram(
                "litellm_custom_tpot_seconds",
                "Time per output token in seconds",
                CUSTOM,
                PER_TOKEN,
            )?,
            custom_itl: to.histogram(
                "litellm_custom_itl_seconds",
                "Time between output tokens in seconds (streams)",
                CUSTOM,
                PER_TOKEN,
            )?,
        })
    }

    pub(super) fn resolve(&self, labels: &LabelSet<'_>, stream: bool) -> LatencyHandles {
        let of_stream = |family: &Family<Histogram>| stream.then(|| family.get(labels));
        LatencyHandles([
            Some(self.request.get(labels)),
            Some(self.upstream.get(labels)),
            Some(self.queue.get(labels)),
            Some(self.overhead.get(labels)),
            Some(self.per_output_token.get(labels)),
            Some(self.custom_tpot.get(labels)),
            of_stream(&self.first_token),
            of_stream(&self.custom_ttft),
            of_stream(&self.custom_itl),
        ])
    }
}

/// What is observed of a call with these times.
pub(super) const fn observed(spans: &Spans) -> Observed {
    [
        (Some(spans.total), LATENCY),
        (spans.upstream, LATENCY),
        (spans.queue, LATENCY),
        (spans.overhead, LATENCY),
        (spans.upstream_per_token, PYTHON),
        (spans.tpot, PER_TOKEN),
        (spans.ttft, LATENCY),
        (spans.ttft, FIRST_TOKEN),
        (spans.itl, PER_TOKEN),
    ]
}

impl LatencyHandles {
    pub(super) fn observe(&self, spans: &Spans) {
        for (series, (span, _)) in self.0.iter().zip(observed(spans)) {
            if let (Some(series), Some(span)) = (series, span) {
                series.observe(span);
            }
        }
    }

    /// Counts what a tally has counted.
    pub(super) fn add(&self, counted: &Counted) {
        for (span, series) in self.0.iter().enumerate() {
            if let Some(series) = series {
                let (counts, sum) = counted.of(span);
                series.add(counts, sum);
            }
        }
    }
}
