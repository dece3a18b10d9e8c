//! What one look at a gateway tells, and what two of them tell about the time between.

use super::samples::{Sample, samples};
use std::collections::BTreeMap;
use std::time::Instant;

/// One look.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    calls: f64,
    failed: f64,
    input: f64,
    output: f64,
    /// US dollars since its start.
    pub(super) dollars: f64,
    cpu: f64,
    first_token: Histogram,
    whole_call: Histogram,
    pub(super) gauges: Gauges,
    /// By `model_id`.
    pub(super) deployments: BTreeMap<String, Deployment>,
}

/// What is so at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    pub(super) version: String,
    pub(super) in_flight: f64,
    /// Calls in the queue, if the gateway has one.
    pub(super) queued: Option<f64>,
    pub(super) waiting_records: f64,
    pub(super) lag_seconds: f64,
    pub(super) lost_records: f64,
    pub(super) resident_bytes: f64,
    /// Seconds since 1970.
    pub(super) started: f64,
}

/// One deployment.
#[derive(Clone, Debug, Default)]
pub(super) struct Deployment {
    pub(super) model: String,
    pub(super) base: String,
    /// 0 healthy, 1 failing, 2 cooling down.
    pub(super) state: f64,
    attempts: f64,
    failures: f64,
    pub(super) cooled: f64,
    pub(super) requests_left: Option<f64>,
    pub(super) tokens_left: Option<f64>,
    pub(super) rpm: Option<f64>,
    pub(super) tpm: Option<f64>,
}

/// Counts at or below each bound, by the bound's text.
#[derive(Clone, Debug, Default)]
struct Histogram(BTreeMap<String, f64>);

/// What happened between two looks, by the second.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    pub(super) calls: f64,
    pub(super) failed: f64,
    pub(super) input: f64,
    pub(super) output: f64,
    /// US dollars an hour.
    pub(super) dollars: f64,
    /// Cores.
    pub(super) cpu: f64,
    /// Median and 95th percentile, seconds; `None` without a stream.
    pub(super) first_token: Option<(f64, f64)>,
    pub(super) whole_call: Option<(f64, f64)>,
    /// Attempts, and failures, by `model_id`.
    pub(super) deployments: BTreeMap<String, (f64, f64)>,
}

impl Reading {
    /// Reads `/metrics`.
    pub(super) fn of(text: &str, at: Instant) -> Self {
        let mut reading = Self {
            at,
            calls: 0.0,
            failed: 0.0,
            input: 0.0,
            output: 0.0,
            dollars: 0.0,
            cpu: 0.0,
            first_token: Histogram::default(),
            whole_call: Histogram::default(),
            gauges: Gauges::default(),
            deployments: BTreeMap::new(),
        };
        samples(text).for_each(|sample| reading.take(&sample));
        reading
    }

    fn take(&mut self, sample: &Sample<'_>) {
        let value = sample.value;
        match sample.name {
            "litellm_proxy_total_requests_metric_total" => self.calls += value,
            "litellm_proxy_failed_requests_metric_total" => self.failed += value,
            "litellm_input_tokens_metric_total" => self.input += value,
            "litellm_output_tokens_metric_total" => self.output += value,
            "litellm_spend_metric_total" => self.dollars += value,
            "process_cpu_seconds_total" => self.cpu = value,
            "litellm_custom_ttft_seconds_bucket" => self.first_token.take(sample),
            "litellm_request_total_latency_metric_bucket" => self.whole_call.take(sample),
            name if name.starts_with("litellm_deployment_") || name.starts_with("litellm_remaining_") => {
                self.take_deployment(sample);
            }
            _ => self.gauges.take(sample),
        }
    }

    fn take_deployment(&mut self, sample: &Sample<'_>) {
        let Some(id) = sample.label("model_id").filter(|id| !matches!(*id, "None" | "other")) else { return };
        let known = self.deployments.entry(id.to_owned()).or_default();
        if let (true, Some(model)) = (known.model.is_empty(), sample.label("litellm_model_name")) {
            model.clone_into(&mut known.model);
            sample.label("api_base").unwrap_or_default().clone_into(&mut known.base);
        }
        let value = sample.value;
        match sample.name {
            "litellm_deployment_state" => known.state = value,
            "litellm_deployment_total_requests_total" => known.attempts += value,
            "litellm_deployment_failure_responses_total" => known.failures += value,
            "litellm_deployment_cooled_down_total" => known.cooled += value,
            "litellm_deployment_rpm_limit" => known.rpm = Some(value),
            "litellm_deployment_tpm_limit" => known.tpm = Some(value),
            "litellm_remaining_requests_metric" => known.requests_left = Some(value),
            "litellm_remaining_tokens_metric" => known.tokens_left = Some(value),
            _ => {}
        }
    }

    /// What happened since an earlier look; a gateway started anew counts from zero.
    pub(super) fn since(&self, earlier: &Self) -> Rates {
        let seconds = (self.at - earlier.at).as_secs_f64().max(0.001);
        let rate = |now: f64, then: f64| grown(now, then) / seconds;
        let deployments = self.deployments.iter().map(|(id, now)| {
            let then = earlier.deployments.get(id).cloned().unwrap_or_default();
            (id.clone(), (rate(now.attempts, then.attempts), rate(now.failures, then.failures)))
        });
        Rates {
            calls: rate(self.calls, earlier.calls),
            failed: rate(self.failed, earlier.failed),
            input: rate(self.input, earlier.input),
            output: rate(self.output, earlier.output),
            dollars: rate(self.dollars, earlier.dollars) * 3600.0,
            cpu: rate(self.cpu, earlier.cpu),
            first_token: self.first_token.quantiles(&earlier.first_token),
            whole_call: self.whole_call.quantiles(&earlier.whole_call),
            deployments: deployments.collect(),
        }
    }
}

impl Gauges {
    fn take(&mut self, sample: &Sample<'_>) {
        let value = sample.value;
        match sample.name {
            "tollgate_build_info" => self.version = sample.label("version").unwrap_or_default().to_owned(),
            "litellm_in_flight_requests" => self.in_flight = value,
            "tollgate_ledger_waiting_records" => self.waiting_records = value,
            "tollgate_ledger_lag_seconds" => self.lag_seconds = value,
            "tollgate_ledger_lost_records" => self.lost_records = value,
            "process_resident_memory_bytes" => self.resident_bytes = value,
            "process_start_time_seconds" => self.started = value,
            "tollgate_queue_depth" | "tollgate_queue_waiting" => {
                *self.queued.get_or_insert_default() += value;
            }
            _ => {}
        }
    }
}

impl Histogram {
    fn take(&mut self, sample: &Sample<'_>) {
        if let Some(bound) = sample.label("le") {
            *self.0.entry(bound.to_owned()).or_default() += sample.value;
        }
    }

    /// The median and the 95th percentile of what came since.
    fn quantiles(&self, earlier: &Self) -> Option<(f64, f64)> {
        let mut bounds: Vec<(f64, f64)> = Vec::new();
        for (bound, now) in &self.0 {
            let then = earlier.0.get(bound).copied().unwrap_or_default();
            bounds.push((bound.parse().unwrap_or(f64::INFINITY), grown(*now, then)));
        }
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total = bounds.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        Some((quantile(&bounds, total * 0.5), quantile(&bounds, total * 0.95)))
    }
}

/// Within its bucket a value is taken to lie as far up as its rank, as Prometheus does.
fn quantile(bounds: &[(f64, f64)], rank: f64) -> f64 {
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in bounds {
        if *count >= rank {
            let share = if *count > below { (rank - below) / (count - below) } else { 1.0 };
            return if bound.is_finite() { low + (bound - low) * share } else { low };
        }
        (low, below) = (*bound, *count);
    }
    low
}

fn grown(now: f64, then: f64) -> f64 {
    if now >= then { now - then } else { now }
}
