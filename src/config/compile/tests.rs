use super::*;
use crate::config::{Alias, Filters, HealthCheck};
use proptest::prelude::*;
use std::time::Duration;

fn ok(text: &str, vars: &[(&str, &str)]) -> Compiled {
    parse_and_compile(text, &Env::of(vars), &Overrides::default())
        .unwrap_or_else(|faults| panic!("{}", listed(&faults)))
}

fn faults(text: &str, vars: &[(&str, &str)]) -> String {
    let overrides = Overrides::default();
    listed(&parse_and_compile(text, &Env::of(vars), &overrides).expect_err("this must be a fault"))
}

fn listed<T: std::fmt::Display>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn one_model(params: &str) -> String {
    format!("model_list:\n  - model_name: m\n    litellm_params: {{{params}}}\n")
}

const POOLED: &str = "model_list:
  - model_name: glm-5.1
    litellm_params:
      model: openai/glm-5.1
      api_base: os.environ/HUAWEI_MAAS_API_BASE
      api_key: os.environ/HUAWEI_MAAS_API_KEY
      tpm: 500000
      rpm: 30
";

/// sha256 as Python computes it over the entry that the seed's script generates for each key.
const IDS: [&str; 2] = [
    "382b31a39e67175bbd94ae45b7d697fbd494bf71be000b6ba2d97ec92f718740",
    "d3812da306518bea613ce90414a299d9646bea253872bbde82dfcc62831d2e4d",
];

#[test]
fn a_pool_is_one_deployment_for_each_distinct_key() {
    let one = ok(POOLED, &[("HUAWEI_MAAS_API_KEY", "maas-key-a")]);
    let env = [
        ("HUAWEI_MAAS_API_KEY", "maas-key-a"),
        ("HUAWEI_MAAS_API_KEY_COUNT", "2"),
        ("HUAWEI_MAAS_API_KEY_0", "maas-key-a"),
        ("HUAWEI_MAAS_API_KEY_1", "maas-key-b"),
    ];
    let two = ok(POOLED, &env);
    let ids = |c: &Compiled| c.config.targets.iter().map(|t| t.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&one), IDS[..1]);
    assert_eq!(ids(&two), IDS);
    assert_eq!(two.config.targets[1].api_key.as_ref().unwrap().expose(), "maas-key-b");
    assert_eq!(two.config.targets[1].origin.host, "api-ap-southeast-1.modelarts-maas.com");
    assert_eq!(
        ids(&ok(POOLED, &env[..3].iter().filter(|v| !v.0.ends_with("COUNT")).copied().collect::<Vec<_>>())),
        IDS[..1]
    );
    let extra =
        [("HUAWEI_MAAS_API_KEY", "maas-key-a"), ("HUAWEI_MAAS_EXTRA_API_KEYS", "maas-key-b, maas-key-a,,")];
    assert_eq!(ids(&ok(POOLED, &extra)), [IDS[1], IDS[0]]);
    let fixed = POOLED.replace("API_KEY\n", "API_KEY_1\n");
    assert_eq!(ids(&ok(&fixed, &env)), IDS[1..], "an entry that names one key of the pool is one deployment");
}

#[test]
fn holes_and_placeholders_in_a_pool_are_faults_without_values() {
    let env = [
        ("HUAWEI_MAAS_API_KEY", "change-me-canary"),
        ("HUAWEI_MAAS_API_KEY_COUNT", "3"),
        ("HUAWEI_MAAS_API_KEY_0", "good"),
        ("HUAWEI_MAAS_API_KEY_2", ""),
    ];
    let all = faults(POOLED, &env);
    assert!(
        all.contains("HUAWEI_MAAS_API_KEY_1: not set") && all.contains("HUAWEI_MAAS_API_KEY_2: not set"),
        "{all}"
    );
    assert!(all.contains("HUAWEI_MAAS_API_KEY: still the placeholder") && !all.contains("canary"), "{all}");
    assert!(faults(POOLED, &[("HUAWEI_MAAS_API_KEY_COUNT", "many")]).contains("_COUNT"));
}

#[test]
fn providers_are_found_by_prefix() {
    for (params, provider, model, base) in [
        ("model: openai/a/b", "openai", "a/b", "https://api.openai.com/v1"),
        ("model: gpt-4o", "openai", "gpt-4o", "https://api.openai.com/v1"),
        ("model: ollama/llama2, api_base: 'http://h:11434/'", "ollama", "llama2", "http://h:11434"),
        ("model: ollama/llama2, api_base: 'http://h:11434/v1'", "ollama", "llama2", "http://h:11434"),
        ("model: cohere/c, api_base: 'https://p.example/v2/chat'", "cohere", "c", "https://p.example"),
        (
            "model: gemini/g, api_base: 'https://p.example/v1beta/openai/'",
            "gemini",
            "g",
            "https://p.example/v1beta",
        ),
        ("model: ollama_chat/llama2", "ollama_chat", "llama2", "http://localhost:11434"),
        ("model: anthropic/c, api_base: 'https://p.example'", "anthropic", "c", "https://p.example/v1"),
        ("model: anthropic/c, api_base: 'https://p/a/v1/messages'", "anthropic", "c", "https://p/a/v1"),
        ("model: openai/c, api_base: 'https://p/v1/chat/completions'", "openai", "c", "https://p/v1"),
        (
            "model: claude-3-5-haiku-latest",
            "anthropic",
            "claude-3-5-haiku-latest",
            "https://api.anthropic.com/v1",
        ),
        (
            "model: custom/model-name, api_base: 'http://v:8000/v1'",
            "custom",
            "model-name",
            "http://v:8000/v1",
        ),
        ("model: meta-llama/L3, api_base: 'http://v/v1'", "openai", "meta-llama/L3", "http://v/v1"),
        ("model: cerebras/x, api_base: 'https://c/v1'", "cerebras", "x", "https://c/v1"),
        ("model: llama, custom_llm_provider: groq", "groq", "llama", "https://api.groq.com/openai/v1"),
    ] {
        let compiled = ok(&one_model(params), &[]);
        let t = &compiled.config.targets[0];
        let port = if t.origin.port == t.origin.scheme.default_port() {
            String::new()
        } else {
            format!(":{}", t.origin.port)
        };
        let url = format!("{}://{}{port}{}", t.origin.scheme.as_str(), t.origin.host, t.base_path);
        assert_eq!(
            (t.provider.as_str(), t.model.as_str(), url.as_str()),
            (provider, model, base),
            "{params}"
        );
        assert_eq!(t.unserved, None, "{params}");
    }
}

#[test]
fn what_cannot_be_served_is_listed_and_refused() {
    for params in [
        "model: azure/x, api_base: 'https://a/b?c=d'",
        "model: bedrock/x, aws_role_name: r",
        "model: hosted_vllm/x",
        "model: opnai/x",
        "model: openai/x, api_base: os.environ/NOPE",
    ] {
        let compiled = ok(&one_model(params), &[("OPENAI_API_KEY", "sk-canary")]);
        assert!(compiled.config.targets[0].unserved.is_some(), "{params}");
        assert!(listed(&compiled.warnings).contains("refused"), "{params}");
    }
}

#[test]
fn keys_come_from_the_entry_or_the_providers_variable() {
    let key = |params: &str, vars: &[(&str, &str)]| {
        let compiled = ok(&one_model(params), vars);
        compiled.config.targets[0].api_key.as_ref().map(|key| key.expose().to_owned())
    };
    let env = [("OPENAI_API_KEY", "from-openai"), ("MINE", "mine"), ("BLANK", " ")];
    assert_eq!(key("model: openai/a", &env).as_deref(), Some("from-openai"));
    assert_eq!(key("model: openai/a, api_key: os.environ/MINE", &env).as_deref(), Some("mine"));
    assert_eq!(key("model: openai/a, api_key: os.environ/NOPE", &env).as_deref(), Some("from-openai"));
    assert_eq!(key("model: openai/a, api_key: os.environ/BLANK", &env).as_deref(), Some("from-openai"));
    assert_eq!(key("model: openai/a", &[]), None);
    let elsewhere = ok(&one_model("model: openai/a, api_base: 'http://gpu/v1'"), &env);
    assert!(listed(&elsewhere.warnings).contains("OPENAI_API_KEY is sent to this api_base"));
}

#[test]
fn parameters_are_sorted_into_settings_and_defaults() {
    let text = one_model(
        "model: mistral/a, api_key: k, temperature: 0.7, max_tokns: 5, guided_json: {a: 1}, rpm: '60', weight: 2, \
         order: 1, timeout: 1.5, max_retries: 4, extra_headers: {X-A: b}, extra_body: {z: [1]}, organization: org, \
         aws_region_name: x, input_cost_per_token: '0.000001', tags: [a]",
    );
    let compiled = ok(&text, &[]);
    let t = &compiled.config.targets[0];
    let defaults: Vec<&str> = t.params.defaults.keys().map(String::as_str).collect();
    assert_eq!(defaults, ["temperature", "max_tokns", "guided_json"]);
    assert_eq!((t.params.timeout, t.params.num_retries), (Some(Duration::from_millis(1500)), Some(4)));
    assert_eq!((t.weights.rpm, t.weights.weight, t.order), (Some(60), Some(2.0), 1));
    let headers: Vec<(&str, &str)> =
        t.params.extra_headers.iter().map(|(n, v)| (n.as_str(), v.expose())).collect();
    assert_eq!(headers, [("X-A", "b"), ("OpenAI-Organization", "org")]);
    assert!(!t.params.takes_stream_options, "Mistral refuses stream_options");
    assert_eq!(t.info.prices.unwrap().input.pico(), 1_000_000);
    let warnings = listed(&compiled.warnings);
    assert!(warnings.contains("did you mean \"max_tokens\"?"), "{warnings}");
    assert!(warnings.contains("no output price: those tokens are billed 0"), "{warnings}");
}

#[test]
fn responses_are_relayed_where_they_are_known_to_be_or_said_to_be() {
    let has = |params: &str, info: &str| {
        let text = format!(
            "model_list:\n  - model_name: m\n    litellm_params: {{{params}}}\n    model_info: {{{info}}}\n"
        );
        ok(&text, &[]).config.targets[0].params.has_responses
    };
    let elsewhere = "model: openai/m, api_key: k, api_base: 'http://h/v1'";
    assert!(has("model: openai/m, api_key: k", ""));
    assert!(!has("model: openai/m, api_key: k, use_chat_completions_api: true", ""));
    assert!(!has(elsewhere, ""));
    assert!(has(elsewhere, "mode: responses"));
    assert!(has(&format!("{elsewhere}, use_chat_completions_api: false"), ""));
    assert!(!has(&format!("{elsewhere}, use_chat_completions_api: true"), "mode: responses"));
    assert!(!has("model: mistral/m, api_key: k", ""));
}

#[test]
fn every_fault_is_reported_at_once_and_none_shows_a_secret() {
    let text = "model_list:
  - model_name: a
    litellm_params: {model: openai/a, api_base: 'http://user:canary@h/v1', timeout: canary, rpm: -1}
  - litellm_params: {model: openai/a}
  - model_name: b
    litellm_params: {api_key: [canary]}
  - nonsense
  - model_name: c
    litellm_params: {model: openai/c, input_cost_per_token: -1, extra_headers: {Content-Length: 1}}
router_settings:
  routing_strategy: simple-shufle
  num_retries: lots
general_settings: [canary]
tollgate: {health_check: {kind: htp}, max_body_mb: 0}
";
    let all = faults(text, &[("PORT", "canary")]);
    for wanted in [
        "PORT: not a port",
        "config.yaml:3:39: model_list[0].litellm_params.api_base: an api_base takes no user or password",
        "model_list[0].litellm_params.timeout: wants a number of seconds",
        "model_list[0].litellm_params.rpm: wants a whole number from 0, not a negative number",
        "model_list[1]: model_name is missing",
        "model_list[2].litellm_params: model is missing",
        "model_list[3]: an entry is a mapping",
        "model_list[4].litellm_params.input_cost_per_token: wants US dollars",
        "model_list[4].litellm_params.extra_headers.Content-Length: this header is set by the gateway",
        "config.yaml:11:3: router_settings.routing_strategy: \"simple-shufle\" is not a strategy; did you mean \"simple-shuffle\"?",
        "router_settings.num_retries: wants a whole number",
        "general_settings: wants a mapping, not a list",
        "tollgate.health_check.kind: wants off, tcp or http; did you mean \"http\"?",
        "tollgate.max_body_mb: wants a size",
    ] {
        assert!(all.contains(wanted), "{wanted} is not in:\n{all}");
    }
    assert!(!all.contains("canary"), "{all}");
}

#[test]
fn the_router_has_litellms_defaults_and_precedence() {
    let router = ok("model_list: []\n", &[]).config.router;
    assert_eq!((router.num_retries, router.allowed_fails), (2, 3));
    assert_eq!((router.timeout, router.cooldown_time), (Duration::from_secs(6000), Duration::from_secs(5)));
    let text = "litellm_settings: {num_retries: 7, request_timeout: 600, stream_timeout: 60, drop_params: yes, cooldown_time: 9}
router_settings: {num_retries: '3', retry_after: 0.5, routing_strategy: least-busy}
";
    let compiled = ok(text, &[("DEFAULT_ALLOWED_FAILS", "8"), ("DEFAULT_COOLDOWN_TIME_SECONDS", "77")]);
    let router = &compiled.config.router;
    assert_eq!((router.num_retries, router.timeout.as_secs(), router.drop_params), (3, 600, true));
    assert_eq!(
        (router.stream_timeout, router.retry_after),
        (Some(Duration::from_secs(60)), Duration::from_millis(500))
    );
    assert_eq!((router.allowed_fails, router.cooldown_time.as_secs()), (8, 9));
    assert_eq!(router.strategy.entry.name(), "least-busy");
    assert_eq!(router.filters, Filters { tags: false, any_tag: true, context: false });
}

#[test]
fn groups_have_strategies_of_their_own() {
    let text = one_model("model: openai/a")
        + "router_settings: {routing_strategy: latency-based, routing_strategy_args: {ttl: 60, lowest_latency_buffer: 0.5}, enable_tag_filtering: true}\n\
           tollgate: {groups: {m: {routing_strategy: prefix-affinity, routing_strategy_args: {load_factor: 2, min_load: 3}}, n: {}}}\n";
    let compiled = ok(&text, &[]);
    let (router, groups) = (&compiled.config.router, &compiled.config.groups);
    assert_eq!((router.strategy.args.ttl, router.filters.tags), (Duration::from_secs(60), true));
    let own = groups.of("m").unwrap().strategy.unwrap();
    assert_eq!((own.entry.name(), own.args.min_load), ("prefix-affinity", 3));
    assert!((own.args.lowest_latency_buffer - 0.5).abs() < 1e-9, "what a group does not say is the router's");
    assert!(groups.of("n").unwrap().strategy.is_none() && groups.of("gone").is_none());
    assert!(listed(&compiled.warnings).contains("no entry of model_list has this name"));
    let statuses: Vec<&str> = compiled
        .audit
        .iter()
        .filter(|row| row.place.to_string().contains("groups"))
        .map(|row| row.status.as_str())
        .collect();
    assert_eq!(statuses, ["honoured"; 3]);
    let bad = "router_settings: {routing_strategy_args: {load_factor: 0.5, lowest_latency_buffer: -1, ttl: soon}}\n\
               tollgate: {groups: {m: {routing_strategy: fastest}}}\n";
    assert_eq!(faults(&(one_model("model: openai/a") + bad), &[]).lines().count(), 4);
}

#[test]
fn aliases_are_a_name_a_mapping_or_a_union() {
    let text = one_model("model: openai/a")
        + "router_settings:\n  model_group_alias: {x: m, y: {model: m, hidden: true}, z: [m, gone]}\n";
    let compiled = ok(&text, &[]);
    let alias = |name: &str, groups: &[&str], hidden| Alias {
        name: name.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        hidden,
    };
    assert_eq!(
        compiled.config.aliases,
        [alias("x", &["m"], false), alias("y", &["m"], true), alias("z", &["m", "gone"], false)]
    );
    assert!(listed(&compiled.warnings).contains("called \"gone\""));
}

#[test]
fn a_public_address_wants_a_real_master_key() {
    for weak in
        ["", "sk-1234", "sk-change-me", "sk-your-secure-key-here", "sk-your-master-key-here", "sk-abc"]
    {
        let env = [("HOST", "0.0.0.0"), ("LITELLM_MASTER_KEY", weak)];
        let all = faults("model_list: []\n", &env);
        assert!(all.contains("reachable from outside"), "{weak}: {all}");
        let insecure = ok("tollgate: {allow_insecure: true}\n", &env);
        assert!(insecure.config.server.allow_insecure);
        let local = ok("model_list: []\n", &env[1..]);
        assert!(listed(&local.warnings).contains("master key"), "{weak}");
    }
    let strong = ok("{}", &[("HOST", "::"), ("PROXY_MASTER_KEY", "sk-Zq8vN2rT5xW1")]);
    assert_eq!(strong.config.server.master_key.unwrap().expose(), "sk-Zq8vN2rT5xW1");
    let odd = ok("general_settings: {master_key: os.environ/K}\n", &[("HOST", "::"), ("K", "Zq8vN2rT5xW1")]);
    assert!(listed(&odd.warnings).contains("should begin with"));
}

#[test]
fn the_server_section_is_read_in_all_spellings() {
    let server = ok("{}", &[]).config.server;
    assert_eq!(
        (server.host.to_string().as_str(), server.port, server.max_body_bytes),
        ("127.0.0.1", 4000, 20 << 20)
    );
    let text = "tollgate: {access_log: off, max_body_mb: 1, workers: 3, drain_timeout: 5, health_check: {kind: http, path: /health, interval_seconds: 2}}
general_settings: {litellm_key_header_name: X-Litellm-Key}
litellm_settings: {require_auth_for_metrics_endpoint: True, callbacks: prometheus, success_callback: [langfuse, prometheus]}
";
    let server = ok(text, &[("PORT", "5000")]).config.server;
    assert_eq!((server.port, server.workers, server.max_body_bytes), (5000, 3, 1 << 20));
    assert_eq!((server.access_log, server.metrics_need_key), (AccessLogTarget::Off, true));
    assert_eq!(
        server.health_check,
        HealthCheck::Http { path: "/health".into(), interval: Duration::from_secs(2) }
    );
    assert_eq!(server.callbacks, ["prometheus", "langfuse"]);
    assert_eq!(server.key_header.as_deref(), Some("X-Litellm-Key"));
    assert_eq!(ok("tollgate: {health_check: off}\n", &[]).config.server.health_check, HealthCheck::Off);
    let overrides = Overrides { port: Some(1), host: "127.0.0.2".parse().ok(), ..Overrides::default() };
    let server = parse_and_compile(text, &Env::of(&[("PORT", "no port")]), &overrides).unwrap().config.server;
    assert_eq!((server.port, server.host.to_string().as_str()), (1, "127.0.0.2"));
}

#[test]
fn the_files_own_variables_win_and_some_may_not_be_set() {
    let text = "environment_variables: {K: os.environ/OTHER, PATH: /tmp, N: 5}\n".to_owned()
        + &one_model("model: openai/a, api_key: os.environ/K, rpm: os.environ/N");
    let compiled = ok(&text, &[("K", "old"), ("OTHER", "new")]);
    let t = &compiled.config.targets[0];
    assert_eq!((t.api_key.as_ref().unwrap().expose(), t.weights.rpm), ("new", Some(5)));
    assert!(listed(&compiled.warnings).contains("environment_variables.PATH"));
}

#[test]
fn ids_are_fixed_by_model_info_and_never_shared() {
    let entry =
        "  - {model_name: m, litellm_params: {model: openai/a, api_key: k}, model_info: {id: mine}}\n";
    let compiled = ok(&format!("model_list:\n{entry}{entry}"), &[]);
    let ids: Vec<&str> = compiled.config.targets.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(ids, ["mine", "mine-2"]);
    assert!(listed(&compiled.warnings).contains("have the id mine"));
}

const WORDS: [&str; 24] = [
    "model_list:\n",
    "  - model_name: a\n",
    "    litellm_params:\n",
    "      model: openai/x\n",
    "      api_key: os.environ/K\n",
    "      rpm: ",
    "litellm_settings:\n",
    "router_settings:\n",
    "  routing_strategy: ",
    "  model_group_alias: ",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "<<: ",
    "1e9",
    "-1",
    "tollgate: {health_check: ",
];

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        _ = parse_and_compile(&text, &Env::of(&[("K", "v")]), &Overrides::default());
    }

    #[test]
    fn nothing_that_looks_like_a_configuration_makes_it_panic(
        picks in proptest::collection::vec(0..WORDS.len(), 0..40),
        var in any::<String>(),
    ) {
        let text: String = picks.iter().map(|&i| WORDS[i]).collect();
        let env = Env::of(&[("K", &var), ("K_COUNT", "2"), ("HOST", &var)]).with_dotenv(&var, ".env");
        _ = parse_and_compile(&text, &env, &Overrides::default());
    }

    #[test]
    fn bytes_of_a_real_file_changed_at_random_do_not_panic(
        at in proptest::collection::vec((0usize..4096, any::<u8>()), 1..20),
    ) {
        let mut bytes = include_bytes!("../../../tests/fixtures/seeds/seed3_advanced.yaml").to_vec();
        for (i, byte) in at {
            let i = i % bytes.len();
            bytes[i] = byte;
        }
        _ = parse_and_compile(&String::from_utf8_lossy(&bytes), &Env::default(), &Overrides::default());
    }
}

#[test]
fn what_is_known_of_a_model_is_taken_unless_the_entry_says_otherwise() {
    let known = ok(&one_model("model: openai/gpt-4o, api_key: k"), &[]);
    let info = &known.config.targets[0].info;
    assert_eq!((info.mode.as_deref(), info.max_input_tokens), (Some("chat"), Some(128_000)));
    assert_eq!(info.prices.unwrap().output.dollars(), 1e-5);
    let own = one_model(
        "model: openai/gpt-4o, api_key: k, input_cost_per_token: 1e-6, output_cost_per_token: 2e-6",
    );
    assert_eq!(ok(&own, &[]).config.targets[0].info.prices.unwrap().output.dollars(), 2e-6);
    let base = one_model("model: openai/mine, api_key: k, base_model: azure/gpt-4o");
    assert!(ok(&base, &[]).config.targets[0].info.prices.is_some());
    let unknown = ok(&one_model("model: openai/mine, api_key: k, base_model: no-such-model"), &[]);
    assert!(unknown.config.targets[0].info.prices.is_none());
    assert!(listed(&unknown.warnings).contains("nothing is known of this model"));
}

#[test]
fn every_vendor_of_the_table_needs_no_more_than_its_key() {
    for (model, host, path) in [
        ("cerebras/llama3.1-8b", "api.cerebras.ai", "/v1"),
        ("volcengine/doubao", "ark.cn-beijing.volces.com", "/api/v3"),
        ("huawei_maas/glm-5.1", "api-ap-southeast-1.modelarts-maas.com", "/openai/v1"),
        ("llama_cpp/any", "localhost", "/v1"),
    ] {
        let compiled = ok(&one_model(&format!("model: {model}, api_key: k")), &[]);
        let target = &compiled.config.targets[0];
        assert_eq!((target.origin.host.as_str(), target.base_path.as_str()), (host, path));
        assert!(target.unserved.is_none());
    }
    let moved = ok(&one_model("model: cerebras/m, api_key: k"), &[("CEREBRAS_API_BASE", "http://h:1/x")]);
    assert_eq!(moved.config.targets[0].origin.host, "h");
}

#[test]
fn a_provider_finds_out_itself_where_it_is() {
    let azure =
        "model: azure/gpt-4o, api_base: 'https://r.openai.azure.com', api_version: '2024-10-21', api_key: k";
    let compiled = ok(&one_model(azure), &[]);
    let target = &compiled.config.targets[0];
    assert_eq!((target.unserved.as_deref(), target.base_path.as_str()), (None, "/openai/deployments/gpt-4o"));
    assert_eq!(
        (target.query.as_str(), format!("{:?}", target.auth).as_str()),
        ("?api-version=2024-10-21", "api-key")
    );
    let bedrock =
        "model: bedrock/eu-west-1/amazon.nova-lite-v1:0, aws_access_key_id: A, aws_secret_access_key: canary";
    let compiled = ok(&one_model(bedrock), &[]);
    let target = &compiled.config.targets[0];
    assert_eq!(target.origin.host, "bedrock-runtime.eu-west-1.amazonaws.com");
    assert_eq!((target.dialect.name(), target.model.as_str()), ("converse", "amazon.nova-lite-v1:0"));
    assert_eq!(target.api_key.as_ref().unwrap().expose(), "A\ncanary\neu-west-1");
    assert!(!listed(&compiled.warnings).contains("canary"));
    let bearer = ok(&one_model("model: bedrock/x"), &[("AWS_BEARER_TOKEN_BEDROCK", "t")]);
    assert_eq!(format!("{:?}", bearer.config.targets[0].auth), "bearer");
}
