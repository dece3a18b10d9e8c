use super::{golden, sample};
use crate::dialects::openai::request::{Request, read};
use crate::dialects::openai::{Controls, encode};
use crate::dialects::{Shape, ShapeParams};
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::time::Duration;

const CHAT: EndpointKind = EndpointKind::ChatCompletions;

#[derive(Default)]
struct Deployment {
    defaults: Map<String, Value>,
    extra_body: Map<String, Value>,
    allowed: Vec<String>,
    drop: Vec<String>,
    drop_params: bool,
    no_stream_options: bool,
}

impl Deployment {
    fn encode(&self, request: &Request, model: &str) -> Result<Bytes, ApiError> {
        let params = ShapeParams {
            defaults: &self.defaults,
            extra_body: &self.extra_body,
            allowed: &self.allowed,
            drop: &self.drop,
            takes_stream_options: !self.no_stream_options,
        };
        encode(request, &Shape { model, params, drop_params: self.drop_params, ask_usage: true })
    }

    fn sent(&self, kind: EndpointKind, body: &Value) -> Value {
        let request = read(kind, Bytes::from(body.to_string())).unwrap();
        serde_json::from_slice(&self.encode(&request, "up").unwrap()).unwrap()
    }
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn refusal(kind: EndpointKind, body: &str) -> ApiError {
    read(kind, Bytes::copy_from_slice(body.as_bytes())).expect_err(body)
}

#[test]
fn facts_are_read() {
    let request = read(CHAT, Bytes::from(sample("request", "controls.json"))).unwrap();
    assert_eq!(request.model(), Some("glm"));
    assert!(request.stream() && !request.asks_usage());
    let controls = Controls {
        num_retries: Some(2),
        timeout: Some(Duration::from_secs(30)),
        stream_timeout: Some(Duration::from_millis(1500)),
    };
    assert_eq!(*request.controls(), controls);
    let body = r#"{"model":"\u0061\"b","messages":["1234567890"],"stream":true,"stream_options":{"include_usage":true}}"#;
    let request = read(CHAT, Bytes::from(body)).unwrap();
    assert_eq!(request.model(), Some("a\"b"));
    assert!(request.asks_usage());
    assert_eq!(request.prompt_estimate(), 4);
}

#[test]
fn facts_outlive_the_body() {
    let body =
        r#"{"model":"a","messages":["1234567890"],"stream":true,"stream_options":{"include_usage":true}}"#;
    let mut request = read(CHAT, Bytes::from(body)).unwrap();
    let (model, prompt) = (request.model().map(str::to_owned), request.prompt_estimate());
    request.forget_body();
    assert!(request.body().is_empty() && request.stream() && request.asks_usage());
    assert_eq!((request.model().map(str::to_owned), request.prompt_estimate()), (model, prompt));
    assert_eq!(
        (request.user(), request.max_tokens(), request.tags(), request.opening()),
        (None, None, vec![], &b""[..])
    );
}

#[test]
fn a_missing_model_is_left_to_the_caller() {
    for body in ["", "{}", r#"{"model":null}"#] {
        assert_eq!(read(CHAT, Bytes::from(body)).unwrap().model(), None, "{body}");
    }
}

#[test]
fn broken_bodies_are_refused_in_litellms_words() {
    let error = refusal(CHAT, r#"{"model":"ok","#);
    assert_eq!(error.kind, ErrorKind::InvalidJson);
    assert_eq!(error.message, "Invalid JSON payload: unexpected end of data: line 1 column 15 (char 14)");
    for body in ["[]", "\"text\"", "12", "null"] {
        assert_eq!(refusal(CHAT, body).kind, ErrorKind::InvalidRequest, "{body}");
    }
    assert_eq!(refusal(CHAT, "[").kind, ErrorKind::InvalidJson);
}

#[test]
fn malformed_members_are_named() {
    use EndpointKind::{Completions, Embeddings};
    for (kind, body, param) in [
        (CHAT, r#"{"model":123}"#, "model"),
        (CHAT, r#"{"model":"m"}"#, "messages"),
        (CHAT, r#"{"model":"m","messages":null}"#, "messages"),
        (CHAT, r#"{"model":"m","messages":"hi"}"#, "messages"),
        (Completions, r#"{"model":"m","messages":[]}"#, "prompt"),
        (Completions, r#"{"model":"m","prompt":{}}"#, "prompt"),
        (Embeddings, r#"{"model":"m"}"#, "input"),
        (CHAT, r#"{"model":"m","messages":[],"stream":"yes"}"#, "stream"),
        (CHAT, r#"{"model":"m","messages":[],"stream_options":1}"#, "stream_options"),
        (CHAT, r#"{"model":"m","messages":[],"timeout":-1}"#, "timeout"),
        (CHAT, r#"{"model":"m","messages":[],"timeout":"NaN"}"#, "timeout"),
        (CHAT, r#"{"model":"m","messages":[],"num_retries":-1}"#, "num_retries"),
        (CHAT, r#"{"model":"m","messages":[],"extra_body":[]}"#, "extra_body"),
        (CHAT, r#"{"model":"m","messages":[],"extra_body":{"model":"n"}}"#, "extra_body"),
        (CHAT, r#"{"model":"m","messages":[],"extra_body":{"stream":true}}"#, "extra_body"),
    ] {
        let error = refusal(kind, body);
        assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::InvalidRequest, Some(param)), "{body}");
    }
}

#[test]
fn a_client_sets_neither_destination_nor_credential() {
    let names = ["api_base", "base_url", "user_config", "aws_role_name", "vertex_credentials", "api_key"];
    for name in names.into_iter().chain(["API_Base", "api_ba\\u0073e", "api_\u{212A}ey"]) {
        for body in [format!(r#"{{"{name}":"x"}}"#), format!(r#"{{"extra_body":{{"{name}":"x"}}}}"#)] {
            assert_eq!(refusal(CHAT, &body).kind, ErrorKind::BannedParam, "{body}");
        }
    }
    let message = refusal(CHAT, r#"{"api_base":"x"}"#).message;
    assert!(
        message
            .starts_with("Authentication Error, Rejected Request: api_base is not allowed in request body.")
    );
}

#[test]
fn what_decides_is_said_once_and_properly_spelt() {
    for body in [
        r#"{"model":"a","model":"b","messages":[]}"#,
        r#"{"model":"a","mod\u0065l":"b","messages":[]}"#,
        r#"{"model":"a","Model":"b","messages":[]}"#,
        r#"{"model":"a","messages":[],"ſtream":true}"#,
        r#"{"model":"a","messages":[],"messages":[1]}"#,
        r#"{"model":"a","messages":[],"extra_body":{"STREAM":true}}"#,
    ] {
        assert_eq!(refusal(CHAT, body).kind, ErrorKind::InvalidRequest, "{body}");
    }
}

#[test]
fn what_is_weighed_is_what_the_upstream_reads() {
    use EndpointKind::{ImageGenerations, Rerank};
    for (kind, body) in [
        (CHAT, r#"{"model":"a","messages":[],"max_tokens":1,"max_tokens":9}"#),
        (CHAT, r#"{"model":"a","messages":[],"max_tokens":1,"Max_Tokens":9}"#),
        (CHAT, r#"{"model":"a","messages":[],"extra_body":{"max_tokens":1,"max_token\u0073":9}}"#),
        (ImageGenerations, r#"{"model":"a","prompt":"p","n":1,"n":9}"#),
        (ImageGenerations, r#"{"model":"a","prompt":"p","size":"256x256","s\u0069ze":"1024x1024"}"#),
        (ImageGenerations, r#"{"model":"a","prompt":"p","quality":"low","Quality":"hd"}"#),
        (Rerank, r#"{"model":"a","query":"q","documents":[],"documents":["d"]}"#),
    ] {
        let error = refusal(kind, body);
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{body}");
    }
    let both = r#"{"model":"a","messages":[],"max_tokens":1,"extra_body":{"max_tokens":9}}"#;
    assert_eq!(read(CHAT, Bytes::from(both)).unwrap().max_tokens(), Some(9), "it wins over the root");
    let body = r#"{"model":"a","prompt":"p","n":1,"size":"s","extra_body":{"n":"7","size":"l"}}"#;
    let request = read(ImageGenerations, Bytes::from(body)).unwrap();
    assert_eq!((request.units().images, request.image().0.as_str()), (7, "l"));
}

#[test]
fn a_body_that_needs_no_change_is_not_copied() {
    let body = Bytes::from_static(br#" {"model" : "up", "messages":[], "x_new": 1e5 } "#);
    let request = read(CHAT, body.clone()).unwrap();
    let encoded = Deployment::default().encode(&request, "up").unwrap();
    assert_eq!(encoded.as_ptr(), body.as_ptr());
    assert_eq!(encoded.len(), body.len());
}

#[test]
fn unknown_members_are_forwarded_byte_for_byte() {
    let odd = r#""\u0078" : [1.0, 1E5 ,"\u00fc"]"#;
    let request = read(CHAT, Bytes::from(format!(r#"{{"model":"m",{odd},"messages":[]}}"#))).unwrap();
    let encoded = Deployment::default().encode(&request, "up").unwrap();
    assert_eq!(std::str::from_utf8(&encoded).unwrap(), format!(r#"{{"model":"up",{odd},"messages":[]}}"#));
}

#[test]
fn what_is_the_gateways_is_kept_back() {
    let body: Value = serde_json::from_slice(&sample("request", "controls.json")).unwrap();
    let expected = json!({
        "model": "up", "messages": [], "stream": true,
        "stream_options": {"continuous_usage_stats": true, "include_usage": true},
        "guided_json": {"a": [1]},
    });
    assert_eq!(Deployment::default().sent(CHAT, &body), expected);
    let body: Value = serde_json::from_slice(&sample("request", "embedding.json")).unwrap();
    let expected = json!({"model": "up", "input": [[1, 2, 3]], "encoding_format": "base64"});
    assert_eq!(Deployment::default().sent(EndpointKind::Embeddings, &body), expected);
    let all = json!({
        "model": "m", "messages": [], "user": "u", "metadata": {}, "store": true, "tags": [], "litellm_metadata": {},
        "num_retries": 1, "fallbacks": [], "context_window_fallbacks": [], "content_policy_fallbacks": [],
        "timeout": 1, "request_timeout": 1, "stream_timeout": 1, "cache": {}, "mock_response": "x",
        "mock_timeout": true, "mock_testing_fallbacks": true, "guardrails": [], "disable_fallbacks": true,
        "drop_params": true, "allowed_openai_params": [], "additional_drop_params": [], "secret_fields": {},
        "proxy_server_request": {}, "prompt_id": "p", "prompt_variables": {}, "extra_headers": {}, "headers": {},
        "stream_options": {"include_usage": true},
    });
    assert_eq!(Deployment::default().sent(CHAT, &all), json!({"model": "up", "messages": []}));
}

#[test]
fn usage_is_asked_for_where_that_is_understood() {
    let body = json!({"model": "m", "messages": [], "stream": true});
    let sent = Deployment::default().sent(CHAT, &body);
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    let without = Deployment { no_stream_options: true, ..Deployment::default() };
    assert_eq!(without.sent(CHAT, &body).get("stream_options"), None);
    let body =
        json!({"model": "m", "messages": [], "stream": true, "stream_options": {"include_usage": false}});
    assert_eq!(Deployment::default().sent(CHAT, &body)["stream_options"], json!({"include_usage": true}));
}

#[test]
fn deployments_add_and_override() {
    let deployment = Deployment {
        defaults: map(json!({"temperature": 0.7, "top_p": 0.5, "stream": true, "model": "x", "user": "ops"})),
        extra_body: map(json!({"chat_template_kwargs": {"enable_thinking": false}, "seed": 9, "top_k": 2})),
        ..Deployment::default()
    };
    let body = json!({"model": "m", "messages": [], "temperature": 0, "seed": 1, "user": "u", "extra_body": {"top_k": 1}});
    let expected = json!({
        "model": "up", "messages": [], "temperature": 0, "top_p": 0.5, "user": "ops",
        "chat_template_kwargs": {"enable_thinking": false}, "seed": 9, "top_k": 2,
    });
    assert_eq!(deployment.sent(CHAT, &body), expected);
}

#[test]
fn extra_body_wins_over_the_root() {
    let body = json!({"model": "m", "messages": [], "top_k": 1, "extra_body": {"top_k": 2, "user": "u"}});
    let expected = json!({"model": "up", "messages": [], "top_k": 2, "user": "u"});
    assert_eq!(Deployment::default().sent(CHAT, &body), expected);
}

#[test]
fn unsupported_parameters_are_refused_dropped_or_allowed() {
    let with = |mut more: Value| {
        let mut body = json!({"model": "m", "messages": [], "reasoning_effort": "low"});
        body.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
        body
    };
    let encode = |deployment: &Deployment, body: Value| {
        let request = read(CHAT, Bytes::from(body.to_string())).unwrap();
        deployment.encode(&request, "up").map(|b| serde_json::from_slice::<Value>(&b).unwrap())
    };
    let has = |sent: Result<Value, ApiError>| sent.unwrap().get("reasoning_effort").is_some();
    let plain = Deployment::default();
    let error = encode(&plain, with(json!({}))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnsupportedParams);
    let words = "litellm.UnsupportedParamsError: openai does not support parameters: ['reasoning_effort'], for model=up.";
    assert!(error.message.starts_with(words), "{}", error.message);
    assert!(!has(encode(&plain, with(json!({"drop_params": true})))));
    assert!(has(encode(&plain, with(json!({"allowed_openai_params": ["reasoning_effort"]})))));
    assert!(!has(encode(&plain, with(json!({"additional_drop_params": ["reasoning_effort"]})))));
    assert!(!has(encode(&plain, with(json!({"reasoning_effort": null})))));
    let drops = Deployment { drop_params: true, ..Deployment::default() };
    assert!(!has(encode(&drops, with(json!({})))));
    assert!(encode(&drops, with(json!({"drop_params": false}))).is_err());
    let allows =
        Deployment { allowed: vec!["reasoning_effort".into(), "user".into()], ..Deployment::default() };
    assert!(has(encode(&allows, with(json!({})))));
    assert_eq!(encode(&allows, with(json!({"user": "u"}))).unwrap()["user"], "u");
}

#[test]
fn dropping_never_takes_what_is_asked() {
    let drop = ["model", "messages", "stream", "seed"].map(str::to_owned).to_vec();
    let deployment = Deployment { drop, ..Deployment::default() };
    let body = json!({"model": "m", "messages": [1], "stream": false, "seed": 1});
    assert_eq!(deployment.sent(CHAT, &body), json!({"model": "up", "messages": [1], "stream": false}));
}

#[test]
fn golden_requests_are_read() {
    let kinds = [CHAT, EndpointKind::Completions, CHAT, EndpointKind::Embeddings];
    for ((name, body), kind) in golden("request").into_iter().zip(kinds) {
        assert!(read(kind, Bytes::from(body)).is_ok(), "{name}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4).prop_map(|m| json!(m)),
        ]
    })
}

fn any_members() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "user",
            "top_k",
            "seed",
            "stream_options",
            "store",
            "tags",
            "a\"b",
            "temperature"
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,6}",
    ];
    prop::collection::vec((name, any_json()), 0..8).prop_map(|members| members.into_iter().collect())
}

proptest! {
    #[test]
    fn what_is_sent_is_json_and_means_what_it_should(
        members in any_members(), model: String, stream: bool, indented: bool,
        defaults in any_members(), extra_body in any_members(),
    ) {
        let mut body = members;
        body.insert("model".into(), json!("m"));
        body.insert("messages".into(), json!([{"role": "user", "content": model}]));
        body.insert("stream".into(), json!(stream));
        let body = Value::from(body);
        let text = if indented { serde_json::to_string_pretty(&body).unwrap() } else { body.to_string() };
        let Ok(request) = read(CHAT, Bytes::from(text)) else { return Ok(()) };
        let deployment = Deployment { defaults: defaults.clone(), extra_body: extra_body.clone(), ..Deployment::default() };
        let sent: Value = serde_json::from_slice(&deployment.encode(&request, &model).unwrap()).unwrap();
        let kept_back = ["user", "store", "tags", "stream_options"];
        let mut expected = map(body);
        expected.retain(|name, _| !kept_back.contains(&name.as_str()));
        expected.insert("model".into(), json!(model));
        for (name, value) in defaults {
            if name != "stream_options" && !expected.contains_key(&name) {
                expected.insert(name, value);
            }
        }
        for (name, value) in extra_body {
            if name != "stream_options" || stream {
                expected.insert(name, value);
            }
        }
        let mut sent = map(sent);
        if stream && !deployment.extra_body.contains_key("stream_options") {
            prop_assert_eq!(&sent.remove("stream_options").unwrap()["include_usage"], &json!(true));
        }
        prop_assert_eq!(sent, expected);
    }

    #[test]
    fn no_body_panics(body: Vec<u8>) {
        for kind in [CHAT, EndpointKind::Completions, EndpointKind::Embeddings] {
            let _ = read(kind, Bytes::from(body.clone()));
        }
    }
}
