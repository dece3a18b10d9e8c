//! What the routes answer after a few calls, to an admin and to others.

use crate::control::router;
use crate::control::tests::control_of;
use crate::domain::{
    Attribution, CallId, Charge, Content, CounterId, Money, Outcome, RecordId, Scope, Timings, Usage,
    UsageRecord, fixture,
};
use crate::store::tests::both;
use crate::store::{Booking, KEYS, Store, USERS};
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tower::ServiceExt;

const MASTER: &str = "sk-master-of-the-books";
const YAML: &str = "
model_list:
  - model_name: glm
    litellm_params: {model: openai/glm-5.1, api_base: 'http://127.0.0.1:1/v1', api_key: k}
    model_info: {input_cost_per_token: 0.000001, output_cost_per_token: 0.00001}
general_settings: {master_key: sk-master-of-the-books}
";
/// 21 November 2026, 07:30:00.
const ARRIVED: u64 = 1_795_246_200_000;

async fn control(store: Store) -> Router {
    router(control_of(YAML, store).await)
}

async fn call(router: &Router, method: &str, path: &str, key: &str, body: &str) -> (StatusCode, Value) {
    let request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn get(router: &Router, path: &str) -> Value {
    let (status, value) = call(router, "GET", path, MASTER, "").await;
    assert_eq!(status, StatusCode::OK, "{path}: {value}");
    value
}

fn hash(key: &str) -> String {
    crate::auth::digest(key).to_hex()
}

/// A call by a user with a key of its own that cost a thousandth of a dollar.
fn record(number: u64, user: &str, outcome: Outcome) -> UsageRecord {
    let key: Arc<str> = Arc::from(hash(&format!("sk-{user}")));
    let counter = CounterId { scope: Scope::Key, id: Arc::clone(&key), slot: Arc::from("") };
    let arrived = SystemTime::UNIX_EPOCH + Duration::from_millis(ARRIVED + number * 1000);
    let attribution = Attribution {
        user_id: Some(Arc::from(user)),
        team_id: (user == "u1").then(|| Arc::from("t1")),
        customer: Some(Arc::from("c1")),
        tags: vec![Arc::from("prod")],
        charges: vec![Charge { counter, period_end: 0 }],
        ..Attribution::default()
    };
    let content = Content {
        request: r#"{"messages":[{"role":"user","content":"hi"}]}"#.into(),
        response: "cut {".into(),
    };
    UsageRecord {
        id: RecordId::new(ARRIVED + number * 1000, u128::from(number)),
        call_id: CallId::new(&format!("call-{number}")),
        response_id: Some(Arc::from(format!("chatcmpl-{number}"))),
        attribution: Some(Box::new(attribution)),
        arrived,
        key_hash: Some(key),
        outcome,
        attempts: Vec::new(),
        usage: Usage { prompt: 11, completion: 7, cached: 4, ..Usage::default() },
        cost: Money::from_dollars(0.001).unwrap(),
        timings: Timings { end: Duration::from_millis(250), ..Timings::default() },
        content: Some(Box::new(content)),
        ..fixture::answered()
    }
}

async fn books(store: &Store) {
    let records = [
        record(1, "u1", Outcome::Completed),
        record(2, "u1", Outcome::Refused("RateLimitError")),
        record(3, "u2", Outcome::Completed),
    ];
    let booking = Booking { records: &records, deployed: &|_| None, rows: true, progress: &[], gone: &[] };
    store.book(&booking).await.unwrap();
    for (user, key) in [
        ("u1", json!({"key_alias": "one", "user_id": "u1"})),
        ("u2", json!({"permissions": {"get_spend_routes": true}})),
    ] {
        store.insert(&KEYS, &hash(&format!("sk-{user}")), key.as_object().cloned().unwrap()).await.unwrap();
    }
    store
        .insert(&USERS, "u1", json!({"user_role": "internal_user"}).as_object().cloned().unwrap())
        .await
        .unwrap();
}

const DAYS: &str = "start_date=2026-11-20&end_date=2026-11-21";

#[tokio::test]
async fn calls_are_found_and_summed_by_day() {
    for (store, _folder) in both().await {
        books(&store).await;
        let router = control(store).await;
        let row = &get(&router, "/spend/logs?request_id=chatcmpl-1").await[0];
        assert_eq!(
            (row["spend"].as_f64(), &row["startTime"]),
            (Some(0.001), &json!("2026-11-21T07:30:01.000000Z"))
        );
        assert_eq!(
            (&row["user"], &row["request_tags"], &row["status"]),
            (&json!("u1"), &json!(["prod"]), &json!("success"))
        );
        for (query, rows) in [
            ("api_key=sk-u1".to_owned(), 2),
            (format!("api_key={}", hash("sk-u1")), 2),
            ("user_id=u2".to_owned(), 1),
            (String::new(), 3),
            (format!("{DAYS}&summarize=false"), 3),
            ("start_date=2026-11-22&end_date=2026-11-23&summarize=false".to_owned(), 0),
        ] {
            let found = get(&router, &format!("/spend/logs?{query}")).await;
            assert_eq!(found.as_array().map(Vec::len), Some(rows), "{query}");
        }
        let days = get(&router, &format!("/spend/logs?{DAYS}")).await;
        assert_eq!(days[0]["users"], json!({"u1": 0.002, "u2": 0.001}));
        assert_eq!((&days[0][hash("sk-u2")], &days[0]["startTime"]), (&json!(0.001), &json!("2026-11-21")));
        let between = "start_date=2026-11-21%2007:00:00&end_date=2026-11-21%2007:30:02";
        let page = get(&router, &format!("/spend/logs/v2?{between}&page_size=1&page=2&sort_by=spend")).await;
        assert_eq!(
            (&page["total"], &page["total_pages"], &page["data"][0]["request_id"]),
            (&json!(2), &json!(2), &json!("chatcmpl-1"))
        );
        let failed = get(&router, &format!("/spend/logs/ui?{between}&status_filter=failure")).await;
        assert_eq!(failed["data"][0]["metadata"]["error_information"]["error_class"], "RateLimitError");
        let said = get(&router, "/spend/logs/ui/chatcmpl-1").await;
        assert_eq!((&said["messages"][0]["content"], &said["response"]), (&json!("hi"), &json!("cut {")));
    }
}

#[tokio::test]
async fn sums_have_litellms_shapes() {
    for (store, _folder) in both().await {
        books(&store).await;
        let router = control(store).await;
        let days = DAYS;
        for (path, expected) in [
            (format!("/global/spend/logs?{days}"), json!([{"date": "2026-11-21", "spend": 0.003}])),
            (
                format!("/global/spend/models?{days}"),
                json!([{"model": "openai/glm-5.1", "total_spend": 0.003}]),
            ),
            (format!("/global/spend/provider?{days}"), json!([{"provider": "openai", "spend": 0.003}])),
            (
                format!("/global/spend/tags?{days}"),
                json!({"spend_per_tag": [{"name": "prod", "spend": 0.003, "log_count": 3}]}),
            ),
            (
                format!("/spend/tags?{days}"),
                json!([{"individual_request_tag": "prod", "log_count": 3, "total_spend": 0.003}]),
            ),
            (
                format!("/global/activity?{days}"),
                json!({"daily_data": [{"date": "Nov 21", "api_requests": 3, "total_tokens": 54}], "sum_api_requests": 3, "sum_total_tokens": 54}),
            ),
            (
                format!("/global/spend/teams?{days}"),
                json!({
                    "daily_spend": [{"date": "2026-11-21", "Unassigned": 0.001, "t1": 0.002}],
                    "teams": ["Unassigned", "t1"],
                    "total_spend_per_team": [{"team_id": "Unassigned", "total_spend": 0.001}, {"team_id": "t1", "total_spend": 0.002}],
                }),
            ),
        ] {
            assert_eq!(get(&router, &path).await, expected, "{path}");
        }
        let keys = get(&router, &format!("/global/spend/keys?{days}&limit=1")).await;
        assert_eq!((&keys[0]["key_alias"], &keys[0]["total_spend"]), (&json!("one"), &json!(0.002)));
        assert_eq!(get(&router, "/spend/keys").await[0]["spend"], 0.002);
        let body = r#"{"startTime": "2026-11-20", "endTime": "2026-11-21"}"#;
        let (_, users) = call(&router, "POST", "/global/spend/end_users", MASTER, body).await;
        assert_eq!(users, json!([{"end_user": "c1", "total_count": 3, "total_spend": 0.003}]));
        let by_model = get(&router, &format!("/global/activity/model?{days}")).await;
        assert_eq!((&by_model[0]["model"], &by_model[0]["sum_api_requests"]), (&json!("glm"), &json!(3)));
    }
}

#[tokio::test]
async fn reports_and_days_tell_apart_what_they_are_made_of() {
    for (store, _folder) in both().await {
        books(&store).await;
        let router = control(store).await;
        let days = DAYS;
        let report = get(&router, &format!("/global/spend/report?{days}&group_by=team")).await;
        assert_eq!(report[0]["teams"][1]["total_spend"], 0.002);
        let report = get(&router, &format!("/global/spend/report?{days}&group_by=api_key")).await;
        assert_eq!(report.as_array().map(Vec::len), Some(2));
        for path in [
            "/user/daily/activity",
            "/tag/daily/activity",
            "/customer/daily/activity",
            "/user/daily/activity/aggregated",
        ] {
            let page = get(&router, &format!("{path}?{days}")).await;
            assert_eq!(
                (&page["metadata"]["total_spend"], &page["metadata"]["has_more"]),
                (&json!(0.003), &json!(false)),
                "{path}"
            );
            assert_eq!(page["results"][0]["metrics"]["failed_requests"], 1, "{path}");
            let model = &page["results"][0]["breakdown"]["models"]["openai/glm-5.1"];
            assert_eq!(model["api_key_breakdown"][hash("sk-u1")]["metrics"]["api_requests"], 2, "{path}");
        }
        let team = get(&router, &format!("/team/daily/activity?{days}")).await;
        assert_eq!(team["results"][0]["breakdown"]["entities"]["t1"]["metrics"]["spend"], 0.002);
    }
}

#[tokio::test]
async fn a_price_is_calculated_and_spend_is_reset() {
    let (store, _folder) = both().await.swap_remove(0);
    books(&store).await;
    let router = control(store.clone()).await;
    let answer = r#"{"completion_response": {"model": "glm-5.1", "usage": {"prompt_tokens": 10, "completion_tokens": 1}}}"#;
    for (body, cost) in
        [(answer, json!({"cost": 2e-05})), (r#"{"model": "glm", "messages": []}"#, json!({"cost": 1e-06}))]
    {
        assert_eq!(call(&router, "POST", "/spend/calculate", MASTER, body).await, (StatusCode::OK, cost));
    }
    let (status, _) = call(&router, "POST", "/spend/calculate", MASTER, r#"{"model": "none"}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(call(&router, "POST", "/global/spend/reset", MASTER, "").await.0, StatusCode::OK);
    assert_eq!(store.number("SELECT SUM(spent) FROM tollgate_spend").await, Some(0));
    for path in ["/spend/logs/v2", "/global/activity", "/user/daily/activity?start_date=x&end_date=y"] {
        assert_eq!(call(&router, "GET", path, MASTER, "").await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn a_user_sees_its_own_and_a_key_what_it_may() {
    let (store, _folder) = both().await.swap_remove(0);
    books(&store).await;
    let router = control(store).await;
    for path in ["/spend/logs", "/spend/logs?user_id=u2", "/spend/logs?request_id=chatcmpl-3&user_id=u2"] {
        let (status, rows) = call(&router, "GET", path, "sk-u1", "").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(rows.as_array().unwrap().iter().all(|row| row["user"] == "u1"), "{path}: {rows}");
    }
    let (_, said) = call(&router, "GET", "/spend/logs/ui/chatcmpl-3", "sk-u1", "").await;
    assert_eq!(said["messages"], json!({}));
    let (_, mine) = call(&router, "GET", &format!("/team/daily/activity?{DAYS}"), "sk-u1", "").await;
    assert_eq!(mine["metadata"]["total_spend"], 0.002);
    for (key, method, path, status) in [
        ("sk-u1", "GET", "/global/spend", StatusCode::UNAUTHORIZED),
        ("sk-u1", "POST", "/global/spend/reset", StatusCode::UNAUTHORIZED),
        ("sk-u1", "GET", "/spend/keys", StatusCode::UNAUTHORIZED),
        ("sk-u2", "GET", "/global/spend", StatusCode::OK),
        ("sk-u2", "GET", "/spend/logs", StatusCode::UNAUTHORIZED),
        ("sk-u2", "POST", "/global/spend/reset", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(call(&router, method, path, key, "").await.0, status, "{key} {method} {path}");
    }
}
