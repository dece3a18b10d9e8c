//! `search_tools`: what is searched by which name.

use super::super::field::{Report, Section};
use super::super::model::SearchLoop;
use super::super::resolve::resolve;
use super::super::tree::{Node, Value};
use super::super::{Env, Place};
use super::{params, warn_unset};
use crate::domain::{Money, Secret};
use crate::providers::Base;
use crate::providers::search::{ALL, Engine, SearchTool};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take if nobody says.
const TIMEOUT: Duration = Duration::from_secs(30);

/// All of them, in file order.
pub(super) fn compile(root: &Node, env: &Env, report: &mut Report) -> Vec<Arc<SearchTool>> {
    let Some(entry) = root.get("search_tools") else { return Vec::new() };
    if !matches!(entry.node.value, Value::List(_)) {
        report.fault(entry.mark.place("search_tools"), "wants a list of tools");
        return Vec::new();
    }
    let mut tools: Vec<Arc<SearchTool>> = Vec::new();
    for (i, node) in entry.node.items().iter().enumerate() {
        let path = format!("search_tools[{i}]");
        let node = resolve(node, &path, env, &mut |unset| warn_unset(&unset, report));
        let place = node.mark.place(&path);
        if !matches!(node.value, Value::Map(_)) {
            report.fault(place, "wants a mapping with search_tool_name and litellm_params");
            continue;
        }
        let Some(tool) = tool(&Section::new(&node, path), &place, env, report) else { continue };
        if tools.iter().any(|known| known.name == tool.name) {
            report.fault(place, "another tool has this name");
        }
        tools.push(Arc::new(tool));
    }
    tools
}

fn tool(section: &Section<'_>, place: &Place, env: &Env, report: &mut Report) -> Option<SearchTool> {
    let Some(field) = section.field("search_tool_name") else {
        report.fault(place.clone(), "search_tool_name is missing");
        return None;
    };
    let name = field.text(report)?;
    if name.is_empty() || name.contains(['/', '?', '#']) || name.len() > 128 {
        report.fault(field.place(), "wants a name that can stand in a path");
        return None;
    }
    let Some(params) = section.field("litellm_params").and_then(|field| field.map(report)) else {
        report.fault(place.clone(), "litellm_params is missing");
        return None;
    };
    let engine = engine(&params, place, report)?;
    let base = base(&params, engine, env, place, report)?;
    let info = section.field("search_tool_info").and_then(|field| field.map(report));
    let cost = params.field("input_cost_per_query").or_else(|| params.field("cost_per_query"));
    let cost = cost.and_then(|field| {
        let dollars = field.number(report)?;
        let cost = Money::from_dollars(dollars).filter(|cost| cost.pico() >= 0);
        if cost.is_none() {
            report.fault(field.place(), "wants US dollars from 0");
        }
        cost
    });
    Some(SearchTool {
        name,
        engine,
        path: base.path_ending_in(engine.path),
        origin: base.origin,
        key: key(&params, engine, env, place, report),
        cost: cost.or_else(|| engine.cost.map(Money::from_pico)),
        timeout: params.field("timeout").and_then(|field| field.timeout(report)).unwrap_or(TIMEOUT),
        description: info.and_then(|info| info.field("description")).and_then(|field| field.text(report)),
    })
}

fn engine(params: &Section<'_>, place: &Place, report: &mut Report) -> Option<&'static Engine> {
    let names = || ALL.iter().map(|engine| engine.name).collect::<Vec<_>>().join(", ");
    let Some(field) = params.field("search_provider") else {
        report.fault(place.clone(), format!("search_provider is missing; there are {}", names()));
        return None;
    };
    let name = field.text(report)?;
    let engine = Engine::named(&name);
    if engine.is_none() {
        report.warn(
            field.place(),
            format!("\"{name}\" is not served yet, and the tool is left out; there are {}", names()),
        );
    }
    engine
}

fn base(
    params: &Section<'_>,
    engine: &Engine,
    env: &Env,
    place: &Place,
    report: &mut Report,
) -> Option<Base> {
    let own = params.field("api_base").filter(|field| !field.is_blank());
    let (text, place) = match own {
        Some(field) => (field.text(report), field.place()),
        None => (env.filled(engine.env.0).or(engine.base).map(str::to_owned), place.clone()),
    };
    let Some(text) = text else {
        report.warn(place, format!("no api_base, and {} is not set: the tool is left out", engine.env.0));
        return None;
    };
    Base::parse(&text).map_err(|why| report.fault(place, why)).ok()
}

fn key(
    params: &Section<'_>,
    engine: &Engine,
    env: &Env,
    place: &Place,
    report: &mut Report,
) -> Option<Secret> {
    let own = params.field("api_key").filter(|field| !field.is_blank()).and_then(|field| field.text(report));
    // A key of the environment goes where it belongs, and not to an address that a file names.
    let written = params.field("api_base").and_then(|field| field.node().text());
    let is_home = written.is_none_or(|base| Some(base) == env.filled(engine.env.0));
    let text = own.or_else(|| env.filled(engine.env.1).filter(|_| is_home).map(str::to_owned))?;
    if !params::is_header_value(&text) {
        report.fault(place.clone(), "the key holds characters that no header can carry");
        return None;
    }
    Secret::new(&text)
}

/// `tollgate.search_loop`: a switch, or its bounds.
pub(super) fn compile_loop(tollgate: &Section<'_>, report: &mut Report) -> Option<SearchLoop> {
    let field = tollgate.field("search_loop")?;
    let usual =
        SearchLoop { max_rounds: 3, max_cost: Money::from_pico(i64::MAX), timeout: Duration::from_secs(60) };
    if !matches!(field.node().value, Value::Map(_)) {
        return field.bool(report).filter(|on| *on).map(|_| usual);
    }
    let section = field.map(report)?;
    let rounds = section.field("max_rounds").and_then(|field| {
        let rounds = field.count(report).filter(|rounds| (1..=MOST_ROUNDS).contains(rounds));
        if rounds.is_none() {
            report.fault(field.place(), format!("wants a number from 1 to {MOST_ROUNDS}"));
        }
        rounds
    });
    let cost = section.field("max_cost").and_then(|field| {
        let cost = field.number(report).and_then(Money::from_dollars).filter(|cost| cost.pico() >= 0);
        if cost.is_none() {
            report.fault(field.place(), "wants US dollars from 0");
        }
        cost
    });
    Some(SearchLoop {
        max_rounds: rounds.unwrap_or(usual.max_rounds),
        max_cost: cost.unwrap_or(usual.max_cost),
        timeout: section.field("timeout").and_then(|field| field.timeout(report)).unwrap_or(usual.timeout),
    })
}

/// Most rounds that can be configured.
const MOST_ROUNDS: u32 = 16;
