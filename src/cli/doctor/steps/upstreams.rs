//! Whether each upstream key is taken, and whether each model has a price. Neither costs a token.

use super::{NO_GATEWAY, counted};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::trouble::Trouble;
use crate::cli::doctor::visit::Visit;
use crate::cli::init::masked;
use crate::config::{Compiled, Env};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) fn keys(visit: &mut Visit<'_>) -> Finding {
    let Some(admin) = &visit.admin else { return Finding::skip(NO_GATEWAY) };
    let answer = match admin.get("/health") {
        Err(error) => return Finding::unanswered(&error),
        Ok(answer) if answer.status != 200 => return Finding::fail(Trouble::Odd, answer.complaint()),
        Ok(answer) => answer.json(),
    };
    let rows = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let (healthy, unhealthy) = (rows("healthy_endpoints"), rows("unhealthy_endpoints"));
    let names = visit.compiled().map(|compiled| named(compiled, &visit.env)).unwrap_or_default();
    if unhealthy.is_empty() {
        let keys: BTreeSet<&String> =
            healthy.iter().filter_map(|row| names.get(row["model_id"].as_str()?)).collect();
        let of = if keys.is_empty() { String::new() } else { format!(", {}", counted(keys.len(), "key")) };
        return Finding::pass(format!("{}{of}: all answer", counted(healthy.len(), "deployment")));
    }
    let worst =
        unhealthy.iter().map(trouble).min_by_key(|trouble| *trouble as u8).unwrap_or(Trouble::UpstreamOther);
    let told = grouped(&unhealthy, &names).join("; ");
    let all = healthy.len() + unhealthy.len();
    Finding::fail(worst, format!("{} of {}: {told}", unhealthy.len(), counted(all, "deployment")))
}

/// What to call the key of each deployment of the file: its variable, else a little of it.
fn named<'a>(compiled: &'a Compiled, env: &Env) -> HashMap<&'a str, String> {
    let name = |key: &str| {
        // The numbered one, where the main key is number 0 too.
        let variable = env.names_of(key).into_iter().max_by_key(|name| name.len());
        variable.map_or_else(|| format!("the key {}", masked(key)), str::to_owned)
    };
    let targets = compiled.config.targets.iter();
    targets.filter_map(|target| Some((target.id.as_str(), name(target.api_key.as_ref()?.expose())))).collect()
}

/// One line for each key (or model, if the keys are not known here) and fault.
fn grouped(unhealthy: &[Value], names: &HashMap<&str, String>) -> Vec<String> {
    let mut groups: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    for row in unhealthy {
        let word = |name: &str| row[name].as_str().unwrap_or("?");
        let who = names.get(word("model_id")).cloned().unwrap_or_else(|| word("api_base").to_owned());
        groups.entry((who, word("error").to_owned())).or_default().insert(word("model_name"));
    }
    let models = |models: BTreeSet<&str>| models.into_iter().collect::<Vec<_>>().join(", ");
    groups.into_iter().map(|((who, error), names)| format!("{who}: {error} ({})", models(names))).collect()
}

fn trouble(row: &Value) -> Trouble {
    match row["exception_status"].as_u64() {
        Some(401 | 403) => Trouble::UpstreamRefuses,
        Some(0) => Trouble::UpstreamAway,
        Some(404) => Trouble::UpstreamModel,
        _ => Trouble::UpstreamOther,
    }
}

pub(super) fn prices(visit: &mut Visit<'_>) -> Finding {
    let Some(admin) = &visit.admin else { return Finding::skip(NO_GATEWAY) };
    let answer = match admin.get("/model/info") {
        Err(error) => return Finding::unanswered(&error),
        Ok(answer) if answer.status != 200 => return Finding::fail(Trouble::Odd, answer.complaint()),
        Ok(answer) => answer.json(),
    };
    let rows = answer["data"].as_array().cloned().unwrap_or_default();
    let is_priced = |row: &Value| {
        let price = |name: &str| row["model_info"][name].as_f64().unwrap_or_default();
        price("input_cost_per_token") > 0.0 || price("output_cost_per_token") > 0.0
    };
    let name = |row: &Value| row["model_name"].as_str().unwrap_or("?").to_owned();
    let free: BTreeSet<String> = rows.iter().filter(|row| !is_priced(row)).map(name).collect();
    if free.is_empty() {
        return Finding::pass("every model has one");
    }
    let free: Vec<String> = free.into_iter().collect();
    Finding::warn(Trouble::NoPrice, format!("none for {}", free.join(", ")))
}
