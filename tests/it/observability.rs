//! What `observability/` holds works: a real Prometheus with its configuration scrapes the gateway under traffic, and
//! every panel and every rule has something to say, and says the truth where that is known.

use crate::harness::{
    CHAT, Config, Connection, Gateway, chat, eventually, free_address, request, streamed, upstream_of, with,
};
use crate::support::SEEDS_PROMQL;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tollgate::simulator::Simulator;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("observability")
}

fn has(tool: &str) -> bool {
    let tried = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = tried.is_ok_and(|status| status.success());
    if !found {
        eprintln!("left out, for want of {tool}: run tests/run needs");
    }
    found
}

/// A Prometheus with the configuration of the folder, but for the address of the gateway and its patience.
struct Prometheus {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Prometheus {
    fn start(gateway: &Gateway) -> Self {
        let data = TempDir::with_prefix("tollgate-prometheus-").unwrap();
        let text = fs::read_to_string(folder().join("prometheus.yml")).unwrap();
        let target = gateway.address.to_string();
        let text = text.replace("tollgate:4000", &target).replace("_interval: 15s", "_interval: 1s");
        assert!(text.contains(&target) && text.matches("_interval: 1s").count() == 2, "{text}");
        fs::write(data.path().join("prometheus.yml"), text).unwrap();
        fs::create_dir(data.path().join("rules")).unwrap();
        for name in ["recording.yml", "alerts.yml"] {
            fs::copy(folder().join("rules").join(name), data.path().join("rules").join(name)).unwrap();
        }
        let address = free_address();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", data.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .stdout(File::create(data.path().join("output")).unwrap())
            .stderr(File::create(data.path().join("errors")).unwrap())
            .spawn()
            .unwrap();
        Self { address, child, _folder: data }
    }

    async fn get(&self, path: &str) -> Option<Value> {
        tokio::net::TcpStream::connect(self.address).await.ok()?;
        let mut connection = Connection::open(self.address).await;
        connection.send(&request("GET", path, &[("connection", "close")], b"")).await;
        serde_json::from_slice(&connection.read_response().await.body).ok()
    }

    /// The samples of an expression now: labels and value.
    async fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let encoded = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let Some(answer) = self.get(&format!("/api/v1/query?query={encoded}")).await else {
            return Vec::new();
        };
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let samples = answer["data"]["result"].as_array().unwrap().iter();
        samples
            .map(|sample| (sample["metric"].clone(), sample["value"][1].as_str().unwrap().parse().unwrap()))
            .collect()
    }

    /// The same, as soon as some are numbers.
    async fn says(&self, expression: &str) -> Vec<(Value, f64)> {
        eventually(&format!("an answer to {expression}"), async || {
            let samples = self.query(expression).await;
            samples.iter().any(|(_, value)| value.is_finite()).then_some(samples)
        })
        .await
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An expression of a dashboard as Grafana sends it.
fn sent(expression: &str) -> String {
    [("$__rate_interval", "15s"), ("$__range", "5m"), ("$model", ".*"), ("$instance", ".*")]
        .into_iter()
        .fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Every expression with the title of its panel.
fn panels() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for name in ["overview.json", "gateway.json"] {
        let text = fs::read_to_string(folder().join("grafana/dashboards").join(name)).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
                all.push((text(&panel["title"]), text(&target["expr"])));
            }
        }
    }
    all
}

/// Names of rules, and their expressions.
fn rules(file: &str, kind: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder().join("rules").join(file)).unwrap();
    let rules: Value = serde_yaml::from_str(&text).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let all = groups.flat_map(|group| group["rules"].as_array().unwrap().clone());
    all.map(|rule| (rule[kind].as_str().unwrap().to_owned(), rule["expr"].as_str().unwrap().to_owned()))
        .collect()
}

/// A pool of which one key is revoked, a model that always fails, budgets and limits.
async fn world() -> (Simulator, Gateway) {
    let keys = [("sk-a", "ok"), ("sk-b", "ok"), ("sk-revoked", "401"), ("sk-broken", "500")];
    let simulator = upstream_of(&keys).await;
    let base = simulator.base_url();
    let prices =
        || json!({ "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "rpm": 10, "tpm": 1000 });
    let provider = json!({ "openai": { "budget_limit": 1000, "time_period": "1d" } });
    let config = Config::new()
        .target("a", "glm", &base, "sk-a", prices())
        .target("b", "glm", &base, "sk-b", prices())
        .target("revoked", "glm", &base, "sk-revoked", prices())
        .target("broken", "broken", &base, "sk-broken", json!({}))
        .set(
            "router_settings",
            json!({ "num_retries": 3, "disable_cooldowns": false, "cooldown_time": 3600 }),
        )
        .set("router_settings", json!({ "allowed_fails": 1000, "provider_budget_config": provider }));
    let mut gateway = Gateway::start(&config).await;
    let made = async |path: &str, fields: Value| {
        let made = gateway.post(path, &fields).await;
        assert_eq!(made.status(), 200, "{path}: {}", made.text());
        made.json()
    };
    made("/team/new", json!({ "team_id": "t1", "team_alias": "research", "max_budget": 100 })).await;
    let key = json!({ "key_alias": "robot", "team_id": "t1", "max_budget": 50, "rpm_limit": 1_000_000 });
    let key = made("/key/generate", key).await;
    gateway.key = key["key"].as_str().unwrap().to_owned();
    (simulator, gateway)
}

/// Calls of all kinds, for ever.
async fn traffic(gateway: &Gateway) {
    let to = |body: Value, model: &str| with(body, json!({ "model": model }));
    loop {
        for body in [to(chat(), "glm"), to(streamed(), "glm")] {
            let answer = gateway.post(CHAT, &body).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
        }
        assert_ne!(gateway.post(CHAT, &to(chat(), "broken")).await.status(), 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_and_rule_has_something_to_say() {
    if !has("prometheus") {
        return;
    }
    let (_simulator, gateway) = world().await;
    let prometheus = Prometheus::start(&gateway);
    tokio::select! {
        () = traffic(&gateway) => {}
        () = look(&prometheus) => {}
    }
}

async fn look(prometheus: &Prometheus) {
    for (title, expression) in panels() {
        let samples = prometheus.says(&sent(&expression)).await;
        assert!(!samples.is_empty(), "{title}");
    }
    for (name, _) in rules("recording.yml", "record") {
        prometheus.says(&name).await;
    }
    let loaded = prometheus.get("/api/v1/rules").await.unwrap();
    let groups = loaded["data"]["groups"].as_array().unwrap().iter();
    let loaded: Vec<Value> = groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
    assert_eq!(loaded.len(), rules("recording.yml", "record").len() + rules("alerts.yml", "alert").len());
    assert!(loaded.iter().all(|rule| rule["health"] == "ok"), "{loaded:#?}");
    the_seeds_lines(prometheus).await;
    what_is_known(prometheus).await;
}

/// The expressions of the first seed document, as they stand there.
async fn the_seeds_lines(prometheus: &Prometheus) {
    for line in SEEDS_PROMQL {
        prometheus.says(line).await;
    }
}

/// The expression of a panel, by its title.
fn panel(title: &str) -> String {
    let all = panels().into_iter();
    let (_, expression) =
        all.into_iter().find(|(own, _)| own == title).unwrap_or_else(|| panic!("no panel {title}"));
    sent(&expression)
}

/// Waits until what an expression says is as it should be.
async fn becomes(
    prometheus: &Prometheus,
    expression: &str,
    is: impl Fn(&dyn Fn(&str, &str) -> Option<f64>) -> bool,
) {
    eventually(&format!("the truth of {expression}"), async || {
        let samples = prometheus.query(expression).await;
        let of = |label: &str, value: &str| {
            samples.iter().find(|(labels, _)| labels[label] == value).map(|(_, number)| *number)
        };
        is(&of).then_some(())
    })
    .await;
}

async fn what_is_known(prometheus: &Prometheus) {
    let more = |value: Option<f64>| value.is_some_and(|value| value > 0.0);
    becomes(prometheus, &panel("Deployments Per Model"), |of| {
        let model = |name| of("litellm_model_name", name);
        (model("glm"), model("broken")) == (Some(3.0), Some(1.0))
    })
    .await;
    becomes(prometheus, &panel("Deployment Health"), |of| {
        let state = |id| of("model_id", id);
        (state("a"), state("b"), state("revoked")) == (Some(0.0), Some(0.0), Some(2.0))
    })
    .await;
    let asked = ["a", "b", "broken"];
    becomes(prometheus, &panel("Request Distribution"), |of| asked.iter().all(|id| more(of("model_id", id))))
        .await;
    becomes(prometheus, &panel("Version"), |of| of("version", env!("CARGO_PKG_VERSION")) == Some(1.0)).await;
    becomes(prometheus, &panel("Requests per minute by status"), |of| {
        let status = |status| more(of("status_code", status));
        status("200") && status("500") && !status("401")
    })
    .await;
    becomes(prometheus, &panel("Budgets of keys spent"), |of| {
        of("api_key_alias", "robot").is_some_and(|used| used > 0.0 && used < 0.5)
    })
    .await;
    becomes(prometheus, "requested_model:tollgate_server_errors:ratio_rate5m", |of| {
        let ratio = |model| of("requested_model", model);
        (ratio("broken"), ratio("glm")) == (Some(1.0), None)
    })
    .await;
    becomes(prometheus, "litellm_model_name:tollgate_available:bool", |of| {
        of("litellm_model_name", "glm") == Some(1.0)
    })
    .await;
}

/// Names of metrics in an expression.
fn names(expression: &str) -> BTreeSet<String> {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = expression.split(|letter| !of_name(letter));
    let ours =
        |word: &&str| ["litellm_", "tollgate_", "process_"].iter().any(|start| word.starts_with(start));
    // A label may be called as a metric is not.
    let labels = ["litellm_model_name"];
    words
        .filter(|word| ours(word) && !labels.contains(word) && !word.contains(':'))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn no_panel_and_no_rule_names_a_metric_that_is_not_served() {
    let (_simulator, gateway) = world().await;
    let text = gateway.get("/metrics").await.text();
    let served: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let all =
        panels().into_iter().chain(rules("recording.yml", "record")).chain(rules("alerts.yml", "alert"));
    for (title, expression) in all {
        for name in names(&expression) {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let is_served =
                served.contains(name.as_str()) || family.is_some_and(|family| served.contains(family));
            // Waiting for quota is a part that a build may do without.
            assert!(is_served || name.starts_with("tollgate_queue_"), "{title}: {name}");
        }
    }
}

#[test]
fn promtool_accepts_the_configuration_and_each_alert_fires_when_it_should() {
    if !has("promtool") {
        return;
    }
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let (_, block) = readme.split_once("```sh\n").unwrap();
    let (commands, _) = block.split_once("```").unwrap();
    assert_eq!(commands.matches("promtool").count(), 3, "{commands}");
    let mut shell = Command::new("bash");
    shell.args(["-euc", commands]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let ended = shell.output().unwrap();
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert!(ended.status.success() && said.contains("23 rules found"), "{said}");
    let tests = fs::read_to_string(folder().join("rules/tests.yml")).unwrap();
    for (alert, _) in rules("alerts.yml", "alert") {
        for case in [format!("name: {alert} fires\n"), format!("name: {alert} is quiet\n")] {
            assert!(tests.contains(&case), "{case}");
        }
    }
}
