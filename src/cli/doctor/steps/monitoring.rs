//! Metrics, whether Prometheus fetches them, and whether Grafana is there to show them.

use super::counted;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::trouble::Trouble;
use crate::cli::doctor::visit::Visit;
use crate::cli::http::{Client, HttpError};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Ports of the usual stack.
const PROMETHEUS: u16 = 9090;
const GRAFANA: u16 = 3000;
/// Prometheus fetches for the first time within its interval of 15 seconds.
const FIRST_FETCH: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// Names of jobs that fetch a gateway's metrics.
const JOBS: [&str; 2] = ["tollgate", "litellm"];

pub(super) fn metrics(visit: &mut Visit<'_>) -> Finding {
    // The key is for gateways that want one here.
    let client = visit.admin.as_ref().unwrap_or(&visit.gateway);
    match client.get("/metrics") {
        Err(_) => Finding::skip("needs the gateway"),
        Ok(answer) if answer.status != 200 => Finding::fail(Trouble::NoMetrics, answer.complaint()),
        Ok(answer) => match answer.text.lines().filter(|line| line.starts_with("litellm_")).count() {
            0 => Finding::fail(Trouble::NoMetrics, "no sample begins with litellm_"),
            samples => Finding::pass(counted(samples, "litellm_ sample")),
        },
    }
}

pub(super) fn prometheus(visit: &mut Visit<'_>) -> Finding {
    let (client, is_named) = visit.beside(visit.arguments.prometheus.as_ref(), PROMETHEUS);
    let until = Instant::now() + FIRST_FETCH;
    loop {
        let targets = match targets(&client) {
            Err(error) => return absent(&error, is_named, Trouble::PrometheusAway, "--prometheus"),
            Ok(targets) => targets,
        };
        let Some(target) = targets.first() else {
            let words = "no target of a job named tollgate or litellm";
            // At the usual port may be somebody else's.
            let found = if is_named { Finding::fail } else { Finding::warn };
            return found(Trouble::NotScraped, words);
        };
        match target["health"].as_str() {
            Some("up") => return Finding::pass(series(&client, target)),
            Some("unknown") if Instant::now() < until => std::thread::sleep(PAUSE),
            _ => {
                let why = target["lastError"].as_str().filter(|why| !why.is_empty());
                return Finding::fail(Trouble::TargetDown, why.unwrap_or("not fetched yet"));
            }
        }
    }
}

/// The gateway's targets, those that work first.
fn targets(client: &Client) -> Result<Vec<Value>, HttpError> {
    let answer = client.get("/api/v1/targets?state=active")?.json();
    let all = answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    let is_ours = |target: &Value| {
        target["labels"]["job"].as_str().is_some_and(|job| JOBS.iter().any(|known| job.contains(known)))
    };
    let mut ours: Vec<Value> = all.into_iter().filter(is_ours).collect();
    ours.sort_by_key(|target| target["health"] != "up");
    Ok(ours)
}

fn series(client: &Client, target: &Value) -> String {
    let job = target["labels"]["job"].as_str().unwrap_or("?");
    let query = "/api/v1/query?query=count(%7B__name__%3D~%22litellm_.*%22%7D)";
    let count = client.get(query).ok().and_then(|answer| {
        answer.json()["data"]["result"][0]["value"][1].as_str().and_then(|count| count.parse::<usize>().ok())
    });
    let count = count.map(|count| format!(", {count} litellm_ series")).unwrap_or_default();
    format!("job {job} is up{count}")
}

pub(super) fn grafana(visit: &mut Visit<'_>) -> Finding {
    let (client, is_named) = visit.beside(visit.arguments.grafana.as_ref(), GRAFANA);
    match client.get("/api/health") {
        Err(error) => absent(&error, is_named, Trouble::GrafanaAway, "--grafana"),
        Ok(answer) if answer.status == 200 && answer.json()["database"] == "ok" => {
            Finding::pass(format!("version {}", answer.json()["version"].as_str().unwrap_or("unknown")))
        }
        Ok(answer) if answer.json()["database"].is_string() => {
            Finding::fail(Trouble::GrafanaUnwell, answer.complaint())
        }
        // Something else may have this port.
        Ok(answer) if is_named => Finding::fail(Trouble::GrafanaAway, answer.complaint()),
        Ok(_) => Finding::skip(format!("what listens at {} is no Grafana", client.base())),
    }
}

/// A stack may do without; who names a server means to have it.
fn absent(error: &HttpError, is_named: bool, trouble: Trouble, flag: &str) -> Finding {
    if is_named {
        return Finding::fail(trouble, error.to_string());
    }
    Finding::skip(format!("{error}; {flag} names another address"))
}
