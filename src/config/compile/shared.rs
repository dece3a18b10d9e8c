//! Where the Redis is that all gateways share, by LiteLLM's names, and what becomes of limits without it.

use super::super::field::{Field, Report, Section};
use super::super::tree::Value;
use super::super::{Env, Place};
use super::Sections;
use crate::domain::Secret;
use crate::shared::{OnLoss, Settings};
use std::time::Duration;

const LONGEST_PATIENCE: Duration = Duration::from_secs(10);
/// Kinds of caches that are in a Redis.
const IN_REDIS: [&str; 2] = ["redis", "redis-semantic"];

/// One place that can say where it is: a section with what its keys begin with.
struct Spot<'a> {
    section: &'a Section<'a>,
    prefix: &'static str,
}

impl<'a> Spot<'a> {
    fn field(&self, name: &str) -> Option<Field<'a>> {
        self.section.field(&format!("{}{name}", self.prefix)).filter(|field| !field.is_blank())
    }

    fn is_set(&self) -> bool {
        self.field("url").is_some() || self.field("host").is_some()
    }
}

/// `router_settings.redis_*`, else `litellm_settings.cache_params`, else `REDIS_*`; `None` if nobody says where it is, or
/// `tollgate.shared` is off.
pub(super) fn compile(sections: &Sections<'_>, env: &Env, report: &mut Report) -> Option<Settings> {
    let own = sections.tollgate.field("shared");
    let switch = own.as_ref().and_then(|field| match field.node().value {
        Value::Map(_) => None,
        _ => field.bool(report),
    });
    let own = own.filter(|_| switch.is_none()).and_then(|field| field.map(report));
    for name in ["REDIS_CLUSTER_NODES", "REDIS_SENTINEL_NODES"] {
        if env.is_set(name) {
            report.warn(
                Place::named(name),
                "not served by this version: one Redis is, by REDIS_URL or REDIS_HOST",
            );
        }
    }
    if switch == Some(false) {
        return None;
    }
    let params = sections.litellm.field("cache_params").and_then(|field| field.map(report));
    let kind = params.as_ref().and_then(|params| params.field("type")?.text(report));
    let params = params.filter(|_| kind.is_none_or(|kind| IN_REDIS.contains(&kind.as_str())));
    let router = Spot { section: &sections.router, prefix: "redis_" };
    let cache = params.as_ref().map(|section| Spot { section, prefix: "" });
    let spots: Vec<&Spot<'_>> = [Some(&router), cache.as_ref()].into_iter().flatten().collect();
    let spot = spots.into_iter().find(|spot| spot.is_set());
    let mut settings = place(spot, env, report)?;
    let named = params.as_ref().and_then(|params| params.field("namespace"));
    let get = |name: &str| own.as_ref().and_then(|own| own.field(name));
    let namespace = get("namespace").or(named).filter(|field| !field.is_blank());
    if let Some(namespace) = namespace.and_then(|field| field.text(report)) {
        settings.namespace = namespace;
    }
    if let Some(field) = get("on_loss") {
        match field.text(report).as_deref() {
            Some("local") => settings.on_loss = OnLoss::Local,
            Some("refuse") => settings.on_loss = OnLoss::Refuse,
            _ => report.fault(field.place(), "wants local or refuse"),
        }
    }
    if let Some(field) = get("patience") {
        match field.seconds(report) {
            Some(time) if time.is_zero() || time > LONGEST_PATIENCE => {
                report.fault(field.place(), "wants more than 0 and at most 10 seconds");
            }
            Some(time) => settings.patience = time,
            None => {}
        }
    }
    Some(settings)
}

fn place(spot: Option<&Spot<'_>>, env: &Env, report: &mut Report) -> Option<Settings> {
    let url = match spot {
        Some(spot) => spot.field("url").and_then(|field| Some((field.place(), field.text(report)?))),
        None => env.filled("REDIS_URL").map(|url| (Place::named("REDIS_URL"), url.to_owned())),
    };
    if let Some((place, url)) = url {
        return Settings::from_url(&url).map_err(|fault| report.fault(place, fault.to_string())).ok();
    }
    let text = |name: &str, report: &mut Report| spot.and_then(|spot| spot.field(name)?.text(report));
    let host = text("host", report).or_else(|| env.filled("REDIS_HOST").map(str::to_owned))?;
    let mut settings = Settings::at(host.trim());
    if let Some(port) = spot.and_then(|spot| spot.field("port")) {
        settings.port = port.count(report).unwrap_or(settings.port);
    } else if let Some(port) = env.filled("REDIS_PORT") {
        settings.port = port_of(port).unwrap_or_else(|| {
            report.fault(Place::named("REDIS_PORT"), "not a port");
            settings.port
        });
    }
    let password = text("password", report).or_else(|| env.filled("REDIS_PASSWORD").map(str::to_owned));
    settings.password = password.as_deref().and_then(Secret::new);
    settings.username = text("username", report).or_else(|| env.filled("REDIS_USERNAME").map(str::to_owned));
    settings.database = spot.and_then(|spot| spot.field("db")?.count(report)).unwrap_or_default();
    let tls = spot.and_then(|spot| spot.field("ssl")?.bool(report));
    settings.tls = tls.unwrap_or_else(|| {
        env.filled("REDIS_SSL").is_some_and(|word| matches!(word.to_ascii_lowercase().as_str(), "true" | "1"))
    });
    Some(settings)
}

/// A port. Kubernetes sets `REDIS_PORT` to `tcp://10.0.0.1:6379` where there is a service of the name `redis`.
fn port_of(text: &str) -> Option<u16> {
    text.rsplit(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::{Overrides, parse_and_compile};
    use super::*;

    fn compiled(yaml: &str, env: &[(&str, &str)]) -> Option<Settings> {
        let compiled = parse_and_compile(yaml, &Env::of(env), &Overrides::default());
        compiled.unwrap_or_else(|faults| panic!("{faults:?}")).config.server.shared
    }

    #[test]
    fn it_is_where_any_of_litellms_names_says() {
        assert_eq!(compiled("{}", &[]), None);
        let at = Settings { port: 6380, password: Secret::new("p"), ..Settings::at("r") };
        let environment = [("REDIS_HOST", "r"), ("REDIS_PORT", "6380"), ("REDIS_PASSWORD", "p")];
        let router = "router_settings: {redis_host: r, redis_port: '6380', redis_password: os.environ/PW}";
        let cache =
            "litellm_settings: {cache: true, cache_params: {type: redis, host: r, port: 6380, password: p}}";
        assert_eq!(compiled("{}", &environment), Some(at.clone()));
        assert_eq!(compiled(router, &[("PW", "p")]), Some(at.clone()));
        assert_eq!(compiled(cache, &[]), Some(at.clone()));
        assert_eq!(compiled("{}", &[("REDIS_URL", "redis://:p@r:6380/0")]), Some(at.clone()));
        assert_eq!(compiled("{router_settings: {redis_url: 'redis://:p@r:6380'}}", &[]), Some(at.clone()));
        let both = format!("{router}\n{cache}").replace("host: r, port", "host: other, port");
        assert_eq!(compiled(&both, &[("PW", "p")]), Some(at), "the router's wins");
    }

    #[test]
    fn a_cache_elsewhere_and_a_switch_mean_no_redis() {
        assert_eq!(compiled("litellm_settings: {cache_params: {type: s3, host: r}}", &[]), None);
        assert_eq!(compiled("tollgate: {shared: off}", &[("REDIS_HOST", "r")]), None);
        let settings = compiled(
            "{litellm_settings: {cache_params: {namespace: n}}, tollgate: {shared: {on_loss: refuse, patience: 2}}}",
            &[("REDIS_HOST", "r"), ("REDIS_PORT", "tcp://10.0.0.1:7000"), ("REDIS_SSL", "True")],
        );
        let expected = Settings {
            port: 7000,
            tls: true,
            namespace: "n".into(),
            on_loss: OnLoss::Refuse,
            patience: Duration::from_secs(2),
            ..Settings::at("r")
        };
        assert_eq!(settings, Some(expected));
    }

    #[test]
    fn faults_are_told_without_the_password() {
        let env = Env::of(&[("REDIS_URL", "http://:canary@r"), ("REDIS_PORT", "x")]);
        let yaml = "tollgate: {shared: {on_loss: never, patience: 60}}";
        let faults = parse_and_compile(yaml, &env, &Overrides::default()).unwrap_err();
        assert!(!format!("{faults:?}").contains("canary"), "{faults:?}");
        let faults = parse_and_compile(
            yaml,
            &Env::of(&[("REDIS_HOST", "r"), ("REDIS_PORT", "x")]),
            &Overrides::default(),
        );
        assert_eq!(faults.unwrap_err().len(), 3);
    }
}
