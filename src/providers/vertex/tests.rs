use super::account::{Account, loan};
use super::*;
use serde_json::json;
use std::time::Duration;

const KEY: &str = include_str!("../../../tests/fixtures/test_only_account_key.pem");

fn file(more: &[(&str, serde_json::Value)]) -> String {
    let mut file = json!({ "type": "service_account", "project_id": "p-1", "private_key": KEY,
        "client_email": "a@p-1.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token" });
    more.iter().for_each(|(name, value)| file[*name] = value.clone());
    file.to_string()
}

fn placed(model: &str, given: &[(&str, &str)]) -> Result<Placed, String> {
    let account = file(&[]);
    let find = |name: &str| match given.iter().find(|(own, _)| *own == name) {
        Some((_, value)) => Some((*value).to_owned()),
        None => {
            (name == CREDENTIALS && given.iter().all(|(own, _)| *own != "api_key")).then(|| account.clone())
        }
    };
    Vertex.place(model, &|name, env| find(name).or_else(|| env.iter().find_map(|name| find(name))))
}

#[test]
fn the_location_is_in_the_host_and_in_the_path() {
    let base = |given: &[(&str, &str)]| placed("gemini-2.5-pro", given).unwrap().base;
    let at = |host: &str, location: &str| {
        format!("https://{host}/v1/projects/p-1/locations/{location}/publishers/google")
    };
    assert_eq!(base(&[]), at("us-central1-aiplatform.googleapis.com", "us-central1"));
    assert_eq!(base(&[("vertex_location", "global")]), at("aiplatform.googleapis.com", "global"));
    assert_eq!(base(&[("VERTEXAI_LOCATION", "eu")]), at("aiplatform.eu.rep.googleapis.com", "eu"));
    let own = base(&[("vertex_project", "q-2"), ("VERTEXAI_PROJECT", "r-3")]);
    assert!(own.contains("/projects/q-2/"), "{own}");
    assert_eq!(
        base(&[("api_base", "https://proxy.example/vertex")]),
        "https://proxy.example/vertex/v1/projects/p-1/locations/us-central1/publishers/google"
    );
    assert_eq!(
        base(&[("api_base", "https://proxy.example/v1beta1/")]),
        "https://proxy.example/v1beta1/projects/p-1/locations/us-central1/publishers/google"
    );
}

#[test]
fn each_publisher_has_its_path_and_its_words() {
    for (model, below, dialect, asked) in [
        ("gemini-2.5-pro", "/publishers/google", "gemini", "gemini-2.5-pro"),
        ("gemini/gemini-2.5-pro", "/publishers/google", "gemini", "gemini-2.5-pro"),
        ("gemini/123", "/endpoints/123", "gemini", "123"),
        ("endpoints/123", "/endpoints/123", "gemini", "123"),
        ("123", "/endpoints/123", "gemini", "123"),
        ("claude-opus-4-5@20251101", "/publishers/anthropic", "anthropic", "claude-opus-4-5@20251101"),
        ("meta/llama-4-scout-maas", "/endpoints/openapi", "openai", "meta/llama-4-scout-maas"),
        ("openai/456", "/endpoints/456", "openai", "456"),
    ] {
        let place = placed(model, &[]).unwrap();
        assert!(place.base.ends_with(below), "{model}: {}", place.base);
        assert_eq!((place.dialect.unwrap().name(), place.model.as_str()), (dialect, asked), "{model}");
        assert!(matches!(place.auth, Auth::Lent));
    }
    for model in ["mistral-large@2407", "mistralai/mistral-small", "nobody/x"] {
        assert!(placed(model, &[]).is_err(), "{model}");
    }
}

#[test]
fn a_plain_key_does_without_an_account_but_not_without_a_project() {
    let place = placed("gemini-2.5-pro", &[("api_key", "k"), ("vertex_project", "p")]).unwrap();
    assert!(matches!(place.auth, Auth::Header("x-goog-api-key")) && place.key.unwrap().expose() == "k");
    assert!(placed("gemini-2.5-pro", &[("api_key", "k")]).unwrap_err().contains("vertex_project"));
}

#[test]
fn what_is_wrong_is_told_without_what_is_there() {
    let wrong = [
        "no-such-file.json".to_owned(),
        "{\"type\": \"canary".to_owned(),
        file(&[("type", json!("authorized_user"))]),
        file(&[("private_key", json!("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n"))]),
        file(&[("token_uri", json!("ftp://canary"))]),
        file(&[("client_email", json!("canary"))]),
    ];
    for text in wrong {
        let why = Account::parse(&text).unwrap_err();
        assert!(!why.contains("canary") && !why.contains("no-such"), "{why}");
    }
    for (name, value) in [("vertex_project", "a/../b"), ("vertex_location", "evil.example/x")] {
        assert!(placed("gemini-2.5-pro", &[(name, value)]).is_err());
    }
}

#[test]
fn an_account_signs_the_same_after_it_was_written() {
    let account = Account::parse(&file(&[("universe_domain", json!("x"))])).unwrap();
    let again = Account::parse(account.written().unwrap().expose()).unwrap();
    assert_eq!(account.form(1_700_000_000).unwrap(), again.form(1_700_000_000).unwrap());
    assert_ne!(account.form(1_700_000_000).unwrap(), again.form(1_700_000_001).unwrap());
    assert!(!format!("{account:?}").contains("PRIVATE"));
}

#[test]
fn a_loan_is_read_and_a_refusal_is_told_in_plain_words_only() {
    let lent = loan(200, br#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#).unwrap();
    assert_eq!((lent.token.expose(), lent.life), ("t", Duration::from_secs(3599)));
    assert_eq!(
        loan(400, br#"{"error":"invalid_grant","error_description":"x"}"#).unwrap_err(),
        "status 400 invalid_grant"
    );
    assert_eq!(loan(500, br#"{"error":"<Canary>"}"#).unwrap_err(), "status 500");
    for body in ["", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\nb"}"#, r#"{"access_token":7}"#] {
        assert!(loan(200, body.as_bytes()).is_err(), "{body}");
    }
}
