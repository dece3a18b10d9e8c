//! OpenTelemetry's two metrics of generative AI: how long calls take, and how many tokens they use.
//!
//! They are kept apart from what Prometheus scrapes, and only if they are sent somewhere.

use super::call::requested_model;
use super::family::{Budget, Builder, Family};
use super::label::{Label as L, LabelSet, NONE};
use super::names::Names;
use super::select::Selection;
use super::series::Histogram;
use crate::domain::{EndpointKind, UsageRecord};
use prometheus::{Error, IntCounter, Registry};
use std::time::SystemTime;

/// Label sets that both may have together.
const MOST: usize = 2000;

/// The bounds that the convention asks for: seconds.
const SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Tokens.
const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

const DURATION: &[L] = &[L::Kind, L::ApiProvider, L::RequestedModel, L::Model, L::ExceptionClass];
const USAGE: &[L] = &[L::Kind, L::ApiProvider, L::RequestedModel, L::Model, L::Source];

/// What a label of ours is called there.
const ATTRIBUTES: [(L, &str); 6] = [
    (L::Kind, "gen_ai.operation.name"),
    (L::ApiProvider, "gen_ai.provider.name"),
    (L::RequestedModel, "gen_ai.request.model"),
    (L::Model, "gen_ai.response.model"),
    (L::ExceptionClass, "error.type"),
    (L::Source, "gen_ai.token.type"),
];

/// Both metrics.
pub(super) struct GenAi {
    registry: Registry,
    duration: Family<Histogram>,
    usage: Family<Histogram>,
    since: SystemTime,
}

/// One histogram of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Which metric: duration in seconds, or tokens.
    pub is_duration: bool,
    /// Its attributes.
    pub attributes: Vec<(&'static str, String)>,
    /// The upper bounds of the buckets but the last, which has none.
    pub bounds: Vec<f64>,
    /// What fell into each bucket.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

/// OpenTelemetry's word for what is asked.
pub(in crate::telemetry) const fn operation(kind: EndpointKind) -> &'static str {
    match kind {
        EndpointKind::ChatCompletions | EndpointKind::Messages | EndpointKind::Responses => "chat",
        EndpointKind::GenerateContent | EndpointKind::StreamContent => "generate_content",
        EndpointKind::Completions => "text_completion",
        EndpointKind::Embeddings => "embeddings",
        EndpointKind::CountTokens | EndpointKind::CountContent => "count_tokens",
        EndpointKind::Speech => "speech",
        EndpointKind::Transcriptions => "transcription",
        EndpointKind::Translations => "translation",
        EndpointKind::ImageGenerations | EndpointKind::ImageEdits | EndpointKind::ImageVariations => "image",
        EndpointKind::Moderations => "moderation",
        EndpointKind::Rerank => "rerank",
        EndpointKind::Files => "files",
        EndpointKind::Batches => "batches",
        EndpointKind::PassThrough => "pass_through",
        EndpointKind::Search => "search",
        EndpointKind::Realtime => "realtime",
    }
}

impl GenAi {
    /// Counting from `since`.
    pub(super) fn new(since: SystemTime) -> Result<Self, Error> {
        let refused = IntCounter::new("refused", "Label sets without room")?;
        let mut to = Builder::new(Budget::new(MOST, refused), Selection::default());
        let duration = to.histogram("duration", "Whole calls", DURATION, SECONDS)?;
        let usage = to.histogram("usage", "Tokens of calls", USAGE, TOKENS)?;
        Ok(Self { registry: to.registry, duration, usage, since })
    }

    /// Since when it counts.
    pub(super) const fn since(&self) -> SystemTime {
        self.since
    }

    pub(super) fn observe(&self, record: &UsageRecord, names: &Names) {
        let target = record.target.as_ref().and_then(|id| names.labels(id));
        let labels = LabelSet::new()
            .with(L::Kind, operation(record.endpoint))
            .with(L::RequestedModel, requested_model(record, names))
            .with(L::ApiProvider, target.map_or(NONE, |target| &*target.api_provider))
            .with(L::Model, target.map_or(NONE, |target| &*target.litellm_model_name))
            .with(L::ExceptionClass, record.outcome.words().1.unwrap_or(NONE));
        self.duration.get(&labels).observe(record.timings.end.as_secs_f64());
        for (kind, tokens) in [("input", record.usage.prompt), ("output", record.usage.completion)] {
            if tokens > 0 {
                self.usage.get(&labels.clone().with(L::Source, kind)).observe(count(tokens));
            }
        }
    }

    /// Everything that was counted.
    pub(super) fn points(&self) -> Vec<Point> {
        let families = self.registry.gather();
        let all =
            families.iter().flat_map(|family| family.get_metric().iter().map(move |m| (family.name(), m)));
        all.map(|(name, metric)| {
            let histogram = metric.get_histogram();
            let pairs = metric.get_label().iter().filter(|pair| pair.value() != NONE);
            let named = |pair: &prometheus::proto::LabelPair| {
                let (_, name) = ATTRIBUTES.iter().find(|(label, _)| label.name() == pair.name())?;
                Some((*name, pair.value().to_owned()))
            };
            let mut below = 0;
            let mut counts: Vec<u64> = Vec::with_capacity(histogram.get_bucket().len() + 1);
            for bucket in histogram.get_bucket() {
                counts.push(bucket.cumulative_count().saturating_sub(below));
                below = bucket.cumulative_count();
            }
            counts.push(histogram.get_sample_count().saturating_sub(below));
            Point {
                is_duration: name == "duration",
                attributes: pairs.filter_map(named).collect(),
                bounds: histogram.get_bucket().iter().map(|bucket| bucket.upper_bound()).collect(),
                counts,
                sum: histogram.get_sample_sum(),
            }
        })
        .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a token count is far below 2^52")]
const fn count(tokens: u64) -> f64 {
    tokens as f64
}
