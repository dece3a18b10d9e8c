//! `tollgate check --against-running`: what a reload of the process that serves now would change.
//!
//! The process is asked to read its own file with its own environment, because that is what it would do; nothing of
//! this side's file is sent but the master key.

use super::check::{FAULTY, FINE};
use super::serve;
use crate::config::Overrides;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const LONGEST: u64 = 16 * 1024 * 1024;

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
    let config = serve::load(path, &Overrides::default())?.config;
    let key = config.server.master_key.as_ref().map(|key| key.expose()).unwrap_or_default();
    let (host, address) = match url {
        "" => {
            let address = SocketAddr::new(reachable(config.server.host), config.server.port);
            (address.to_string(), address)
        }
        url => host_of(url)?,
    };
    ask(address, &host, key).map_err(|error| format!("{host} cannot be asked: {error}"))
}

/// Where a process that listens on all addresses can be reached.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}

fn host_of(url: &str) -> Result<(String, SocketAddr), String> {
    let rest = url.strip_prefix("http://").ok_or("wants a URL that begins with http://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut found = with_port.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    let address = found.next().ok_or_else(|| format!("{host} has no address"))?;
    Ok((host.to_owned(), address))
}

fn ask(address: SocketAddr, host: &str, key: &str) -> io::Result<(u16, Value)> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(
        socket,
        "POST /config/reload?dry_run=true HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
         connection: close\r\ncontent-length: 0\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    socket.take(LONGEST).read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other("what answers there is no tollgate"))
}

fn parse(answer: &[u8]) -> Option<(u16, Value)> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let status = answer.split(|b| *b == b' ').nth(1)?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    serde_json::from_slice(answer.get(end + 4..)?).ok().map(|body| (status, body))
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
    use serde_json::json;

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

    #[test]
    fn what_is_no_answer_is_none() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\n{}"), Some((200, json!({}))));
        for bad in [&b""[..], b"\r\n\r\n", b"HTTP/1.1 x y\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n<html>"] {
            assert_eq!(parse(bad), None);
        }
    }
}
