//! Where finished calls are sent: callbacks by LiteLLM's names, addresses by the variables that OpenTelemetry and
//! Langfuse document.

use super::super::field::Report;
use super::super::{Env, LangfuseConfig, MetricsConfig, OtelConfig, Place, SinkAddress};
use super::Sections;
use crate::domain::Secret;
use crate::providers::Base;
use crate::telemetry::{Choice, Sampler};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;
use std::time::Duration;

const INGESTION: &str = "/api/public/ingestion";
const LANGFUSE_OTLP: &str = "/api/public/otel/v1/traces";
const LANGFUSE_CLOUD: &str = "https://cloud.langfuse.com";
const NOTHING: &str = "nothing is sent";

/// Which lists of callbacks name one.
#[derive(Clone, Copy, Default)]
struct Listed {
    successes: bool,
    failures: bool,
}

/// Reads the lists that a callback may stand in; faults were reported with `server.callbacks`.
fn listed(sections: &Sections<'_>, name: &str) -> Option<Listed> {
    let mut unheard = Report::default();
    let mut holds = |key| {
        let field = sections.litellm.field(key);
        field.is_some_and(|field| field.texts(&mut unheard).iter().any(|listed| listed == name))
    };
    let both = holds("callbacks");
    let listed =
        Listed { successes: both || holds("success_callback"), failures: both || holds("failure_callback") };
    (listed.successes || listed.failures).then_some(listed)
}

/// What OpenTelemetry's variables tell apart.
struct Signal {
    /// The end of its path below a collector's address.
    path: &'static str,
    /// Where it goes: a variable of its own, which has the whole path, then those for all signals.
    places: [&'static str; 3],
    headers: [&'static str; 3],
    protocols: [&'static str; 3],
}

const TRACES: Signal = Signal {
    path: "/v1/traces",
    places: ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT"],
    headers: ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_HEADERS"],
    protocols: ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER"],
};

const METRICS: Signal = Signal {
    path: "/v1/metrics",
    places: ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT"],
    headers: ["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_HEADERS"],
    protocols: ["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER"],
};

/// OpenTelemetry's address, if a callback asks for it.
pub(super) fn otel(sections: &Sections<'_>, env: &Env, report: &mut Report) -> Option<OtelConfig> {
    let through_langfuse = listed(sections, "langfuse_otel").is_some();
    if listed(sections, "otel").is_none() && !through_langfuse {
        return None;
    }
    if env.filled("OTEL_SDK_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
        return None;
    }
    let address = if through_langfuse {
        langfuse_address(env, LANGFUSE_OTLP, report)
    } else {
        collector(&TRACES, env, report)
    }?;
    let metrics = if through_langfuse { None } else { metrics(env, &address, report) };
    Some(OtelConfig { address, resource: resource(env, report), sampler: sampler(env, report), metrics })
}

/// Where metrics go, and how often; LiteLLM's switch turns them on. Where only traces have an address, it is beside them.
fn metrics(env: &Env, traces: &SinkAddress, report: &mut Report) -> Option<MetricsConfig> {
    let word = env.filled("LITELLM_OTEL_INTEGRATION_ENABLE_METRICS")?;
    if !word.eq_ignore_ascii_case("true") {
        return None;
    }
    const EVERY: &str = "OTEL_METRIC_EXPORT_INTERVAL";
    let every = env.filled(EVERY).map_or(Some(60_000), |text| text.parse().ok().filter(|ms| *ms >= 100));
    let Some(every) = every else {
        report.fault(Place::named(EVERY), "wants milliseconds, 100 at least");
        return None;
    };
    let address = if env.first_filled(&METRICS.places).is_some() {
        collector(&METRICS, env, report)?
    } else if let Some(base) = traces.path.strip_suffix(TRACES.path) {
        SinkAddress { path: format!("{base}{}", METRICS.path), ..traces.clone() }
    } else {
        let words = format!("metrics want {}; {NOTHING} of them", METRICS.places[0]);
        report.warn(Place::named("LITELLM_OTEL_INTEGRATION_ENABLE_METRICS"), words);
        return None;
    };
    Some(MetricsConfig { address, every: Duration::from_millis(every) })
}

fn collector(signal: &Signal, env: &Env, report: &mut Report) -> Option<SinkAddress> {
    let Some((name, url)) = env.first_filled(&signal.places) else {
        let words = format!("the callback otel wants OTEL_EXPORTER_OTLP_ENDPOINT; {NOTHING}");
        report.warn(Place::named("litellm_settings.callbacks"), words);
        return None;
    };
    let base = base(name, url, report)?;
    let protocol = env.first_filled(&signal.protocols);
    if let Some((variable, _)) = protocol.filter(|(_, word)| word.contains("grpc")) {
        report.warn(
            Place::named(variable),
            "gRPC is not spoken: OTLP is sent over HTTP, in JSON (port 4318 as a rule)",
        );
    }
    let path = if name != signal.places[0] {
        // LiteLLM's own variable is often written with the path of traces.
        format!("{}{}", base.path.strip_suffix(TRACES.path).unwrap_or(&base.path), signal.path)
    } else if base.path.is_empty() {
        "/".to_owned()
    } else {
        base.path
    };
    let headers = env.first_filled(&signal.headers);
    let headers = headers.map(|(name, list)| self::headers(name, list, report)).unwrap_or_default();
    Some(SinkAddress { origin: base.origin, path, headers })
}

fn base(name: &str, url: &str, report: &mut Report) -> Option<Base> {
    match Base::parse(url) {
        Ok(base) => Some(base),
        Err(_) => {
            report.fault(Place::named(name), "wants a URL: http:// or https://, a host, and perhaps a path");
            None
        }
    }
}

/// `name=value,name=value`, percent-encoded.
fn pairs(list: &str) -> impl Iterator<Item = Option<(&str, String)>> {
    list.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim(), value.into_owned()))
    })
}

fn headers(variable: &str, list: &str, report: &mut Report) -> Vec<(HeaderName, Secret)> {
    let mut headers = Vec::new();
    for pair in pairs(list) {
        let header = pair.and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            HeaderValue::from_str(&value).ok()?;
            Some((name, Secret::new(&value)?))
        });
        match header {
            Some(header) => headers.push(header),
            None => report.fault(Place::named(variable), "wants name=value,name=value with plain headers"),
        }
    }
    headers
}

fn resource(env: &Env, report: &mut Report) -> Vec<(String, String)> {
    let service = env.filled("OTEL_SERVICE_NAME").unwrap_or("tollgate");
    let mut all = vec![
        ("service.name".to_owned(), service.to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
    for pair in pairs(env.filled(ATTRIBUTES).unwrap_or_default()) {
        match pair {
            // What has a variable of its own is taken from there.
            Some(("service.name", name)) if env.filled("OTEL_SERVICE_NAME").is_none() => all[0].1 = name,
            Some(("service.name", _)) => {}
            Some((name, value)) => all.push((name.to_owned(), value)),
            None => {
                report.warn(Place::named(ATTRIBUTES), "wants name=value,name=value; what is not is left out")
            }
        }
    }
    if let Some(environment) = env.filled("OTEL_ENVIRONMENT_NAME") {
        all.push(("deployment.environment.name".to_owned(), environment.to_owned()));
    }
    all
}

fn sampler(env: &Env, report: &mut Report) -> Sampler {
    let Some(name) = env.filled("OTEL_TRACES_SAMPLER") else { return Sampler::default() };
    let ratio = share(env, "OTEL_TRACES_SAMPLER_ARG", report);
    Sampler::named(name, ratio).unwrap_or_else(|| {
        let words = "wants always_on, always_off, traceidratio, or one of them after \"parentbased_\"";
        report.fault(Place::named("OTEL_TRACES_SAMPLER"), words);
        Sampler::default()
    })
}

/// A number from 0 to 1; 1 if it is not set.
fn share(env: &Env, name: &str, report: &mut Report) -> f64 {
    let Some(text) = env.filled(name) else { return 1.0 };
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.unwrap_or_else(|| {
        report.fault(Place::named(name), "wants a number from 0 to 1");
        1.0
    })
}

/// Langfuse's address and what it gets, if a callback asks for it.
pub(super) fn langfuse(sections: &Sections<'_>, env: &Env, report: &mut Report) -> Option<LangfuseConfig> {
    let Listed { successes, failures } = listed(sections, "langfuse")?;
    let address = langfuse_address(env, INGESTION, report)?;
    let share = share(env, "LANGFUSE_SAMPLE_RATE", report);
    Some(LangfuseConfig { address, choice: Choice { successes, failures, share } })
}

fn langfuse_address(env: &Env, path: &str, report: &mut Report) -> Option<SinkAddress> {
    let mut key = |name| {
        let key = env.filled(name);
        if key.is_none() {
            report.warn(Place::named(name), format!("the callback langfuse wants it; {NOTHING}"));
        }
        key
    };
    let (public, secret) = (key("LANGFUSE_PUBLIC_KEY"), key("LANGFUSE_SECRET_KEY"));
    let (public, secret) = (public?, secret?);
    let (name, url) = env
        .first_filled(&["LANGFUSE_HOST", "LANGFUSE_OTEL_HOST", "LANGFUSE_BASE_URL"])
        .unwrap_or(("LANGFUSE_HOST", LANGFUSE_CLOUD));
    let base = base(name, url, report)?;
    let basic = Secret::new(&format!("Basic {}", STANDARD.encode(format!("{public}:{secret}"))))?;
    let path = format!("{}{path}", base.path);
    Some(SinkAddress { origin: base.origin, path, headers: vec![(header::AUTHORIZATION, basic)] })
}
