//! Where to listen and what holds for the whole process.

use super::super::field::{Field, Report, Section};
use super::super::tree::Value;
use super::super::{AccessLogTarget, Env, HealthCheck, Place, ServerConfig, did_you_mean};
use super::{Overrides, Sections, database, master_key, shared};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_PORT: u16 = 4000;
const MIB: f64 = 1_048_576.0;
const DEFAULT_BODY: usize = 20 * 1_048_576;
/// Uploads are not held, so they may be larger where nobody says how large.
const DEFAULT_UPLOAD: usize = 1024 * 1_048_576;
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
const DRAIN: Duration = Duration::from_secs(30);
/// A body of 5 MB has come by then at 8 KiB a second.
const SLOW_BODY: Duration = Duration::from_secs(300);
const DELAY: Duration = Duration::from_millis(500);

/// The process-wide settings; what could not be read has its default, and a fault.
pub(super) fn compile(
    sections: &Sections<'_>,
    env: &Env,
    overrides: &Overrides,
    report: &mut Report,
) -> ServerConfig {
    let own = &sections.tollgate;
    let host = overrides.host.unwrap_or_else(|| host(env, report));
    let port = overrides.port.unwrap_or_else(|| port(env, report));
    let insecure = own.field("allow_insecure").and_then(|f| f.bool(report)).unwrap_or_default();
    let allow_insecure = overrides.allow_insecure || insecure;
    let workers = own.field("workers").and_then(|f| f.count(report));
    let access_log = own.field("access_log").and_then(|f| access_log(&f, report));
    let drain = own.field("drain_timeout").and_then(|f| f.seconds(report));
    let slow = own.field("body_timeout").and_then(|f| f.seconds(report));
    let delay = own.field("shutdown_delay").and_then(|f| f.seconds(report));
    let metrics_key = sections.litellm.field("require_auth_for_metrics_endpoint");
    let data_dir = database::folder(overrides, env);
    let max_body = max_body(sections, report);
    ServerConfig {
        host,
        database: database::compile(sections, env, &data_dir, report),
        data_dir,
        port,
        workers: overrides.workers.or(workers).unwrap_or_default(),
        master_key: master_key::compile(sections, env, host, allow_insecure, report),
        key_header: key_header(&sections.general, report),
        max_body_bytes: max_body.unwrap_or(DEFAULT_BODY),
        max_upload_bytes: max_body.unwrap_or(DEFAULT_UPLOAD),
        body_timeout: slow.unwrap_or(SLOW_BODY),
        access_log: overrides.access_log.clone().or(access_log).unwrap_or(AccessLogTarget::Stdout),
        metrics_need_key: metrics_key.and_then(|f| f.bool(report)).unwrap_or_default(),
        allow_insecure,
        health_check: health_check(own, report),
        shared: shared::compile(sections, env, report),
        shutdown_delay: delay.unwrap_or(DELAY),
        drain_timeout: drain.unwrap_or(DRAIN),
        callbacks: callbacks(&sections.litellm, report),
    }
}

/// Shells and package managers set `HOST` to other things, so one that is no address is only odd.
fn host(env: &Env, report: &mut Report) -> IpAddr {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match env.filled("HOST") {
        None | Some("localhost") => local,
        Some(text) => text.parse().unwrap_or_else(|_| {
            report.warn(Place::named("HOST"), "not an IP address; listening on 127.0.0.1");
            local
        }),
    }
}

fn port(env: &Env, report: &mut Report) -> u16 {
    let Some(text) = env.filled("PORT") else { return DEFAULT_PORT };
    text.parse().unwrap_or_else(|_| {
        report.fault(Place::named("PORT"), "not a port");
        DEFAULT_PORT
    })
}

fn key_header(general: &Section<'_>, report: &mut Report) -> Option<String> {
    let field = general.field("litellm_key_header_name")?;
    let name = field.text(report)?;
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        report.fault(field.place(), "not the name of a header");
        return None;
    }
    Some(name)
}

fn max_body(sections: &Sections<'_>, report: &mut Report) -> Option<usize> {
    let field = sections.tollgate.field("max_body_mb");
    let field = field.or_else(|| sections.general.field("max_request_size_mb"))?;
    let size = field.number(report)?;
    if !(0.001..=4096.0).contains(&size) {
        report.fault(field.place(), "wants a size from 0.001 to 4096 MiB");
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    let bytes = (size * MIB) as usize;
    Some(bytes)
}

/// `off` without quotes is a boolean in YAML.
fn access_log(field: &Field<'_>, report: &mut Report) -> Option<AccessLogTarget> {
    match &field.node().value {
        Value::Bool(false) => return Some(AccessLogTarget::Off),
        Value::Bool(true) => return Some(AccessLogTarget::Stdout),
        _ => {}
    }
    match field.text(report)?.as_str() {
        "" => Some(AccessLogTarget::Off),
        "off" => Some(AccessLogTarget::Off),
        "stdout" => Some(AccessLogTarget::Stdout),
        path => Some(AccessLogTarget::File(PathBuf::from(path))),
    }
}

fn health_check(own: &Section<'_>, report: &mut Report) -> HealthCheck {
    let default = HealthCheck::Tcp { interval: PROBE_INTERVAL };
    let Some(field) = own.field("health_check") else { return default };
    if field.node().value == Value::Bool(false) {
        return HealthCheck::Off;
    }
    let Some(section) = field.map(report) else { return default };
    let interval =
        section.field("interval_seconds").and_then(|f| f.timeout(report)).unwrap_or(PROBE_INTERVAL);
    let path = section.field("path").and_then(|f| probe_path(&f, report));
    let Some(kind) = section.field("kind") else {
        return match path {
            Some(path) => HealthCheck::Http { path, interval },
            None => HealthCheck::Tcp { interval },
        };
    };
    if kind.node().value == Value::Bool(false) {
        return HealthCheck::Off;
    }
    match kind.text(report).unwrap_or_default().as_str() {
        "off" => HealthCheck::Off,
        "tcp" => HealthCheck::Tcp { interval },
        "http" => HealthCheck::Http { path: path.unwrap_or_else(|| "/".to_owned()), interval },
        other => {
            report.fault(kind.place(), "wants off, tcp or http");
            let meant = did_you_mean(other, ["off", "tcp", "http"]).map(str::to_owned);
            if let Some(last) = report.errors.last_mut() {
                last.suggestion = meant;
            }
            default
        }
    }
}

fn probe_path(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let path = field.text(report)?;
    if !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
        report.fault(field.place(), "wants a path that begins with \"/\"");
        return None;
    }
    Some(path)
}

fn callbacks(litellm: &Section<'_>, report: &mut Report) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for key in ["callbacks", "success_callback", "failure_callback"] {
        let Some(field) = litellm.field(key) else { continue };
        for name in field.texts(report) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}
