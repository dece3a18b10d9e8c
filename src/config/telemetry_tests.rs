//! What the configuration says of metrics, traces and sinks.

use super::{Compiled, ConfigError, Env, Overrides, Warning, parse_and_compile};
use crate::telemetry::Selection;

fn listed(warnings: &[Warning]) -> String {
    warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

fn telemetry(callbacks: &str, vars: &[(&str, &str)]) -> Result<Compiled, Vec<ConfigError>> {
    let text = format!("litellm_settings: {{{callbacks}}}\n");
    parse_and_compile(&text, &Env::of(vars), &Overrides::default())
}

#[test]
fn traces_go_where_the_variables_of_opentelemetry_say() {
    let place = |vars: &[(&str, &str)]| {
        let otel = telemetry("callbacks: [otel]", vars).unwrap().config.telemetry.otel?;
        Some(format!(
            "{}://{}{}",
            otel.address.origin.scheme.as_str(),
            otel.address.origin,
            otel.address.path
        ))
    };
    let is = |vars: &[(&str, &str)], url: &str| assert_eq!(place(vars).as_deref(), Some(url));
    is(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/")], "http://c:4318/v1/traces");
    is(
        &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/x"), ("OTEL_ENDPOINT", "http://d")],
        "https://c/x",
    );
    is(&[("OTEL_ENDPOINT", "http://d:1/v1/traces")], "http://d:1/v1/traces");
    assert_eq!(place(&[]), None);
    assert_eq!(place(&[("OTEL_ENDPOINT", "http://d"), ("OTEL_SDK_DISABLED", "TRUE")]), None);
    let unasked = telemetry("callbacks: [prometheus]", &[("OTEL_ENDPOINT", "http://d")]).unwrap();
    assert!(unasked.config.telemetry.otel.is_none());
    assert!(
        listed(&telemetry("callbacks: [otel]", &[]).unwrap().warnings)
            .contains("OTEL_EXPORTER_OTLP_ENDPOINT")
    );

    let all = [
        ("OTEL_ENDPOINT", "http://d"),
        ("OTEL_HEADERS", "Authorization=Bearer%20sk-canary, x-a = b"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,zone=a"),
        ("OTEL_EXPORTER", "otlp_grpc"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
    ];
    let compiled = telemetry("callbacks: otel", &all).unwrap();
    let otel = compiled.config.telemetry.otel.unwrap();
    let headers: Vec<_> =
        otel.address.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("authorization", "Bearer sk-canary"), ("x-a", "b")]);
    assert_eq!(otel.resource[0].1, "other");
    assert_eq!(otel.resource[2], ("zone".to_owned(), "a".to_owned()));
    assert!(listed(&compiled.warnings).contains("gRPC"));
    for (name, value) in [
        ("OTEL_ENDPOINT", "not a url sk-canary"),
        ("OTEL_HEADERS", "sk-canary"),
        ("OTEL_TRACES_SAMPLER", "sk-canary"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ] {
        let mut vars = vec![("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_ENDPOINT", "http://d")];
        vars.retain(|(other, _)| *other != name);
        vars.push((name, value));
        let faults = telemetry("callbacks: [otel]", &vars).unwrap_err();
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|line| line.contains(name)) && !said.concat().contains("canary"), "{said:?}");
    }
}

#[test]
fn metrics_go_where_their_own_variables_say_or_beside_the_traces() {
    let place = |vars: &[(&str, &str)]| {
        let vars = [&[("LITELLM_OTEL_INTEGRATION_ENABLE_METRICS", "true")], vars].concat();
        let metrics = telemetry("callbacks: [otel]", &vars).unwrap().config.telemetry.otel?.metrics?;
        let headers: Vec<_> = metrics.address.headers.iter().map(|(_, value)| value.expose()).collect();
        Some(format!("{}{} {}", metrics.address.origin, metrics.address.path, headers.concat()))
    };
    let is = |vars: &[(&str, &str)], wanted: &str| assert_eq!(place(vars).as_deref(), Some(wanted));
    is(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/x")], "c:4318/x/v1/metrics ");
    is(&[("OTEL_ENDPOINT", "http://c:4318/v1/traces")], "c:4318/v1/metrics ");
    is(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:1/a/v1/traces")], "c:1/a/v1/metrics ");
    is(
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://d:9090/api/v1/otlp/v1/metrics"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=all"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=own"),
        ],
        "d:9090/api/v1/otlp/v1/metrics own",
    );
    let elsewhere = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:1/traces")];
    assert_eq!(place(&elsewhere), None, "nobody says where metrics are taken");
}

#[test]
fn langfuse_is_where_its_variables_say_and_gets_what_its_callbacks_say() {
    let keys = [
        ("LANGFUSE_PUBLIC_KEY", "pk"),
        ("LANGFUSE_SECRET_KEY", "sk"),
        ("LANGFUSE_HOST", "https://lf.example/x/"),
    ];
    let of = |callbacks: &str| telemetry(callbacks, &keys).unwrap().config.telemetry.langfuse;
    let address = of("callbacks: [langfuse]").unwrap().address;
    assert_eq!(
        (address.origin.host.as_str(), address.path.as_str()),
        ("lf.example", "/x/api/public/ingestion")
    );
    let choice =
        |callbacks: &str| of(callbacks).map(|langfuse| (langfuse.choice.successes, langfuse.choice.failures));
    assert_eq!(choice("callbacks: [langfuse]"), Some((true, true)));
    assert_eq!(choice("success_callback: [langfuse]"), Some((true, false)));
    assert_eq!(choice("failure_callback: langfuse"), Some((false, true)));
    assert_eq!(choice("success_callback: [prometheus]"), None);
    let keyless = telemetry("success_callback: [langfuse]", &[]).unwrap();
    assert!(keyless.config.telemetry.langfuse.is_none());
    assert!(listed(&keyless.warnings).contains("LANGFUSE_SECRET_KEY"));
    let otel = telemetry("callbacks: [langfuse_otel]", &keys).unwrap().config.telemetry.otel.unwrap();
    assert_eq!(otel.address.path, "/x/api/public/otel/v1/traces");
}

#[test]
fn a_selection_of_metrics_is_told_what_is_wrong_with_it() {
    let text = |group: &str| format!("litellm_settings: {{prometheus_metrics_config: [{group}]}}\n");
    let of = |group: &str| parse_and_compile(&text(group), &Env::default(), &Overrides::default());
    let good = of("{group: g, metrics: [litellm_spend_metric, litellm_teams_count], include_labels: [team]}")
        .unwrap();
    assert!(!listed(&good.warnings).contains("metrics"), "{}", listed(&good.warnings));
    assert_ne!(good.config.telemetry.selection, Selection::default());
    let odd = of(
        "{metric: x, metrics: [litellm_spent_metric, litellm_spend_metric_total], include_labels: [teem]}",
    );
    let said = listed(&odd.unwrap().warnings);
    for part in ["did you mean \"metrics\"", "did you mean \"litellm_spend_metric\"", "did you mean \"team\""]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(of("7").is_err());
}
