//! The commands of the documents, all of them, in their order. Stand-ins are there for what a test has not: a person who types,
//! containers (the stand-in looks whether files, services and commands exist, and starts the gateway itself), a build.

use crate::harness::{free_address, program, upstream_of};
use crate::stack::empty_database;
use crate::support::{answer, canned};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// How long all commands of a document may take.
const PATIENCE: Duration = Duration::from_secs(240);
const KEYS: [&str; 2] = ["maas-key-of-a-document-1", "maas-key-of-a-document-2"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The shell blocks of a document.
fn blocks(text: &str) -> Vec<String> {
    let parts = text.split("\n```sh\n").skip(1);
    parts.map(|part| part.split("\n```").next().unwrap().to_owned()).collect()
}

/// Where the commands are run; the gateways they start end with it.
struct Place {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let started = fs::read_to_string(self.folder.path().join("serve.pids")).unwrap_or_default();
        for pid in started.split_whitespace() {
            // It may have ended already.
            drop(Command::new("kill").arg(pid).stderr(Stdio::null()).status());
        }
    }
}

const TOLLGATE: &str = r#"#!/bin/bash
case "${1:-}" in
init)
    shift
    case "${1:-}" in
    add-key) echo maas-key-of-a-document-2 | "$REAL" init "$@" ;;
    remove-key) exec "$REAL" init "$@" ;;
    *) exec "$REAL" init --ci "$@" ;;
    esac
    ;;
doctor) exec "$REAL" "$@" --prometheus "$PROMETHEUS" --grafana "$GRAFANA" ;;
top) exec "$REAL" "$@" --once --interval 0.2 ;;
backup)
    unset DATABASE_URL
    export PORT=$OTHER_PORT TOLLGATE_DATA_DIR=$PWD/file
    "$0" --config=conf/tollgate.yaml
    exec "$REAL" "$@"
    ;;
"" | --config*)
    "$REAL" "$@" >>serve.log 2>&1 &
    echo $! >>serve.pids
    for _ in {1..600}; do
        "$REAL" health >health.log 2>&1 && exit 0
        sleep 0.1
    done
    cat serve.log health.log >&2
    exit 1
    ;;
*) exec "$REAL" "$@" ;;
esac
"#;

const DOCKER: &str = r#"#!/bin/bash
set -eo pipefail
refuse() { echo "docker: $*" >&2; exit 1; }
services() {
    for name; do
        [[ $name == -* ]] || grep -q "^  $name:\$" "$stack" || refuse "no service $name"
    done
}
[[ $1 == compose ]] || refuse "$1"
shift
# As compose does: named here, with its variables, or named by the `.env` of this folder, with those.
if [[ $1 == -f ]]; then
    [[ $3 == --env-file && -f $4 ]] || refuse "no variables for $2"
    stack=$2
    shift 4
else
    stack=$(sed -n 's/^COMPOSE_FILE="\(.*\)"$/\1/p' .env)
fi
[[ -f $stack ]] || refuse "no stack: $stack"
word=$1
shift
case $word in
up)
    services "$@"
    [[ -s serve.pids ]] || tollgate --config=conf/tollgate.yaml
    ;;
ps | start | stop) services "$@" ;;
kill)
    [[ $1 == -s && $2 == HUP ]] || refuse "kill $*"
    services "$3"
    kill -HUP "$(tail -1 serve.pids)"
    ;;
exec)
    [[ $1 == -T ]] && shift
    services "$1"
    shift
    case "$*" in
    "pg_dump -U llmproxy litellm") [[ -z $DATABASE_URL ]] || pg_dump "$DATABASE_URL" ;;
    "psql -U llmproxy litellm") [[ -z $DATABASE_URL ]] || psql -q -v ON_ERROR_STOP=1 "$EMPTY_URL" ;;
    *) refuse "exec $*" ;;
    esac
    ;;
*) refuse "$word" ;;
esac
"#;

const CARGO: &str = r#"#!/bin/bash
case "$*" in
"build --release") ;;
"run --release -- demo") exec "$REAL" demo --once --port "$OTHER_PORT" ;;
*) echo "cargo: $*" >&2; exit 1 ;;
esac
"#;

/// There may be others on this machine.
const PGREP: &str = r#"#!/bin/bash
[[ "$*" == "-x tollgate" ]] && head -1 serve.pids
"#;

impl Place {
    async fn make(upstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["bin", "target/release", "moved"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for (name, text) in [("tollgate", TOLLGATE), ("docker", DOCKER), ("cargo", CARGO), ("pgrep", PGREP)] {
            let file = at("bin").join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink(at("bin/tollgate"), at("target/release/tollgate")).unwrap();
        for name in ["conf", "docker", "observability"] {
            symlink(root().join(name), at(name)).unwrap();
        }
        let budgets = "budget_id,max_budget,created_by,updated_by\nsmall,5,admin,admin\n";
        fs::write(at("moved/LiteLLM_BudgetTable.csv"), budgets).unwrap();
        let targets =
            json!({ "data": { "activeTargets": [{ "labels": { "job": "tollgate" }, "health": "up" }] } });
        let prometheus = canned(answer(200, &[], &targets.to_string())).await;
        let grafana = canned(answer(200, &[], r#"{"database":"ok","version":"11.5.2"}"#)).await;
        let path = std::env::var("PATH").unwrap();
        let variables = [
            ("PATH", format!("{}:{path}", at("bin").display())),
            ("REAL", program().display().to_string()),
            ("HOME", folder.path().display().to_string()),
            ("PORT", free_address().port().to_string()),
            ("OTHER_PORT", free_address().port().to_string()),
            ("PROMETHEUS", prometheus.trim_end_matches("/v1").to_owned()),
            ("GRAFANA", grafana.trim_end_matches("/v1").to_owned()),
            ("OPENAI_BASE_URL", upstream.to_owned()),
            ("HUAWEI_MAAS_API_BASE", upstream.to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { folder, variables }
    }

    fn variable(&self, name: &str) -> &str {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap()
    }

    /// Runs all blocks in one shell, which stops at the first that fails.
    async fn run(&self, blocks: impl IntoIterator<Item = String>) -> Output {
        let mut script =
            "set -eo pipefail\ncurl() { command curl --silent --show-error --fail-with-body \"$@\"; }\n"
                .to_owned();
        for (n, block) in blocks.into_iter().enumerate() {
            let block = block.replace("127.0.0.1:4000", &format!("127.0.0.1:{}", self.variable("PORT")));
            script.push_str(&format!("echo; echo \"=== block {}\"\n{block}\n", n + 1));
        }
        let mut shell = tokio::process::Command::new("bash");
        shell.arg("-c").arg(script).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        shell.envs(self.variables.iter().cloned()).kill_on_drop(true);
        tokio::time::timeout(PATIENCE, shell.output()).await.expect("the commands end").unwrap()
    }

    /// What all gateways wrote.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default()
    }
}

fn has_tools() -> bool {
    let missing = ["curl", "jq", "bash", "openssl"].into_iter().find(|tool| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        !std::env::split_paths(&paths).any(|folder: PathBuf| folder.join(tool).exists())
    });
    if let Some(missing) = missing {
        eprintln!("left out, for want of {missing}: run tests/run needs");
    }
    missing.is_none()
}

fn told(place: &Place, ended: &Output) -> String {
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}--- errors\n{}--- the gateway\n{}", read(&ended.stdout), read(&ended.stderr), place.log())
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_readme_works() {
    if !has_tools() {
        return;
    }
    let upstream = upstream_of(&[("...", "ok"), (KEYS[0], "ok")]).await;
    let mut place = Place::make(&upstream.base_url()).await;
    place.variables.push(("HUAWEI_MAAS_API_KEY".to_owned(), KEYS[0].to_owned()));
    let blocks = blocks(&read("README.md"));
    assert!(blocks.len() >= 10, "they are found");
    let blocks = blocks.into_iter().map(|block| {
        let block = block.replace("postgresql://user:password@old-host/litellm", "moved");
        // The key that was made above, within a text in single quotes.
        let block = block.replace("sk-...", "'\"$KEY\"'");
        match block.as_str() {
            // This is it.
            "tests/run" => "test -x \"$REAL\"".to_owned(),
            // A gateway of its own, and a database that is not there.
            block if block.contains("tollgate init") => {
                format!("(export PORT=$OTHER_PORT TOLLGATE_DATA_DIR=$PWD/other\n{block}\n)")
            }
            block if block.starts_with("export DATABASE_URL=") => {
                format!("(\n{block}\n\"$REAL\" check config.yaml\n)")
            }
            // Tried in full against a server that plays Ollama, elsewhere.
            block if block.starts_with("tollgate ollama") => {
                "tollgate ollama sync --help >/dev/null".to_owned()
            }
            _ => block,
        }
    });
    let ended = place.run(blocks).await;
    assert!(ended.status.success(), "{}", told(&place, &ended));
    let said = told(&place, &ended);
    for words in ["the books agree", "research", "Nothing was written yet", "Done.", "Nobody waits for"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_about_the_stack_works() {
    if !has_tools() {
        return;
    }
    let upstream = upstream_of(&KEYS.map(|key| (key, "ok"))).await;
    let mut place = Place::make(&upstream.base_url()).await;
    place.variables.push(("HUAWEI_MAAS_API_KEY".to_owned(), KEYS[0].to_owned()));
    let (own, empty) = (empty_database().await, empty_database().await);
    for (name, url) in [("DATABASE_URL", own), ("EMPTY_URL", empty)] {
        place.variables.push((name.to_owned(), url.unwrap_or_default()));
    }
    let mint = "KEY=$(curl http://127.0.0.1:4000/key/generate -H \"Authorization: Bearer $LITELLM_MASTER_KEY\" -d '{}' -H 'Content-Type: application/json' | jq -r .key)";
    let blocks = blocks(&read("docker/README.md"))
        .into_iter()
        .map(|block| if block.contains("/key/regenerate") { format!("{mint}\n{block}") } else { block });
    let ended = place.run(blocks).await;
    let said = told(&place, &ended);
    assert!(ended.status.success(), "{said}");
    for words in ["0 failed", "FAIL"] {
        assert!(!said.contains(words), "{said}");
    }
    assert!(said.contains("and it is sound") && said.contains("\"glm-5.1\""), "{said}");
    let env = fs::read_to_string(place.folder.path().join(".env")).unwrap();
    assert!(env.contains(KEYS[1]) && !env.contains(KEYS[0]), "the keys were rotated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_about_monitoring_works() {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let Ok(text) = fs::read_to_string(root().join("observability/README.md")) else { return };
    if !std::env::split_paths(&paths).any(|folder| folder.join("promtool").exists()) {
        eprintln!("left out, for want of promtool: run tests/run needs");
        return;
    }
    let upstream = upstream_of(&[]).await;
    let place = Place::make(&upstream.base_url()).await;
    let ended = place.run(blocks(&text)).await;
    assert!(ended.status.success(), "{}", told(&place, &ended));
}
