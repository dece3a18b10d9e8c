//! The configurations this program exists for load as they are.

use super::{Compiled, Env, Overrides, Status, load};
use std::path::{Path, PathBuf};

const KEY: &str = "sk-Zq8vN2rT5xW1";

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn loaded(path: &Path, vars: &[(&str, &str)]) -> Compiled {
    load(path, &Env::of(vars), &Overrides::default()).unwrap_or_else(|faults| {
        let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"))
    })
}

fn seed(name: &str, vars: &[(&str, &str)]) -> Compiled {
    let mut all = vec![("LITELLM_MASTER_KEY", KEY), ("HOST", "0.0.0.0")];
    all.extend(vars);
    loaded(&at_root("tests/fixtures/seeds").join(name), &all)
}

fn status(compiled: &Compiled, path: &str) -> Status {
    let row = compiled.audit.iter().find(|row| row.place.path == path);
    row.unwrap_or_else(|| panic!("no row {path}")).status
}

fn ids(compiled: &Compiled) -> Vec<&str> {
    compiled.config.targets.iter().map(|t| t.id.as_str()).collect()
}

#[test]
fn seed_0_is_served_with_its_pool_as_its_generated_twin_is() {
    let base = ("HUAWEI_MAAS_API_BASE", "https://api-ap-southeast-1.modelarts-maas.com/openai/v1");
    let keys = [
        base,
        ("HUAWEI_MAAS_API_KEY", "k0"),
        ("HUAWEI_MAAS_API_KEY_COUNT", "2"),
        ("HUAWEI_MAAS_API_KEY_0", "k0"),
        ("HUAWEI_MAAS_API_KEY_1", "k1"),
    ];
    let pooled = seed("seed0.yaml", &keys);
    assert_eq!(pooled.config.targets.len(), 10);
    assert_eq!(ids(&pooled), ids(&seed("seed0_generated.yaml", &keys)), "dashboards must find the same ids");
    let router = &pooled.config.router;
    assert_eq!((router.num_retries, router.cooldown_time.as_secs(), router.allowed_fails), (3, 30, 3));
    assert_eq!((router.timeout.as_secs(), router.stream_timeout.unwrap().as_secs()), (600, 60));
    let prices = pooled.config.targets[0].info.prices.unwrap();
    assert_eq!((prices.input.pico(), prices.output.pico()), (1_078_000, 3_774_000));
    assert_eq!(status(&pooled, "litellm_settings.set_verbose"), Status::Honoured);
    assert_eq!(
        status(&pooled, "litellm_settings.callbacks: custom_callbacks.my_prometheus_logger"),
        Status::Honoured
    );
    assert_eq!(status(&pooled, "general_settings.database_connection_timeout"), Status::Honoured);
    assert!(pooled.warnings.is_empty(), "{:?}", pooled.warnings);
    assert_eq!(seed("seed0.yaml", &keys[1..2]).config.targets.len(), 5);
}

#[test]
fn seed_1_sends_any_name_to_llama_swap() {
    let compiled = seed(
        "seed1.yaml",
        &[("SEARXNG_API_BASE", "http://searxng:8080"), ("DATABASE_URL", "postgresql://x")],
    );
    let first = &compiled.config.targets[0];
    assert_eq!((first.group.as_str(), first.model.as_str(), first.base_path.as_str()), ("*", "*", "/v1"));
    assert_eq!(status(&compiled, "general_settings.pass_through_endpoints"), Status::Honoured);
    assert_eq!(status(&compiled, "litellm_settings.success_callback: langfuse"), Status::Honoured);
    assert_eq!(status(&compiled, "search_tools[0].litellm_params.search_provider"), Status::Honoured);
    assert_eq!(compiled.config.search_tools[0].origin.to_string(), "searxng:8080");
}

#[test]
fn seed_2_routes_to_the_least_busy() {
    let compiled = seed("seed2.yaml", &[]);
    assert_eq!(compiled.config.targets.len(), 5);
    assert!(compiled.config.targets.iter().all(|t| t.unserved.is_none()));
    assert_eq!(status(&compiled, "router_settings.routing_strategy"), Status::Honoured);
    assert_eq!(status(&compiled, "litellm_settings.cache_kwargs"), Status::IgnoredByLiteLlm);
    assert_eq!(status(&compiled, "general_settings.rate_limit_config"), Status::IgnoredByLiteLlm);
}

#[test]
fn seed_3_loads_although_litellm_would_not_start() {
    let vars = [
        ("OPENAI_API_KEY", "o"),
        ("ANTHROPIC_API_KEY", "a"),
        ("GEMINI_API_KEY", "g"),
        ("REDIS_HOST", "redis"),
    ];
    for name in ["seed3.yaml", "seed3_advanced.yaml"] {
        let compiled = seed(name, &vars);
        let by = |group: &str| compiled.config.targets.iter().find(|t| t.group == group).unwrap();
        assert_eq!(by("gpt-4").params.defaults["temperature"], 0.7);
        assert_eq!(by("llama2").base_path, "");
        assert_eq!(by("claude-3-sonnet").origin.host, "api.anthropic.com");
        assert_eq!(compiled.config.aliases[0].groups, ["gpt-4", "gpt-4-turbo"]);
        assert_eq!(status(&compiled, "general_settings.allowed_ips"), Status::Honoured);
        assert_eq!(status(&compiled, "general_settings.max_budget"), Status::IgnoredByLiteLlm);
        assert!(compiled.audit.iter().all(|row| row.status != Status::Unknown), "{name}");
    }
    let compiled = seed("seed3_advanced.yaml", &vars);
    assert_eq!(status(&compiled, "router_settings.retry_policy.max_retries"), Status::IgnoredByLiteLlm);
    assert_eq!(compiled.config.router.cooldown_time.as_secs(), 1);
}

#[test]
fn seed_4_reads_ports_that_are_text() {
    let vars = [
        ("OPENAI_API_KEY", "o"),
        ("ANTHROPIC_API_KEY", "a"),
        ("PROXY_MASTER_KEY", KEY),
        ("DATABASE_URL", "postgresql://u:p@pooler:5432/litellm?schema=litellm"),
    ];
    let compiled = seed("seed4.yaml", &vars);
    assert_eq!(compiled.config.server.master_key.as_ref().unwrap().expose(), KEY);
    assert_eq!(status(&compiled, "model_list[0].model_info.cache"), Status::IgnoredByLiteLlm);
    assert_eq!(status(&compiled, "litellm_settings.telemetry"), Status::IgnoredByLiteLlm);
}

#[test]
fn every_file_in_conf_loads_and_is_honoured_in_full() {
    let vars = [
        ("LITELLM_MASTER_KEY", KEY),
        ("HUAWEI_MAAS_API_KEY", "k"),
        ("OPENAI_API_KEY", "o"),
        ("GROQ_API_KEY", "g"),
    ];
    let mut files = vec![at_root("conf/tollgate.yaml")];
    let examples = std::fs::read_dir(at_root("conf/examples")).unwrap();
    let yaml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml");
    files.extend(examples.map(|entry| entry.unwrap().path()).filter(yaml));
    assert!(files.len() >= 6);
    for file in files {
        let compiled = loaded(&file, &vars);
        let odd: Vec<_> = compiled.audit.iter().filter(|row| row.status != Status::Honoured).collect();
        assert!(odd.is_empty(), "{}: {odd:?}", file.display());
    }
}
