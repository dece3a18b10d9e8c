//! The admin key, and whether it is good enough for the address it guards.

use super::super::field::Report;
use super::super::{Env, Place};
use super::{Sections, is_placeholder};
use crate::domain::Secret;
use std::net::IpAddr;

const SHORTEST: usize = 8;
const SAMPLES: [&str; 4] = ["sk-1234", "sk-12345", "sk-12345678", "sk-master-key"];

/// The master key: of the file, else of the environment.
pub(super) fn compile(
    sections: &Sections<'_>,
    env: &Env,
    host: IpAddr,
    allow_insecure: bool,
    report: &mut Report,
) -> Option<Secret> {
    let (key, place) = find(sections, env, report);
    let key = key.as_deref().and_then(Secret::new);
    let Some(weakness) = weakness(key.as_ref()) else {
        if key.as_ref().is_some_and(|key| !key.expose().starts_with("sk-")) {
            report.warn(place, "the master key should begin with \"sk-\"; LiteLLM's clients expect it");
        }
        return key;
    };
    if host.is_loopback() || allow_insecure {
        report.warn(place, weakness);
    } else {
        let way_out = "set LITELLM_MASTER_KEY to a long random key, or listen on 127.0.0.1 (--allow-insecure overrides)";
        report.fault(place, format!("{weakness}, and {host} is reachable from outside: {way_out}"));
    }
    key
}

fn find(sections: &Sections<'_>, env: &Env, report: &mut Report) -> (Option<String>, Place) {
    let field = sections.general.field("master_key");
    if let Some(field) = &field {
        let text = field.text(report);
        if text.as_ref().is_some_and(|text| !text.trim().is_empty()) {
            return (text, field.place());
        }
    }
    match env.first_filled(&["LITELLM_MASTER_KEY", "PROXY_MASTER_KEY"]) {
        Some((name, value)) => (Some(value.to_owned()), Place::named(name)),
        None => (None, field.map_or_else(|| Place::named("general_settings.master_key"), |f| f.place())),
    }
}

fn weakness(key: Option<&Secret>) -> Option<&'static str> {
    let Some(key) = key else {
        return Some("there is no master key, so every request is accepted");
    };
    let key = key.expose();
    if SAMPLES.contains(&key) || is_placeholder(key) {
        return Some("the master key is one that documentation shows, so anyone may know it");
    }
    (key.chars().count() < SHORTEST).then_some("the master key is shorter than 8 characters")
}
