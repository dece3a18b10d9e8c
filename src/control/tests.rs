//! Who may call what, for every row of the table, without a socket.

use super::routes::{self, Access, Route};
use super::{Control, routed, router};
use crate::auth::digest;
use crate::config::{Env, Overrides, parse_and_compile};
use crate::limits::Meters;
use crate::runtime::{Directory, Hooks, Reloader};
use crate::store::{DatabaseSettings, KEYS, Store, USERS};
use crate::telemetry::{Settings, Telemetry};
use crate::upstream::{Probe, Upstreams};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::{MethodFilter, MethodRouter};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tower::ServiceExt;

const MASTER: &str = "sk-master-of-the-table";
const YAML: &str = "model_list:\n  - model_name: org/m\n    litellm_params: {model: openai/m, api_base: 'http://127.0.0.1:1/v1', api_key: k}\n";

async fn control(more: &str) -> Control {
    let mut settings = DatabaseSettings::sqlite(":memory:".into());
    // Each connection would have a memory of its own.
    settings.connections = 1;
    let store = Store::open(&settings).await.unwrap();
    control_of(&format!("{YAML}{more}"), store).await
}

/// The control plane of this configuration on this database.
pub(super) async fn control_of(yaml: &str, store: Store) -> Control {
    let compiled = parse_and_compile(yaml, &Env::of(&[]), &Overrides::default()).unwrap();
    let upstreams = Upstreams::new(Instant::now(), Probe::Off, Duration::MAX);
    let meters = Arc::new(Meters::new(60_000, 100));
    let directory = Arc::new(Directory::new(store.clone(), Handle::current(), meters));
    let starting = Reloader::start(
        compiled.config,
        store.clone(),
        Arc::new(upstreams),
        Arc::clone(&directory),
        Hooks {
            source: Arc::new(|| Err(Vec::new())),
            published: Box::new(|_| {}),
            reloaded: Box::new(|_, _| {}),
        },
    );
    let reloader = Arc::new(starting.await.unwrap());
    Control {
        runtime: reloader.runtime(),
        reloader,
        directory,
        store,
        telemetry: Arc::new(Telemetry::start(Settings::default()).unwrap()),
        draining: Arc::new(AtomicBool::new(false)),
        log_level: log::LevelFilter::Info,
        booked: Arc::new(|| Box::pin(async { true })),
    }
}

async fn call(router: &Router, method: &str, path: &str, key: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path).header("host", "admin.internal");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn concrete(pattern: &str) -> String {
    let mut path = pattern.replace("{*id}", "org/m");
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, "x");
    }
    path
}

const WITH_KEY: &str = "general_settings: {master_key: sk-master-of-the-table}\n";

#[test]
fn the_table_is_in_order() {
    assert!(routes::ALL.is_sorted_by_key(|route| route.path));
}

#[test]
fn the_public_routes_are_these_and_no_others() {
    let with = |access: Access| {
        let mut paths: Vec<&str> =
            routes::ALL.iter().filter(|route| route.access == access).map(|route| route.path).collect();
        paths.sort_unstable();
        paths
    };
    let public = [
        "/",
        "/docs",
        "/health/liveliness",
        "/health/liveness",
        "/health/readiness",
        "/openapi.json",
        "/test",
    ];
    assert_eq!(with(Access::Public), public);
    assert_eq!(with(Access::KeyIfConfigured), ["/metrics", "/metrics/"]);
}

/// A key for each kind of caller; the key's text is `sk-` and the kind's name.
const CALLERS: [&str; 10] = [
    "admin",
    "viewer",
    "user",
    "user-viewer",
    "nobody",
    "spend-reader",
    "admins-llm",
    "blocked",
    "expired",
    "stranger",
];

async fn with_callers(control: &Control) {
    let doc = |value: Value| value.as_object().cloned().unwrap();
    for (id, role) in [
        ("admin", "proxy_admin"),
        ("viewer", "proxy_admin_viewer"),
        ("user", "internal_user"),
        ("user-viewer", "internal_user_viewer"),
    ] {
        control.store.insert(&USERS, id, doc(json!({ "user_role": role }))).await.unwrap();
    }
    for (name, fields) in [
        ("admin", json!({"user_id": "admin"})),
        ("viewer", json!({"user_id": "viewer"})),
        ("user", json!({"user_id": "user"})),
        ("user-viewer", json!({"user_id": "user-viewer"})),
        ("nobody", json!({})),
        ("spend-reader", json!({"permissions": {"get_spend_routes": true}})),
        ("admins-llm", json!({"user_id": "admin", "allowed_routes": ["llm_api_routes"]})),
        ("blocked", json!({"user_id": "admin", "blocked": true})),
        ("expired", json!({"user_id": "admin", "expires": "2020-01-01T00:00:00Z"})),
    ] {
        let id = digest(&format!("sk-{name}")).to_hex();
        control.store.insert(&KEYS, &id, doc(fields)).await.unwrap();
    }
}

/// Whether a caller gets through to the handler, said once more and in other words than `auth::may`.
fn lets_in(access: Access, caller: &str, path: &str) -> bool {
    let is = |callers: &[&str]| callers.contains(&caller);
    match access {
        Access::Public | Access::KeyIfConfigured => true,
        _ if is(&["blocked", "expired", "stranger"]) => false,
        Access::Key | Access::Own if caller == "admins-llm" => {
            ["/models", "/responses", "/search/tools"].iter().any(|part| path.contains(part))
        }
        Access::Key | Access::Own => true,
        Access::Manage => is(&["admin", "user"]),
        Access::Admin => is(&["admin"]),
        Access::AdminOrViewer => is(&["admin", "viewer"]),
        Access::Spend => is(&["admin", "viewer", "spend-reader"]),
        Access::Master => false,
    }
}

fn reached(route: &Route) -> MethodRouter<Control> {
    (route.handler)().methods.into_iter().fold(MethodRouter::new(), |router, method| {
        router.on(MethodFilter::try_from(method).unwrap(), async || "reached")
    })
}

fn rows() -> impl Iterator<Item = (&'static Route, Method)> {
    routes::ALL
        .iter()
        .flat_map(|route| (route.handler)().methods.into_iter().map(move |method| (route, method)))
}

#[tokio::test]
async fn every_route_lets_in_whom_its_row_says() {
    let control = control(WITH_KEY).await;
    with_callers(&control).await;
    let (real, probe) = (router(control.clone()), routed(control, reached));
    for (route, method) in rows() {
        let (path, method) = (concrete(route.path), method.as_str());
        let open = matches!(route.access, Access::Public | Access::KeyIfConfigured);
        for caller in CALLERS {
            let key = format!("sk-{caller}");
            let (status, body) = call(&probe, method, &path, Some(&key)).await;
            let words = format!("{method} {path} by {caller}: {status} {body}");
            assert_eq!(body == "reached", lets_in(route.access, caller, &path), "{words}");
            if body != "reached" {
                let told = call(&real, method, &path, Some(&key)).await;
                // That one is told the time.
                let same = if caller == "expired" { told.0 == status } else { told == (status, body) };
                assert!(same, "{words}");
                let expected = match caller {
                    "expired" => StatusCode::BAD_REQUEST,
                    "admins-llm" => StatusCode::FORBIDDEN,
                    _ => StatusCode::UNAUTHORIZED,
                };
                assert_eq!(status, expected, "{words}");
            }
        }
        let (master, admin) = (digest(MASTER).to_hex(), digest("sk-admin").to_hex());
        for key in [None, Some(""), Some(&*master), Some(&*admin), Some(&*format!("sk-{admin}"))] {
            let (status, body) = call(&real, method, &path, key).await;
            assert_eq!(status != StatusCode::UNAUTHORIZED, open, "{method} {path} with {key:?}: {body}");
            assert!(open || !body.contains("org/m"), "{method} {path} with {key:?}: {body}");
        }
        let (_, body) = call(&probe, method, &path, Some(MASTER)).await;
        assert_eq!(body, "reached", "{method} {path}");
    }
}

#[tokio::test]
async fn a_query_and_a_slash_open_no_closed_route() {
    let router = router(control(WITH_KEY).await);
    for (route, method) in rows() {
        if matches!(route.access, Access::Public | Access::KeyIfConfigured) {
            continue;
        }
        let path = concrete(route.path);
        for path in [format!("{path}?key={MASTER}"), format!("{path}/"), format!("/{path}")] {
            let (status, body) = call(&router, method.as_str(), &path, None).await;
            assert!(status.is_client_error(), "{path}: {status} {body}");
        }
    }
}

#[tokio::test]
async fn metrics_want_a_key_once_the_configuration_says_so() {
    let more = format!("{WITH_KEY}litellm_settings: {{require_auth_for_metrics_endpoint: true}}\n");
    let router = router(control(&more).await);
    for path in ["/metrics", "/metrics/"] {
        assert_eq!(call(&router, "GET", path, None).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(call(&router, "GET", path, Some("sk-other")).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(call(&router, "GET", path, Some(MASTER)).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn without_a_master_key_what_any_key_may_do_is_open_and_nothing_else() {
    let control = control("").await;
    let probe = routed(control, reached);
    for (route, method) in rows() {
        let (status, body) = call(&probe, method.as_str(), &concrete(route.path), None).await;
        let open =
            matches!(route.access, Access::Public | Access::Key | Access::KeyIfConfigured | Access::Own);
        assert_eq!(status == StatusCode::OK, open, "{method} {}: {body}", route.path);
    }
}

#[tokio::test]
async fn no_other_method_gets_to_a_handler() {
    let router = router(control(WITH_KEY).await);
    for route in routes::ALL {
        let known: Vec<Method> =
            rows().filter(|(other, _)| other.path == route.path).map(|(_, method)| method).collect();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE] {
            if known.contains(&method) {
                continue;
            }
            let (status, body) = call(&router, method.as_str(), &concrete(route.path), Some(MASTER)).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {}: {body}", route.path);
            assert_eq!(body, r#"{"detail":"Method Not Allowed"}"#, "{method} {}", route.path);
        }
    }
}

#[tokio::test]
async fn the_description_names_every_row_and_only_public_ones_without_a_key() {
    let (status, body) = call(&router(control(WITH_KEY).await), "GET", "/openapi.json", None).await;
    assert_eq!(status, StatusCode::OK);
    let described: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(described["openapi"], "3.1.0");
    let mut ids = std::collections::HashSet::new();
    for (route, method) in rows() {
        let path = &described["paths"][route.path.replace("{*", "{")];
        let operation = &path[method.as_str().to_lowercase()];
        assert!(operation["summary"].is_string(), "{method} {}", route.path);
        assert_eq!(operation.get("security").is_none(), route.access == Access::Public, "{}", route.path);
        assert!(ids.insert(operation["operationId"].clone()), "twice: {}", operation["operationId"]);
    }
    assert!(described["paths"]["/v1/chat/completions"]["post"]["security"].is_array());
}

#[test]
fn no_pass_through_endpoint_can_stand_in_the_way_of_a_route() {
    for route in routes::ALL {
        assert!(crate::config::is_own_path(route.path), "{}", route.path);
    }
}
