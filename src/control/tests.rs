//! Who may call what, for every row of the table, without a socket.

use super::routes::{self, Access};
use super::{Control, router};
use crate::config::{Env, Overrides, parse_and_compile};
use crate::runtime::{Directory, RuntimeHandle, Snapshot};
use crate::store::{DatabaseSettings, Store};
use crate::telemetry::{Target, Telemetry};
use crate::upstream::{Probe, Upstreams};
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tower::ServiceExt;

const MASTER: &str = "sk-master-of-the-table";
const YAML: &str = "model_list:\n  - model_name: org/m\n    litellm_params: {model: openai/m, api_base: 'http://127.0.0.1:1/v1', api_key: k}\n";

async fn control(more: &str) -> Router {
    let yaml = format!("{YAML}{more}");
    let compiled = parse_and_compile(&yaml, &Env::of(&[]), &Overrides::default()).unwrap();
    let upstreams = Upstreams::new(Instant::now(), Probe::Off, Duration::MAX);
    let snapshot = Snapshot::prepare(compiled.config, &upstreams, 1).await.unwrap();
    let mut settings = DatabaseSettings::sqlite(":memory:".into());
    // Each connection would have a memory of its own.
    settings.connections = 1;
    let store = Store::open(&settings).await.unwrap();
    router(Control {
        runtime: Arc::new(RuntimeHandle::new(snapshot)),
        directory: Arc::new(Directory::new(store.clone(), Handle::current())),
        store,
        telemetry: Arc::new(Telemetry::start(Target::Off).unwrap()),
        draining: Arc::new(AtomicBool::new(false)),
        log_level: log::LevelFilter::Info,
    })
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
    pattern.replace("{*id}", "org/m")
}

const WITH_KEY: &str = "general_settings: {master_key: sk-master-of-the-table}\n";

/// These answer as their own tests say.
fn is_about_spend(path: &str) -> bool {
    path.starts_with("/spend") || path.starts_with("/global") || path.contains("/daily/")
}

#[test]
fn the_public_routes_are_these_and_no_others() {
    let with = |access: Access| {
        let mut paths: Vec<&str> =
            routes::ALL.iter().filter(|route| route.access == access).map(|route| route.path).collect();
        paths.sort_unstable();
        paths
    };
    let public = ["/", "/health/liveliness", "/health/liveness", "/health/readiness", "/test"];
    assert_eq!(with(Access::Public), public);
    assert_eq!(with(Access::KeyIfConfigured), ["/metrics", "/metrics/"]);
}

#[tokio::test]
async fn every_route_lets_in_whom_its_row_says() {
    let router = control(WITH_KEY).await;
    for route in routes::ALL {
        let path = concrete(route.path);
        let refused = match route.access {
            Access::Public | Access::KeyIfConfigured => StatusCode::OK,
            Access::Key => StatusCode::UNAUTHORIZED,
        };
        let digest: String = Sha256::digest(MASTER).iter().map(|byte| format!("{byte:02x}")).collect();
        for (key, expected) in [
            (None, refused),
            (Some("sk-somebody-elses"), refused),
            (Some(digest.as_str()), refused),
            (Some(MASTER), StatusCode::OK),
        ] {
            let (status, body) = call(&router, "GET", &path, key).await;
            // Some want more than a key: days, or another method.
            if is_about_spend(&path) && status == StatusCode::METHOD_NOT_ALLOWED {
                continue;
            }
            let let_in =
                status != StatusCode::UNAUTHORIZED && (is_about_spend(&path) || status == StatusCode::OK);
            assert_eq!(let_in, expected == StatusCode::OK, "GET {path} with {key:?}: {status} {body}");
            assert!(let_in || !body.contains("org/m"), "GET {path} with {key:?}: {body}");
        }
    }
}

#[tokio::test]
async fn a_query_and_a_slash_open_no_closed_route() {
    let router = control(WITH_KEY).await;
    for route in routes::ALL.iter().filter(|route| route.access == Access::Key) {
        let path = concrete(route.path);
        for path in [format!("{path}?key={MASTER}"), format!("{path}/"), format!("/{path}")] {
            let (status, body) = call(&router, "GET", &path, None).await;
            assert!(status.is_client_error(), "{path}: {status} {body}");
        }
    }
}

#[tokio::test]
async fn metrics_want_a_key_once_the_configuration_says_so() {
    let more = format!("{WITH_KEY}litellm_settings: {{require_auth_for_metrics_endpoint: true}}\n");
    let router = control(&more).await;
    for path in ["/metrics", "/metrics/"] {
        assert_eq!(call(&router, "GET", path, None).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(call(&router, "GET", path, Some("sk-other")).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(call(&router, "GET", path, Some(MASTER)).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn without_a_master_key_every_route_is_open() {
    let router = control("").await;
    for route in routes::ALL.iter().filter(|route| !is_about_spend(route.path)) {
        let (status, body) = call(&router, "GET", &concrete(route.path), None).await;
        assert_eq!(status, StatusCode::OK, "{}: {body}", route.path);
    }
}

#[tokio::test]
async fn no_other_method_gets_to_a_handler() {
    let router = control(WITH_KEY).await;
    for route in routes::ALL {
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            let (status, body) = call(&router, method, &concrete(route.path), Some(MASTER)).await;
            if method == "POST" && is_about_spend(route.path) && status != StatusCode::METHOD_NOT_ALLOWED {
                continue;
            }
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {}: {body}", route.path);
            assert_eq!(body, r#"{"detail":"Method Not Allowed"}"#, "{method} {}", route.path);
        }
    }
}
