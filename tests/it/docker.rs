//! The files of `docker/`: what they name is there, what they promise holds. No container is started.

use crate::support::{run, tollgate};
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn compose() -> Value {
    compose_of("compose.yaml")
}

fn compose_of(file: &str) -> Value {
    let text = fs::read_to_string(root().join("docker").join(file)).unwrap();
    let mut all: Value = serde_yaml::from_str(&text).unwrap();
    all.apply_merge().unwrap();
    all
}

fn services(all: &Value) -> Vec<(String, Value)> {
    let services = all["services"].as_mapping().unwrap().iter();
    services.map(|(name, service)| (name.as_str().unwrap().to_owned(), service.clone())).collect()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_sequence().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_bill_of_materials_names_what_is_linked_and_nothing_else() {
    let script = root().join("docker/sbom.py");
    let bill = || {
        let made = Command::new("python3").arg(&script).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        made.stdout
    };
    let text = bill();
    assert_eq!(text, bill(), "the same sources give the same bytes");
    let bill: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(bill["specVersion"], "1.5");
    assert_eq!(bill["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<_> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
    for linked in ["pingora-proxy", "tokio", "sqlx-core", "rustls"] {
        assert!(names.contains(linked), "{linked}");
    }
    for absent in ["proptest", "openssl-sys", "tollgate-bench"] {
        assert!(!names.contains(absent), "{absent}");
    }
    for one in components {
        assert!(
            one["licenses"][0]["expression"].is_string() && one["hashes"][0]["content"].is_string(),
            "{one}"
        );
    }
}

#[test]
fn every_file_that_is_mounted_and_every_volume_is_there() {
    let all = compose();
    let folder = root().join("docker");
    let mut used = BTreeSet::new();
    for (name, service) in services(&all) {
        for mount in texts(&service["volumes"]) {
            let (from, to) = mount.split_once(':').unwrap();
            assert!(to.starts_with('/'), "{name}: {mount}");
            if from.contains("observability") && !root().join("observability").exists() {
                continue;
            }
            if from.starts_with('.') {
                assert!(mount.ends_with(":ro"), "{name}: {mount} could be written by the container");
                assert!(folder.join(from).exists(), "{name}: {mount}");
            } else {
                used.insert(from.to_owned());
            }
        }
        for file in texts(&service["env_file"]) {
            assert_eq!(file, "../.env", "the file that tollgate init makes, in the root");
        }
    }
    let declared: BTreeSet<String> =
        all["volumes"].as_mapping().unwrap().keys().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(used, declared);
    let old = ["postgres_data", "prometheus_data", "grafana_data"];
    for name in old {
        assert_eq!(
            all["volumes"][name]["name"],
            format!("litellm_{name}"),
            "the data of the stack before goes on"
        );
    }
}

/// Three gateways of one kind, each with a journal of its own, on the database and the Redis that they name.
#[test]
fn the_stack_with_redis_is_that_stack_three_times() {
    let (all, one) = (compose_of("compose.redis.yaml"), compose());
    let (mut ports, mut volumes) = (BTreeSet::new(), BTreeSet::new());
    for name in ["tollgate", "tollgate-2", "tollgate-3"] {
        let service = &all["services"][name];
        is_that_gateway(service, &one["services"]["tollgate"]);
        ports.extend(texts(&service["ports"]));
        volumes.extend(texts(&service["volumes"]).into_iter().filter(|mount| !mount.starts_with('.')));
    }
    assert_eq!((ports.len(), volumes.len()), (3, 3), "{ports:?} {volumes:?}");
    for mount in volumes {
        assert!(!all["volumes"][mount.split(':').next().unwrap()].is_null(), "{mount}");
    }
    assert_eq!(all["services"]["db"], one["services"]["db"]);
    let redis = &all["services"]["redis"];
    assert!(redis["ports"].is_null() && redis["healthcheck"]["test"].is_sequence());
    assert_eq!(redis["logging"], one["services"]["db"]["logging"]);
}

/// The same gateway, with a Redis besides.
fn is_that_gateway(service: &Value, one: &Value) {
    let same = "image build env_file read_only cap_drop healthcheck command restart logging security_opt stop_grace_period";
    for field in same.split(' ') {
        assert_eq!(service[field], one[field], "{field}");
    }
    for (variable, value) in one["environment"].as_mapping().unwrap() {
        assert_eq!(&service["environment"][variable], value);
    }
    assert_eq!(service["environment"]["REDIS_HOST"], "redis");
    for on in ["db", "redis"] {
        assert_eq!(service["depends_on"][on]["condition"], "service_healthy");
    }
}

/// What the files of `observability/` say of other containers is so in the stack.
#[test]
fn monitoring_finds_what_it_names() {
    let folder = root().join("observability");
    if !folder.exists() {
        return;
    }
    let all = compose();
    let yaml = |path: &str| -> Value {
        serde_yaml::from_str(&fs::read_to_string(folder.join(path)).unwrap()).unwrap()
    };
    let prometheus = yaml("prometheus.yml");
    for job in prometheus["scrape_configs"].as_sequence().unwrap() {
        for target in texts(&job["static_configs"][0]["targets"]) {
            let (name, port) = target.split_once(':').unwrap();
            let ports = texts(&all["services"][name]["ports"]);
            assert!(ports.iter().any(|known| known.ends_with(&format!(":{port}"))), "{target}");
        }
    }
    for rules in texts(&prometheus["rule_files"]) {
        assert!(folder.join(&rules).exists(), "{rules}, below the folder that is mounted");
    }
    let mounts = texts(&all["services"]["grafana"]["volumes"]);
    let provider =
        yaml("grafana/provisioning/dashboards/dashboards.yml")["providers"][0]["options"]["path"].clone();
    let place = format!(":{}:ro", provider.as_str().unwrap());
    assert!(mounts.iter().any(|mount| mount.ends_with(&place)), "{place} is not among {mounts:?}");
    let source = yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"][0]["url"].clone();
    assert_eq!(source, "http://prometheus:9090");
}

#[test]
fn ports_are_the_usual_ones_and_the_database_has_none() {
    let all = compose();
    let ports: Vec<(String, Vec<String>)> =
        services(&all).into_iter().map(|(name, service)| (name, texts(&service["ports"]))).collect();
    let expected = [
        ("tollgate", vec!["4000:4000"]),
        ("db", vec![]),
        ("prometheus", vec!["127.0.0.1:9090:9090"]),
        ("grafana", vec!["3000:3000"]),
    ];
    let expected =
        expected.map(|(name, ports)| (name.to_owned(), ports.into_iter().map(str::to_owned).collect()));
    assert_eq!(ports, expected);
}

#[test]
fn services_come_up_one_after_the_other_and_their_logs_are_bounded() {
    let all = compose();
    let all_services = services(&all);
    let after = |name: &str| {
        let service = &all["services"][name]["depends_on"];
        let mapping = service.as_mapping().cloned().unwrap_or_default();
        mapping
            .iter()
            .map(|(on, how)| {
                assert_eq!(how["condition"], "service_healthy", "{name}");
                on.as_str().unwrap().to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(after("db"), Vec::<String>::new());
    assert_eq!(after("tollgate"), ["db"]);
    assert_eq!(after("prometheus"), ["tollgate"]);
    assert_eq!(after("grafana"), ["prometheus"]);
    for (name, service) in &all_services {
        let log = &service["logging"];
        assert_eq!(
            (&log["driver"], &log["options"]["max-size"], &log["options"]["max-file"]),
            (&"json-file".into(), &"10m".into(), &"3".into()),
            "{name}"
        );
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        let health = &service["healthcheck"];
        assert!(
            health["test"].is_sequence() && health["interval"].is_string() && health["retries"].is_number(),
            "{name}"
        );
        let image = service["image"].as_str().unwrap();
        let tag = image.rsplit_once(':').unwrap().1;
        assert!(tag != "latest" && tag.bytes().any(|b| b.is_ascii_digit()), "{name}: {image}");
    }
    let own = &all["services"]["tollgate"];
    assert_eq!((&own["read_only"], texts(&own["cap_drop"])), (&Value::Bool(true), vec!["ALL".to_owned()]));
    let drain = own["stop_grace_period"].as_str().unwrap().trim_end_matches('s').parse::<u32>().unwrap();
    assert!(drain > 30, "longer than the default of tollgate.drain_timeout");
    assert_eq!(own["image"], format!("tollgate:{}", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn what_is_filled_in_is_what_init_writes_and_no_secret_stands_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut init = tollgate(folder.path());
    init.args(["init", "--ci"]).env("HUAWEI_MAAS_API_KEY", "maas-key-0123456789");
    assert_eq!(run(init).await.code, 0);
    let written = fs::read_to_string(folder.path().join(".env")).unwrap();
    let text = fs::read_to_string(root().join("docker/compose.yaml")).unwrap();
    let mut names = 0;
    for rest in text.split("${").skip(1) {
        let name = rest.split([':', '}']).next().unwrap();
        assert!(written.contains(&format!("\n{name}=\"")), "{name} is not in .env:\n{written}");
        names += 1;
    }
    assert!(names >= 4);
    for word in ["sk-", "PASSWORD: admin", "PASSWORD: \""] {
        assert!(!text.contains(word), "{word}");
    }
}

/// The words after an instruction, with continued lines joined.
fn instructions(name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docker/Dockerfile")).unwrap().replace("\\\n", " ");
    let lines =
        text.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(' ')).map(str::trim);
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_image_runs_what_exists_as_nobody() {
    let user = instructions("USER");
    assert_eq!(user, ["65532:65532"]);
    assert_eq!(instructions("ENTRYPOINT"), [r#"["/usr/local/bin/tollgate"]"#]);
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let rust =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(
        instructions("FROM")[0].starts_with(&format!("rust:{rust}-")),
        "the release that Cargo.toml names"
    );
    assert!(instructions("FROM")[1].starts_with("gcr.io/distroless/"));
    for copy in instructions("COPY").iter().filter(|copy| !copy.starts_with("--from")) {
        let from = copy.split_whitespace().next().unwrap();
        assert!(root().join(from).exists(), "{copy}");
    }
    // The health checks of image and compose file are one command, and it exists.
    let image = fs::read_to_string(root().join("docker/Dockerfile")).unwrap().replace("\\\n", " ");
    assert!(image.contains(r#"CMD ["/usr/local/bin/tollgate", "health"]"#));
    let check = texts(&compose()["services"]["tollgate"]["healthcheck"]["test"]);
    assert_eq!(check, ["CMD", "/usr/local/bin/tollgate", "health"]);
    let folder = tempfile::tempdir().unwrap();
    let mut help = tollgate(folder.path());
    help.args(["health", "--help"]);
    assert_eq!(run(help).await.code, 0);
    // The default command is taken, and would serve the file that is copied there.
    let mut command = tollgate(&root());
    command
        .args(["check", "conf/tollgate.yaml"])
        .env("HUAWEI_MAAS_API_KEY", "k-0123456789")
        .env("LITELLM_MASTER_KEY", "sk-0123456789abcdef");
    assert_eq!(run(command).await.code, 0);
}

/// What the build is sent is enough for cargo, and holds neither secrets nor the build folder.
#[test]
fn the_build_is_sent_what_it_needs() {
    let text = fs::read_to_string(root().join("docker/Dockerfile.dockerignore")).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(lines.next(), Some("*"), "nothing unless it is named");
    let sent: Vec<&str> = lines.map(|line| line.strip_prefix('!').unwrap()).collect();
    assert!(!sent.iter().any(|path| path.contains(".env") || path.starts_with("target")));
    let folder = tempfile::tempdir().unwrap();
    for path in &sent {
        let to = folder.path().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy(&root().join(path), &to);
    }
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline", "--manifest-path"])
        .arg(folder.path().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    // Files that the program is built from beside its own.
    let named = [("src", "migrations"), ("docker", "conf/tollgate.yaml")];
    assert!(named.iter().all(|(_, path)| folder.path().join(path).exists()));
    for path in ["build.rs", "bench/order/order.ld"] {
        assert!(folder.path().join(path).is_file(), "{path}: without it the program is another one");
    }
    // Scripts that are run there, and what is copied besides.
    let run = instructions("RUN").join(" ");
    let scripts: Vec<&str> = run.split_whitespace().filter(|word| word.starts_with("docker/")).collect();
    assert_eq!(scripts, ["docker/build.sh", "docker/sbom.py"]);
    assert!(scripts.iter().all(|path| folder.path().join(path).is_file()), "{scripts:?} in {sent:?}");
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}
