//! How long answered calls took.

use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::series::Histogram;
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

/// One call's series.
pub(super) struct LatencyHandles {
    request: Histogram,
    upstream: Histogram,
    queue: Histogram,
    overhead: Histogram,
    per_output_token: Histogram,
    custom_tpot: Histogram,
    stream: Option<StreamHandles>,
}

struct StreamHandles {
    first_token: Histogram,
    custom_ttft: Histogram,
    custom_itl: Histogram,
}

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
        LatencyHandles {
            request: self.request.get(labels),
            upstream: self.upstream.get(labels),
            queue: self.queue.get(labels),
            overhead: self.overhead.get(labels),
            per_output_token: self.per_output_token.get(labels),
            custom_tpot: self.custom_tpot.get(labels),
            stream: stream.then(|| StreamHandles {
                first_token: self.first_token.get(labels),
                custom_ttft: self.custom_ttft.get(labels),
                custom_itl: self.custom_itl.get(labels),
            }),
        }
    }
}

impl LatencyHandles {
    pub(super) fn observe(&self, spans: &Spans) {
        self.request.observe(spans.total);
        observe(&self.upstream, spans.upstream);
        observe(&self.queue, spans.queue);
        observe(&self.overhead, spans.overhead);
        observe(&self.per_output_token, spans.upstream_per_token);
        observe(&self.custom_tpot, spans.tpot);
        if let Some(stream) = &self.stream {
            observe(&stream.first_token, spans.ttft);
            observe(&stream.custom_ttft, spans.ttft);
            observe(&stream.custom_itl, spans.itl);
        }
    }
}

fn observe(series: &Histogram, span: Option<f64>) {
    if let Some(span) = span {
        series.observe(span);
    }
}
