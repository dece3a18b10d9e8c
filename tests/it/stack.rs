//! The stack of `docker/compose.yaml` without containers: the same programs, commands, variables and order, and then
//! what the first seed document has people check, as it stands there; only hosts are put in.

use crate::harness::{eventually, free_address, script, upstream_of};
use crate::support::{Running, SEEDS_PROMQL, run, tollgate};
use serde_json::Value;
use serde_yaml::Value as Yaml;
use sqlx::{Connection, Executor, PgConnection};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tollgate::simulator::Simulator;

const KEYS: [&str; 2] = ["maas-key-of-the-stack-1", "maas-key-of-the-stack-2"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn compose(service: &str) -> Yaml {
    let text = fs::read_to_string(root().join("docker/compose.yaml")).unwrap();
    let mut all: Yaml = serde_yaml::from_str(&text).unwrap();
    all.apply_merge().unwrap();
    all["services"][service].clone()
}

/// The stack as far as it runs here.
struct Stack {
    /// Ended before their folder goes.
    processes: Vec<Running>,
    folder: TempDir,
    upstream: Simulator,
    gateway: String,
    prometheus: Option<String>,
    variables: Vec<(String, String)>,
}

/// What `.env` sets, as compose reads it.
fn variables_of(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join(".env")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

/// Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}`.
fn filled(text: &str, variables: &[(String, String)]) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inner, after) = rest.split_once('}').unwrap();
    let name = inner.split(':').next().unwrap();
    let value = variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let value = value.or_else(|| inner.split_once(":-").map(|(_, default)| default)).unwrap();
    format!("{before}{value}{}", filled(after, variables))
}

/// The URL of a database of its own on the server that `tests/run` starts.
pub(crate) async fn empty_database() -> Option<String> {
    let Ok(url) = std::env::var("TOLLGATE_TEST_DATABASE_URL") else {
        eprintln!("TOLLGATE_TEST_DATABASE_URL is not set: Postgres is left out");
        return None;
    };
    let name = format!("stack{:016x}", fastrand::u64(..));
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
    Some(format!("{}/{name}", url.rsplit_once('/').unwrap().0))
}

/// Its host and port, user, and name.
async fn database() -> Option<(String, String, String)> {
    let url = empty_database().await?;
    let (user, rest) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (host, name) = rest.split_once('/').unwrap();
    Some((host.to_owned(), user.split(':').next().unwrap().to_owned(), name.to_owned()))
}

impl Stack {
    async fn up() -> Option<Self> {
        let (host, user, name) = database().await?;
        let folder = tempfile::tempdir().unwrap();
        let upstream = upstream_of(&KEYS.map(|key| (key, "ok"))).await;
        let mut init = tollgate(folder.path());
        init.args(["init", "--ci"])
            .env("HUAWEI_MAAS_API_KEY", KEYS[0])
            .env("HUAWEI_MAAS_EXTRA_API_KEYS", KEYS[1]);
        init.env("HUAWEI_MAAS_API_BASE", upstream.base_url());
        let ended = run(init).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        let variables = variables_of(folder.path());
        let address = free_address();
        let mut stack = Self {
            gateway: format!("http://{address}"),
            prometheus: None,
            folder,
            upstream,
            variables,
            processes: Vec::new(),
        };
        stack
            .start_gateway(
                &[("DATABASE_HOST", &host), ("DATABASE_USERNAME", &user), ("DATABASE_NAME", &name)],
                address.port(),
            )
            .await;
        stack.start_prometheus().await;
        Some(stack)
    }

    /// With the command, the variables and the health check of the compose file.
    async fn start_gateway(&mut self, database: &[(&str, &str)], port: u16) {
        let service = compose("tollgate");
        let config = root().join("conf/tollgate.yaml");
        let command = service["command"][0]
            .as_str()
            .unwrap()
            .replace("/app/conf/tollgate.yaml", config.to_str().unwrap());
        let mut gateway = self.program(&crate::harness::program(), "tollgate");
        gateway.arg(command).envs(self.variables.iter().cloned());
        for (name, value) in service["environment"].as_mapping().unwrap() {
            gateway.env(name.as_str().unwrap(), filled(value.as_str().unwrap(), &self.variables));
        }
        gateway.envs(database.iter().copied());
        gateway
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("TOLLGATE_DATA_DIR", self.folder.path().join("data"));
        self.processes.push(Running(gateway.spawn().unwrap()));
        let check = service["healthcheck"]["test"].as_sequence().unwrap();
        let check: Vec<&str> = check.iter().skip(2).map(|word| word.as_str().unwrap()).collect();
        eventually("the gateway's health check passes", async || {
            let mut health = tollgate(self.folder.path());
            health.args(&check).env("PORT", port.to_string());
            (run(health).await.code == 0).then_some(())
        })
        .await;
    }

    /// With the arguments of the compose file, fetching every second from where the gateway is here.
    async fn start_prometheus(&mut self) {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|folder| folder.join("prometheus"))
            .find(|file| file.is_file());
        let Some(program) = found else {
            eprintln!("left out, for want of prometheus: run tests/run needs");
            return;
        };
        let own = root().join("observability/prometheus.yml");
        let text = fs::read_to_string(own).unwrap_or_else(|_| {
            "global: {scrape_interval: 15s}\nscrape_configs: [{job_name: litellm, static_configs: [{targets: ['litellm:4000']}]}]\n".to_owned()
        });
        let mut config: Yaml = serde_yaml::from_str(&text).unwrap();
        config["global"]["scrape_interval"] = "1s".into();
        config["global"].as_mapping_mut().unwrap().remove("scrape_timeout");
        // Rules are tested beside their files.
        config.as_mapping_mut().unwrap().remove("rule_files");
        config.as_mapping_mut().unwrap().remove("alerting");
        let target = self.gateway.trim_start_matches("http://");
        let text = serde_yaml::to_string(&config)
            .unwrap()
            .replace("tollgate:4000", target)
            .replace("litellm:4000", target);
        assert!(text.contains(target), "it fetches from the gateway: {text}");
        fs::write(self.folder.path().join("prometheus.yml"), text).unwrap();
        let address = free_address();
        let mut prometheus = self.program(&program, "prometheus");
        for argument in compose("prometheus")["command"].as_sequence().unwrap() {
            let folder = self.folder.path().to_str().unwrap();
            let argument = filled(argument.as_str().unwrap(), &self.variables);
            let argument = argument
                .replace("/etc/prometheus", folder)
                .replace("=/prometheus", &format!("={folder}/tsdb"));
            prometheus.arg(argument);
        }
        prometheus.arg(format!("--web.listen-address={address}"));
        self.processes.push(Running(prometheus.spawn().unwrap()));
        let url = format!("http://{address}");
        eventually("Prometheus is healthy", async || {
            let healthy = self.shell(&format!("curl -sf {url}/-/healthy")).await;
            (!healthy.is_empty()).then_some(())
        })
        .await;
        self.prometheus = Some(url);
    }

    fn program(&self, program: &Path, log: &str) -> Command {
        let file = File::create(self.folder.path().join(format!("{log}.log"))).unwrap();
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        command
    }

    /// What lines of the document print.
    async fn shell(&self, lines: &str) -> String {
        let prometheus = self.prometheus.as_deref().unwrap_or("http://127.0.0.1:1");
        let base = self.upstream.base_url();
        let text = lines
            .replace("http://localhost:4000", &self.gateway)
            .replace("http://localhost:9090", prometheus)
            .replace("https://api-ap-southeast-1.modelarts-maas.com/openai/v1", &base);
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(text).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        shell.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(self.variables.iter().cloned());
        run(shell).await.stdout
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- the gateway's log\n{}--- Prometheus'\n{}",
                self.log("tollgate"),
                self.log("prometheus")
            );
        }
    }
}

const ADMIN: &str = r#"-H "Authorization: Bearer $LITELLM_MASTER_KEY""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stack_comes_up_and_passes_every_check_of_the_document() {
    let Some(stack) = Stack::up().await else { return };
    // 3: before the start.
    let complete = r#"source .env
for VAR in LITELLM_MASTER_KEY LITELLM_SALT_KEY DB_PASSWORD HUAWEI_MAAS_API_KEY; do
VAL="${!VAR:-}"
[ -z "$VAL" ] && echo "MISSING: $VAR" || echo "OK: $VAR (len=${#VAL})"
done"#;
    assert_eq!(stack.shell(complete).await.matches("OK: ").count(), 4);
    // 6: MaaS itself.
    let models = r#"curl -s https://api-ap-southeast-1.modelarts-maas.com/openai/v1/models \
-H "Authorization: Bearer $HUAWEI_MAAS_API_KEY" | jq '.data[].id'"#;
    assert!(stack.shell(models).await.starts_with('"'));
    // 7: health.
    assert_eq!(stack.shell("curl -s http://localhost:4000/health/liveliness").await, "\"I'm alive!\"");
    let health =
        format!("curl -s http://localhost:4000/health \\\n{ADMIN} | jq '.healthy_count, .unhealthy_count'");
    assert_eq!(stack.shell(&health).await, "10\n0\n");
    // 8 and 9: a completion, and a stream.
    let completion = format!(
        "curl -s http://localhost:4000/v1/chat/completions \\\n{ADMIN} \\\n-H \"Content-Type: application/json\" \\\n{}",
        r#"-d '{"model": "glm-5.1", "messages": [{"role": "user", "content": "Reply with OK only."}]}' | jq '.choices[0].message.content'"#
    );
    assert!(stack.shell(&completion).await.starts_with('"'));
    let stream = format!(
        "curl -s http://localhost:4000/v1/chat/completions \\\n{ADMIN} \\\n-H \"Content-Type: application/json\" \\\n{}",
        r#"-d '{"model": "deepseek-v4-flash", "messages": [{"role": "user", "content": "Count to 3."}], "stream": true}' | head -5"#
    );
    assert!(stack.shell(&stream).await.starts_with("data: {"));
    // 12, and the calls of the key that it mints.
    let mint = format!(
        "curl -s -X POST http://localhost:4000/key/generate \\\n{ADMIN} \\\n-H \"Content-Type: application/json\" \\\n{}",
        r#"-d '{"models": ["glm-5.1"], "max_budget": 1.0, "duration": "1d"}' | jq '.key'"#
    );
    let key = stack.shell(&mint).await;
    let key = key.trim().trim_matches('"').to_owned();
    assert!(key.starts_with("sk-"), "{key}");
    let own = completion.replace("$LITELLM_MASTER_KEY", &key);
    assert!(stack.shell(&own).await.starts_with('"'));
    // 10: metrics, and Prometheus.
    let families: u32 = stack
        .shell(r#"curl -s http://localhost:4000/metrics | grep -c "litellm_""#)
        .await
        .trim()
        .parse()
        .unwrap();
    assert!(families > 20);
    if stack.prometheus.is_some() {
        let targets = "curl -s http://localhost:9090/api/v1/targets | jq '.data.activeTargets[] | {job: .labels.job, health: .health}'";
        eventually("the gateway's target is up", async || {
            let said = stack.shell(targets).await;
            let mut all = serde_json::Deserializer::from_str(&said).into_iter::<Value>();
            all.any(|target| target.is_ok_and(|target| target["health"] == "up")).then_some(())
        })
        .await;
    }
    // All of it again, as one command.
    let mut doctor = tollgate(stack.folder.path());
    doctor
        .args(["doctor", "--json", "--spend", "--url", &stack.gateway, "--config"])
        .arg(root().join("conf/tollgate.yaml"));
    if let Some(prometheus) = &stack.prometheus {
        doctor.args(["--prometheus", prometheus]);
    }
    let ended = run(doctor).await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    let others: Vec<_> =
        report["steps"].as_array().unwrap().iter().filter(|step| step["verdict"] != "pass").collect();
    let allowed = if stack.prometheus.is_some() { vec!["Grafana"] } else { vec!["Prometheus", "Grafana"] };
    assert!(
        ended.code == 0 && others.iter().all(|step| allowed.contains(&step["step"].as_str().unwrap())),
        "{report:#}"
    );
    if stack.prometheus.is_some() {
        every_query_returns_data(&stack, &completion, &stream).await;
    }
}

/// "Useful PromQL", line by line.
async fn every_query_returns_data(stack: &Stack, completion: &str, stream: &str) {
    // One key goes bad, so that something cools down.
    stack.upstream.set(script(&[(KEYS[0], "ok")]));
    let mut missing = SEEDS_PROMQL.to_vec();
    let asked = async |query: &str| -> Value {
        let line = format!("curl -s -G http://localhost:9090/api/v1/query --data-urlencode 'query={query}'");
        let answer: Value = serde_json::from_str(&stack.shell(&line).await).unwrap_or_default();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].clone()
    };
    let total = async || -> f64 {
        let found = asked("sum(litellm_proxy_total_requests_metric)").await;
        found[0]["value"][1].as_str().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    // A model with quota for all of these: others would have to wait.
    let stream = stream.replace("deepseek-v4-flash", "deepseek-v3.2");
    // In rounds, each seen by Prometheus before the next: a rate wants two points.
    for _ in 0..3 {
        let before = total().await;
        for _ in 0..2 {
            stack.shell(completion).await;
            stack.shell(&stream).await;
        }
        eventually("the calls are scraped", async || (total().await >= before + 4.0).then_some(())).await;
    }
    eventually("every query has a number", async || {
        let mut left = Vec::new();
        for query in &missing {
            let rows = asked(query).await.as_array().cloned().unwrap_or_default();
            if !rows.iter().any(|row| row["value"][1] != "NaN") {
                left.push(*query);
            }
        }
        missing = left;
        missing.is_empty().then_some(())
    })
    .await;
}
