use super::{golden, sample};
use crate::dialects::openai::{answer, read_failure, rename_model};
use crate::domain::{UpstreamClass, Usage};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use std::time::Duration;

fn usage_of(name: &str) -> Usage {
    answer::read(&sample("answer", name)).usage.unwrap()
}

#[test]
fn usage_is_read_in_every_providers_form() {
    let openai = Usage { prompt: 11, completion: 7, cached: 4, reasoning: 2, ..Usage::default() };
    assert_eq!(usage_of("openai.json"), openai);
    assert_eq!(
        usage_of("deepseek.json"),
        Usage { prompt: 20, completion: 3, cached: 16, ..Usage::default() }
    );
    assert_eq!(usage_of("embedding.json"), Usage { prompt: 5, ..Usage::default() });
}

#[test]
fn reasoning_beside_the_completion_is_counted_in() {
    let xai = Usage { prompt: 10, completion: 105, reasoning: 100, ..Usage::default() };
    assert_eq!(usage_of("xai.json"), xai);
}

#[test]
fn an_answer_without_usage_leaves_its_text_to_estimate_by() {
    let facts = answer::read(&sample("answer", "no_usage.json"));
    assert_eq!((facts.usage, facts.text_bytes, facts.is_json_object), (None, 8, true));
}

#[test]
fn odd_counts_do_no_harm() {
    let usage = |text: &str| answer::read(format!("{{\"usage\":{text}}}").as_bytes()).usage;
    assert_eq!(usage("{}"), None);
    assert_eq!(usage("[1]"), None);
    assert_eq!(usage("{\"prompt_tokens\":null}"), None);
    assert_eq!(usage("{\"prompt_tokens\":\"5\",\"total_tokens\":3}").unwrap().prompt, 3);
    assert_eq!(usage("{\"prompt_tokens\":11.0}").unwrap().prompt, 11);
    assert_eq!(usage("{\"prompt_tokens\":-3,\"completion_tokens\":2}").unwrap().prompt, 0);
    assert_eq!(usage("{\"prompt_tokens\":1e300}").unwrap().prompt, u64::MAX);
}

#[test]
fn what_is_no_object_is_known_for_it() {
    for body in ["", "null", "[1]", "<html>", "{\"a\":1", "{\"a\":1}x"] {
        assert!(!answer::read(body.as_bytes()).is_json_object, "{body}");
    }
}

#[test]
fn only_the_top_level_model_is_renamed() {
    let body = Bytes::from_static(br#"{"choices":[{"model":"x"}], "model" : "up", "n":"model"}"#);
    let renamed = rename_model(body.clone(), "a\"b");
    assert_eq!(&renamed[..], br#"{"choices":[{"model":"x"}], "model" : "a\"b", "n":"model"}"#);
    assert_eq!(rename_model(body.clone(), "up").as_ptr(), body.as_ptr());
    let without = Bytes::from_static(br#"{"choices":[]}"#);
    assert_eq!(rename_model(without.clone(), "up").as_ptr(), without.as_ptr());
}

fn failure_of(name: &str) -> crate::domain::Failure {
    let status = name.split('.').nth(1).unwrap().parse().unwrap();
    read_failure(status, &sample("error", name), Some(Duration::from_secs(3)))
}

#[test]
fn errors_are_understood_in_every_shape() {
    use UpstreamClass as C;
    let expected = [
        ("azure_policy.400.json", C::ContentPolicy, "content management policy"),
        ("fastapi.422.json", C::Unprocessable, "extra fields not permitted"),
        ("gemini.400.json", C::BadRequest, "API key not valid. Please pass a valid API key."),
        ("maas_key.401.json", C::Authentication, "Invalid authorization token *** in request."),
        ("nginx.502.json", C::BadGateway, "Bad gateway"),
        ("openai_context.400.json", C::ContextWindow, "maximum context length"),
        (
            "openai_key.401.json",
            C::Authentication,
            "Incorrect API key provided: ***. You can find your API key at https://platform.openai.com/account/api-keys.",
        ),
        ("string.429.json", C::RateLimit, "Too many requests, slow down"),
        ("vllm_context.400.json", C::ContextWindow, "requested 5000 tokens"),
    ];
    assert_eq!(golden("error").len(), expected.len(), "every sample is expected");
    for (name, class, words) in expected {
        let failure = failure_of(name);
        assert_eq!(failure.class, class, "{name}");
        assert!(failure.message.contains(words), "{name}: {}", failure.message);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(3)));
    }
    let failure = failure_of("openai_context.400.json");
    assert_eq!(failure.kind.as_deref(), Some("invalid_request_error"));
    assert_eq!(failure.param.as_deref(), Some("messages"));
}

#[test]
fn credentials_in_the_upstreams_words_are_masked() {
    for (said, shown) in [
        ("key sk-abc123XYZ987 is bad", "key *** is bad"),
        ("got Bearer abc.def/ghi=1 here", "got Bearer *** here"),
        ("Authorization: Bearer abcdefghijklmnopqrst", "Authorization: Bearer ***"),
        ("api_key=0123456789abcdefABCDEF", "api_key=***"),
        ("bad token 'eyJhbGciOiJIUzI1NiJ9abcdef'", "bad token '***'"),
        ("request 0123456789abcdef0123456789 failed", "request 0123456789abcdef0123456789 failed"),
        ("max_completion_tokens is too large", "max_completion_tokens is too large"),
        ("Invalid \u{7}bell\nline ü", "Invalid bell line ü"),
    ] {
        let body = serde_json::json!({ "error": { "message": said } }).to_string();
        assert_eq!(read_failure(500, body.as_bytes(), None).message, shown);
    }
}

#[test]
fn long_words_are_cut_between_characters() {
    let body = serde_json::json!({ "message": "ü".repeat(9000) }).to_string();
    assert_eq!(read_failure(500, body.as_bytes(), None).message, "ü".repeat(2000));
}

proptest! {
    #[test]
    fn no_error_body_panics_and_no_control_character_remains(status in 100_u16..700, body: Vec<u8>, words: String) {
        let _ = read_failure(status, &body, None);
        let said = serde_json::json!({ "error": { "message": words, "type": words } }).to_string();
        let failure = read_failure(status, said.as_bytes(), None);
        prop_assert!(!failure.message.chars().any(char::is_control));
    }

    #[test]
    fn renaming_changes_the_model_and_nothing_else(to: String) {
        for (name, body) in golden("answer") {
            let renamed = rename_model(Bytes::from(body.clone()), &to);
            let mut expected: Value = serde_json::from_slice(&body).unwrap();
            expected["model"] = Value::from(to.clone());
            prop_assert_eq!(serde_json::from_slice::<Value>(&renamed).unwrap(), expected, "{}", name);
        }
    }
}

#[test]
fn words_of_nothing_but_control_characters_are_no_message() {
    let body = "{\"error_msg\": \"\u{7f}\u{7f}\\u0001\"}";
    assert!(!read_failure(400, body.as_bytes(), None).message.is_empty());
}
