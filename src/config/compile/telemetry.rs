//! What is exposed to Prometheus, and what is sent elsewhere.

use super::super::field::{Field, Report, Section};
use super::super::resolve::joined;
use super::super::tree::{Node, Value};
use super::super::{Env, TelemetryConfig, did_you_mean};
use super::{Sections, sinks};
use crate::telemetry::{Metrics, Selection};

type Known = [(&'static str, Vec<&'static str>)];

pub(super) fn compile(sections: &Sections<'_>, env: &Env, report: &mut Report) -> TelemetryConfig {
    let litellm = &sections.litellm;
    let end_users = litellm.field("enable_end_user_cost_tracking_prometheus_only");
    let passes_on = litellm.field("forward_traceparent_to_llm_provider");
    TelemetryConfig {
        selection: litellm
            .field("prometheus_metrics_config")
            .map(|field| selection(&field, report))
            .unwrap_or_default(),
        end_users: end_users.and_then(|field| field.bool(report)).unwrap_or_default(),
        otel: sinks::otel(sections, env, report),
        langfuse: sinks::langfuse(sections, env, report),
        passes_traces_on: passes_on.and_then(|field| field.bool(report)),
    }
}

fn selection(field: &Field<'_>, report: &mut Report) -> Selection {
    let Value::List(groups) = &field.node().value else {
        report.fault(field.place(), "wants a list of groups, each with its \"metrics\"");
        return Selection::default();
    };
    let known = Metrics::selectable();
    let mut families = Vec::new();
    for (at, node) in groups.iter().enumerate() {
        let path = format!("{}[{at}]", field.path());
        families.extend(group(node, path, &known, report));
    }
    Selection::of(families)
}

fn group(
    node: &Node,
    path: String,
    known: &Known,
    report: &mut Report,
) -> Vec<(String, Option<Vec<String>>)> {
    if !matches!(node.value, Value::Map(_)) {
        report.fault(node.mark.place(&path), "wants a mapping with \"metrics\"");
        return Vec::new();
    }
    for entry in node.entries().iter().filter(|entry| !GROUP.contains(&entry.key.as_str())) {
        let meant =
            did_you_mean(&entry.key, GROUP).map(|m| format!("; did you mean \"{m}\"?")).unwrap_or_default();
        report.warn(entry.mark.place(&joined(&path, &entry.key)), format!("no such key of a group{meant}"));
    }
    let section = Section::new(node, path);
    let labels = section.field("include_labels").map(|field| (field.texts(report), field));
    let Some(metrics) = section.field("metrics") else { return Vec::new() };
    let names = metrics.texts(report);
    let mut allowed: Vec<&str> = Vec::new();
    for name in &names {
        let bare = name.strip_suffix("_total").unwrap_or(name);
        match known.iter().find(|(family, _)| *family == bare) {
            Some((_, labels)) => allowed.extend(labels),
            None => {
                report.warn(metrics.place(), unknown(bare, "metric", known.iter().map(|(family, _)| *family)))
            }
        }
    }
    if let Some((labels, field)) = &labels {
        for label in labels.iter().filter(|label| !allowed.contains(&label.as_str())) {
            report.warn(field.place(), unknown(label, "label of these metrics", allowed.iter().copied()));
        }
    }
    names.into_iter().map(|name| (name, labels.as_ref().map(|(labels, _)| labels.clone()))).collect()
}

const GROUP: [&str; 3] = ["group", "metrics", "include_labels"];

fn unknown<'a>(name: &str, what: &str, known: impl Iterator<Item = &'a str>) -> String {
    let meant = did_you_mean(name, known).map(|meant| format!("; did you mean \"{meant}\"?"));
    format!("\"{name}\" is no {what} that is served{}", meant.unwrap_or_default())
}
