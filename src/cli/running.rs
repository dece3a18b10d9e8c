//! `tollgate check --against-running`: what a reload of the process that serves now would change.
//!
//! The process is asked to read its own file with its own environment, because that is what it would do; nothing of
//! this side's file is sent but the master key.

use super::http::Client;
use super::output::{FAULTY, FINE};
use super::serve;
use crate::config::Overrides;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// The plan to print, and the exit code. Address and key are those of the file and the environment unless `url`
/// names another address.
#[must_use]
pub(super) fn run(path: &Path, url: &str) -> (String, u8) {
    match planned(path, url) {
        Ok((200, plan)) => (text(&plan), FINE),
        Ok((_, refusal)) => (faults(&refusal), FAULTY),
        Err(fault) => (format!("fault: {fault}\n"), FAULTY),
    }
}

fn planned(path: &Path, url: &str) -> Result<(u16, Value), String> {
    let server = serve::load(path, &Overrides::default())?.config.server;
    let url = match url {
        "" => format!("http://{}", SocketAddr::new(reachable(server.host), server.port)),
        url => url.to_owned(),
    };
    let client = Client::new(&url, PATIENCE);
    let client = match server.master_key {
        Some(key) => client.with_key(key),
        None => client,
    };
    let answer = client.post("/config/reload?dry_run=true", &json!({}));
    let answer = answer.map_err(|error| format!("{url} cannot be asked: {error}"))?;
    match answer.json() {
        Value::Null => Err(format!("{url} cannot be asked: what answers there is no tollgate")),
        body => Ok((answer.status, body)),
    }
}

/// Where a process that listens on all addresses can be reached.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}

fn text(plan: &Value) -> String {
    let mut out = String::new();
    for (sign, key) in [("+", "added"), ("-", "removed"), ("~", "changed")] {
        for deployment in list(&plan["deployments"][key]) {
            let [name, model, base, id] =
                ["model_name", "model", "api_base", "model_id"].map(|key| word(&deployment[key]));
            let what: Vec<&str> = list(&deployment["changes"]).iter().map(word).collect();
            let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
            line(&mut out, &format!("{sign} deployment {name}: {model} at {base} ({id}){what}"));
        }
    }
    for setting in list(&plan["settings"]) {
        let shown = |key: &str| match &setting[key] {
            Value::Null => "not set".to_owned(),
            value => value.to_string(),
        };
        let values = match setting.get("from") {
            Some(_) => format!(": {} → {}", shown("from"), shown("to")),
            None => String::new(),
        };
        line(&mut out, &format!("~ {}{values}", word(&setting["name"])));
    }
    for name in list(&plan["needs_restart"]) {
        line(&mut out, &format!("! only a restart changes {}", word(name)));
    }
    if out.is_empty() {
        line(&mut out, "a reload would change nothing");
    }
    out
}

fn faults(refusal: &Value) -> String {
    let mut out = String::new();
    for fault in list(&refusal["faults"]) {
        let number = |key: &str| fault[key].as_u64().map(|n| format!(":{n}")).unwrap_or_default();
        let place = format!("{}{}{}", word(&fault["file"]), number("line"), number("column"));
        line(&mut out, &format!("fault: {place}: {}: {}", word(&fault["path"]), word(&fault["message"])));
    }
    if out.is_empty() {
        line(&mut out, &format!("fault: {}", word(&refusal["error"]["message"])));
    }
    out
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn line(out: &mut String, text: &str) {
    _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_line_for_each_change() {
        let plan = json!({
            "deployments": {
                "added": [{ "model_name": "m", "model": "openai/x", "api_base": "http://u/v1", "model_id": "1" }],
                "removed": [],
                "changed": [{ "model_name": "n", "model": "openai/y", "api_base": "http://u/v1", "model_id": "2",
                    "changes": ["credential", "rpm"] }],
            },
            "settings": [{ "name": "router_settings.num_retries", "from": 2, "to": null }, { "name": "a.b" }],
            "needs_restart": ["port"],
        });
        let wanted = "+ deployment m: openai/x at http://u/v1 (1)\n\
                      ~ deployment n: openai/y at http://u/v1 (2): credential, rpm\n\
                      ~ router_settings.num_retries: 2 → not set\n~ a.b\n! only a restart changes port\n";
        assert_eq!(text(&plan), wanted);
        assert_eq!(text(&json!({})), "a reload would change nothing\n");
    }
}
