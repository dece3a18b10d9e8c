//! The text format 0.0.4.
//!
//! Written here rather than by the prometheus crate's encoder, which leaves out empty families, cannot
//! write `untyped`, and writes `le="1"` where LiteLLM has `le="1.0"` (alerts and SLOs match on that).

use super::family::Header;
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Families that are exposed a second time without `_total`, the name existing dashboards ask for.
const TWINS: [&str; 5] = [
    "litellm_proxy_total_requests_metric_total",
    "litellm_spend_metric_total",
    "litellm_input_tokens_metric_total",
    "litellm_output_tokens_metric_total",
    "litellm_deployment_cooled_down_total",
];

/// Writes the gathered families, and a header for each that is still empty.
pub(super) fn render(gathered: &[MetricFamily], headers: &[Header]) -> String {
    let empty = headers.iter().map(|header| (header.name, (header.help, header.kind, [].as_slice())));
    let full = gathered
        .iter()
        .map(|family| (family.name(), (family.help(), family.get_field_type(), family.get_metric())));
    let families: BTreeMap<&str, (&str, MetricType, &[Metric])> = empty.chain(full).collect();
    let mut text = String::with_capacity(64 * 1024);
    for (name, (help, kind, metrics)) in families {
        let word = match kind {
            MetricType::COUNTER => "counter",
            MetricType::HISTOGRAM => "histogram",
            _ => "gauge",
        };
        write_family(&mut text, name, help, word, metrics);
        if TWINS.contains(&name)
            && let Some(bare) = name.strip_suffix("_total")
        {
            write_family(&mut text, bare, help, "untyped", metrics);
        }
    }
    text
}

fn write_family(text: &mut String, name: &str, help: &str, kind: &str, metrics: &[Metric]) {
    header(text, name, help, kind);
    for metric in metrics {
        if kind == "histogram" {
            write_histogram(text, name, metric);
        } else {
            let value = if kind == "gauge" {
                metric.get_gauge().get_value()
            } else {
                metric.get_counter().get_value()
            };
            sample(text, (name, ""), metric.get_label(), None, value);
        }
    }
}

/// Writes the two lines above a family.
pub(super) fn header(text: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[expect(clippy::cast_precision_loss, reason = "the format has floats only")]
fn write_histogram(text: &mut String, name: &str, metric: &Metric) {
    let (labels, histogram) = (metric.get_label(), metric.get_histogram());
    for bucket in histogram.get_bucket() {
        let bound = format!("{:?}", bucket.upper_bound());
        sample(text, (name, "_bucket"), labels, Some(&bound), bucket.cumulative_count() as f64);
    }
    let count = histogram.get_sample_count() as f64;
    sample(text, (name, "_bucket"), labels, Some("+Inf"), count);
    sample(text, (name, "_sum"), labels, None, histogram.get_sample_sum());
    sample(text, (name, "_count"), labels, None, count);
}

fn sample(text: &mut String, name: (&str, &str), labels: &[LabelPair], bound: Option<&str>, value: f64) {
    text.push_str(name.0);
    text.push_str(name.1);
    let mut separator = '{';
    let pairs = labels.iter().map(|pair| (pair.name(), pair.value()));
    for (label, value) in pairs.chain(bound.map(|bound| ("le", bound))) {
        text.push(separator);
        text.push_str(label);
        text.push_str("=\"");
        escape(text, value);
        text.push('"');
        separator = ',';
    }
    if separator == ',' {
        text.push('}');
    }
    text.push(' ');
    number(text, value);
    text.push('\n');
}

fn number(text: &mut String, value: f64) {
    if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let _ = write!(text, "{value}");
    }
}

fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}
