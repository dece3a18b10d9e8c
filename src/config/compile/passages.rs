//! `general_settings.pass_through_endpoints`.

use super::super::field::{Field, Report, Section};
use super::super::tree::{Node, Value};
use super::super::{Env, Place};
use super::params;
use crate::domain::{Money, Secret};
use crate::providers::{Base, Passage};
use http::{HeaderName, HeaderValue, Method};
use std::sync::Arc;

/// First parts of paths that are the gateway's own.
const OWN: [&str; 37] = [
    "budget",
    "cache",
    "callbacks",
    "chat",
    "completions",
    "config",
    "credentials",
    "customer",
    "docs",
    "embeddings",
    "end_user",
    "engines",
    "global",
    "health",
    "key",
    "metrics",
    "model",
    "model_group",
    "models",
    "openapi.json",
    "organization",
    "project",
    "provider",
    "public",
    "ready",
    "realtime",
    "responses",
    "routes",
    "search",
    "settings",
    "spend",
    "tag",
    "team",
    "test",
    "tollgate",
    "user",
    "v2",
];
/// Headers by which LiteLLM means something else than a header.
const NOT_SENT: [&str; 1] = ["litellm_user_api_key"];
const VARIABLE: &str = "os.environ/";
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// All of them, the longest paths first.
pub(super) fn compile(general: &Section<'_>, env: &Env, report: &mut Report) -> Vec<Arc<Passage>> {
    let Some(field) = general.field("pass_through_endpoints") else { return Vec::new() };
    if !matches!(field.node().value, Value::List(_)) {
        report.fault(field.place(), "wants a list of endpoints");
        return Vec::new();
    }
    let mut passages: Vec<Arc<Passage>> = Vec::new();
    for (i, node) in field.node().items().iter().enumerate() {
        let path = format!("{}[{i}]", field.path());
        let Some(passage) = passage(node, path.clone(), env, report) else { continue };
        if passages.iter().any(|known| known.path == passage.path) {
            report.fault(node.mark.place(&path), "another endpoint has this path");
        }
        passages.push(Arc::new(passage));
    }
    passages.sort_by_key(|passage| std::cmp::Reverse(passage.path.len()));
    passages
}

fn passage(node: &Node, path: String, env: &Env, report: &mut Report) -> Option<Passage> {
    let place = node.mark.place(&path);
    if !matches!(node.value, Value::Map(_)) {
        report.fault(place, "wants a mapping with path and target");
        return None;
    }
    let section = Section::new(node, path);
    let own = own_path(&section, &place, report);
    let base = target(&section, &place, report);
    let switch = |name: &str, report: &mut Report| section.field(name).and_then(|f| f.bool(report));
    let is_open = switch("auth", report) == Some(false);
    if is_open {
        report.warn(place, "open: whoever reaches this address may call it without a key");
    } else if section.field("auth").is_none() {
        report.warn(place, "wants a key; LiteLLM serves it to anybody: say auth: false for that");
    }
    let (headers, secrets) = headers(&section, env, report);
    let (base, target) = base?;
    Some(Passage {
        path: own?,
        origin: base.origin,
        target_path: base.path,
        target,
        headers,
        secrets,
        includes_below: switch("include_subpath", report).unwrap_or_default(),
        forwards_headers: switch("forward_headers", report).unwrap_or_default(),
        is_open,
        cost: section.field("cost_per_request").map_or(Money::ZERO, |field| cost(&field, report)),
        methods: section.field("methods").map_or_else(|| METHODS.to_vec(), |field| methods(&field, report)),
        vendor: None,
    })
}

fn own_path(section: &Section<'_>, place: &Place, report: &mut Report) -> Option<String> {
    let Some(field) = section.field("path") else {
        report.fault(place.clone(), "path is missing");
        return None;
    };
    let path = field.text(report)?;
    let path = path.trim_end_matches('/');
    if !path.starts_with('/') || path.contains(['?', '#', '{']) || path.parse::<http::Uri>().is_err() {
        report.fault(field.place(), "wants a path that begins with \"/\"");
        return None;
    }
    if is_own(path) {
        report.fault(field.place(), "this path is the gateway's own");
        return None;
    }
    Some(path.to_owned())
}

/// Whether a path is one that the gateway may answer itself.
pub(crate) fn is_own(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    const BELOW: [&str; 5] =
        ["/v1/model", "/v1/responses", "/openai/v1/responses", "/v1/search", "/v1/realtime"];
    first.is_empty() || OWN.contains(&first) || BELOW.iter().any(|own| path.starts_with(own))
}

fn target(section: &Section<'_>, place: &Place, report: &mut Report) -> Option<(Base, String)> {
    let Some(field) = section.field("target") else {
        report.fault(place.clone(), "target is missing");
        return None;
    };
    let text = field.text(report)?;
    match Base::parse(&text) {
        Ok(base) => Some((base, text.trim().to_owned())),
        Err(why) => {
            report.fault(field.place(), why);
            None
        }
    }
}

/// The headers ready to be sent, and what in them is nobody else's to see.
fn headers(
    section: &Section<'_>,
    env: &Env,
    report: &mut Report,
) -> (Vec<(HeaderName, HeaderValue)>, Vec<Secret>) {
    let (mut headers, mut secrets) = (Vec::new(), Vec::new());
    let Some(section) = section.field("headers").and_then(|field| field.map(report)) else {
        return (headers, secrets);
    };
    for field in section.fields().filter(|field| !NOT_SENT.contains(&field.key())) {
        let Some(text) = field.text(report).map(|text| with_variables(&text, env, &field, report)) else {
            continue;
        };
        let Some((name, secret)) = params::header(field.key(), &text, &field, report) else { continue };
        // Both were found fit to be sent.
        if let (Ok(name), Ok(mut value)) =
            (HeaderName::try_from(name), HeaderValue::from_str(secret.expose()))
        {
            value.set_sensitive(true);
            headers.push((name, value));
            secrets.extend(Passage::secrets_of(&secret));
        }
    }
    (headers, secrets)
}

/// A variable may stand within the value: `Bearer os.environ/NAME`.
fn with_variables(text: &str, env: &Env, field: &Field<'_>, report: &mut Report) -> String {
    let Some((before, after)) = text.split_once(VARIABLE) else { return text.to_owned() };
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    let (name, rest) = after.split_at(end);
    let value = env.filled(name).unwrap_or_else(|| {
        report.warn(field.place(), format!("the variable {name} is not set"));
        ""
    });
    format!("{before}{value}{rest}")
}

fn cost(field: &Field<'_>, report: &mut Report) -> Money {
    let Some(dollars) = field.number(report) else { return Money::ZERO };
    Money::from_dollars(dollars).filter(|cost| cost.pico() >= 0).unwrap_or_else(|| {
        report.fault(field.place(), "wants US dollars from 0");
        Money::ZERO
    })
}

fn methods(field: &Field<'_>, report: &mut Report) -> Vec<Method> {
    let known = |name: String| METHODS.into_iter().find(|method| name.eq_ignore_ascii_case(method.as_str()));
    let names = field.texts(report);
    let count = names.len();
    let methods: Vec<Method> = names.into_iter().filter_map(known).collect();
    if methods.is_empty() || methods.len() < count {
        report.fault(field.place(), "wants a list of GET, HEAD, POST, PUT, PATCH and DELETE");
    }
    methods
}
