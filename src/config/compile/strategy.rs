//! How deployments are chosen: `routing_strategy` with its arguments, and what leaves deployments out.

use super::super::did_you_mean;
use super::super::field::{Field, Report, Section};
use super::super::model::Filters;
use super::Sections;
use crate::routing::strategies::{Args, Choice, Entry, names};

/// The router's own strategy, which groups may replace.
pub(super) fn of_router(router: &Section<'_>, report: &mut Report) -> Choice {
    of(router, Choice::default(), report).unwrap_or_default()
}

/// The strategy that a section names, if it does; what it does not say is as in `usual`.
pub(super) fn of(section: &Section<'_>, usual: Choice, report: &mut Report) -> Option<Choice> {
    let named = section.field("routing_strategy");
    let given = section.field("routing_strategy_args");
    if named.is_none() && given.is_none() {
        return None;
    }
    let entry = named.and_then(|field| entry(&field, report)).unwrap_or(usual.entry);
    let args = given.and_then(|field| field.map(report));
    Some(Choice { entry, args: args.map_or(usual.args, |section| arguments(&section, usual.args, report)) })
}

fn entry(field: &Field<'_>, report: &mut Report) -> Option<&'static Entry> {
    let name = field.text(report)?;
    let found = Entry::named(&name);
    if found.is_none() {
        report.fault(field.place(), format!("\"{}\" is not a strategy", shown(&name)));
        if let Some(last) = report.errors.last_mut() {
            last.suggestion = did_you_mean(&name, names()).map(str::to_owned);
        }
    }
    found
}

/// The names are LiteLLM's, and ours for what it has none for.
fn arguments(section: &Section<'_>, usual: Args, report: &mut Report) -> Args {
    let not_negative = |name: &str, report: &mut Report| {
        let field = section.field(name)?;
        let number = field.number(report)?;
        if number < 0.0 {
            report.fault(field.place(), "wants a number from 0");
        }
        Some(number.max(0.0))
    };
    let window = ["ttl", "rolling_window", "rolling window"].iter().find_map(|name| section.field(name));
    let factor = not_negative("load_factor", report);
    if let (Some(field), Some(..1.0)) = (section.field("load_factor"), factor) {
        report.fault(field.place(), "wants a number from 1: below it some call would fit nowhere");
    }
    Args {
        lowest_latency_buffer: not_negative("lowest_latency_buffer", report)
            .unwrap_or(usual.lowest_latency_buffer),
        ttl: window.and_then(|f| f.seconds(report)).unwrap_or(usual.ttl),
        samples: section
            .field("max_latency_list_size")
            .and_then(|f| f.count(report))
            .unwrap_or(usual.samples),
        load_factor: factor.unwrap_or(usual.load_factor),
        min_load: section.field("min_load").and_then(|f| f.count(report)).unwrap_or(usual.min_load),
    }
}

/// What else decides whether a deployment may be chosen.
pub(super) fn filters(sections: &Sections<'_>, report: &mut Report) -> Filters {
    let truth = |name: &str, report: &mut Report| sections.router.field(name).and_then(|f| f.bool(report));
    Filters {
        tags: truth("enable_tag_filtering", report).unwrap_or_default(),
        any_tag: truth("tag_filtering_match_any", report).unwrap_or(true),
        context: truth("enable_pre_call_checks", report).unwrap_or_default(),
    }
}

/// A word cut to a length that a line of a log can bear.
fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(40).collect()
}
