//! Vertex AI: tokens that are lent for a signature, and the paths of its publishers.

use crate::harness::vendor::Asked;
use crate::harness::{Config, Gateway, Told, Vendor, eventually};
use crate::support::CHAT;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const KEY: &str = include_str!("../fixtures/test_only_account_key.pem");
const EMAIL: &str = "gate@project-1.iam.gserviceaccount.com";

/// The account's file; tokens are lent at this base.
fn account(base: &str) -> Value {
    json!({ "type": "service_account", "project_id": "project-1", "private_key_id": "key-1", "private_key": KEY,
        "client_email": EMAIL, "client_id": "1", "token_uri": format!("{base}/token") })
}

/// A deployment at this base.
pub(crate) fn params(model: &str, base: &str) -> Value {
    json!({ "model": model, "api_base": base, "vertex_location": "europe-west4",
        "vertex_credentials": account(base).to_string() })
}

/// The answer to a request for a token, if this is one.
pub(crate) fn token(asked: &Asked) -> Option<Told> {
    asked.uri.starts_with("/token").then(|| lend(asked, "ya29.canary-token", 3600))
}

/// Lends a token for a signature that is right.
fn lend(asked: &Asked, token: &str, life: u64) -> Told {
    match claims(asked) {
        Ok(_) => Told::json(&json!({ "access_token": token, "expires_in": life, "token_type": "Bearer" })),
        Err(why) => Told::json(&json!({ "error": "invalid_grant", "error_description": why })).status(400),
    }
}

/// What is signed, if the signature is the account's and all of it is as Google wants it.
fn claims(asked: &Asked) -> Result<Value, String> {
    let form = std::str::from_utf8(&asked.raw).map_err(|error| error.to_string())?;
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let jwt = form.strip_prefix(grant).ok_or("not the grant")?;
    let (signed, signature) = jwt.rsplit_once('.').ok_or("no signature")?;
    let (head, claims) = signed.split_once('.').ok_or("no claims")?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|error| error.to_string());
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref());
    public.verify(signed.as_bytes(), &decode(signature)?).map_err(|_| "the signature is wrong")?;
    let json =
        |part: &str| serde_json::from_slice::<Value>(&decode(part)?).map_err(|error| error.to_string());
    let (head, claims) = (json(head)?, json(claims)?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let number = |name: &str| claims[name].as_u64().unwrap_or_default();
    let host = asked.header("host");
    let right = head == json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" })
        && claims["iss"] == EMAIL
        && claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        && claims["aud"] == format!("http://{host}/token")
        && number("iat").abs_diff(now) < 300
        && number("exp") - number("iat") == 3600
        && asked.method == "POST"
        && asked.header("content-type") == "application/x-www-form-urlencoded";
    if right { Ok(claims) } else { Err(format!("{head} {claims}")) }
}

fn chat(stream: bool) -> Value {
    json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": "hi" }] })
}

fn gemini() -> Told {
    Told::json(
        &json!({ "candidates": [{ "content": { "parts": [{ "text": "Hello" }] }, "finishReason": "STOP" }],
        "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 2 } }),
    )
}

fn unauthorized() -> Told {
    let error = json!({ "error": { "code": 401, "message": "Request had invalid authentication credentials.",
        "status": "UNAUTHENTICATED" } });
    Told::json(&error).status(401)
}

async fn gateway(params: Value) -> Gateway {
    let entry = json!({ "model_name": "m", "litellm_params": params });
    let router = json!({ "num_retries": 0, "disable_cooldowns": true });
    Gateway::start(&Config::new().entry(entry).set("router_settings", router)).await
}

#[tokio::test]
async fn the_first_calls_wait_for_one_token_that_a_right_signature_gets() {
    let vendor = Vendor::start(|asked| match token(asked) {
        Some(told) => told,
        None if asked.header("authorization") == "Bearer ya29.canary-token" => gemini(),
        None => unauthorized(),
    })
    .await;
    let gate = Arc::new(gateway(params("vertex_ai/gemini-2.5-flash", &vendor.base)).await);
    let calls = (0..30).map(|_| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move { gate.post(CHAT, &chat(false)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello");
    }
    let all = vendor.all();
    assert_eq!(all.iter().filter(|asked| asked.uri == "/token").count(), 1);
    let place = "/v1/projects/project-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash";
    let asked = all.iter().filter(|asked| asked.uri == format!("{place}:generateContent"));
    assert_eq!(asked.count(), 30);
    // Neither the token nor the key is ever told.
    let info = gate.get("/model/info").await.text();
    for secret in ["canary-token", "PRIVATE KEY", EMAIL] {
        assert!(!gate.output().contains(secret) || secret == EMAIL, "{secret}");
        assert!(!info.contains(secret), "{secret} in {info}");
    }
}

#[tokio::test]
async fn claude_and_open_models_have_paths_and_words_of_their_own() {
    let claude = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "content": [{ "type": "text", "text": "Hello" }], "usage": { "input_tokens": 3, "output_tokens": 2 } });
    let vendor = Vendor::start(move |asked| token(asked).unwrap_or_else(|| Told::json(&claude))).await;
    let gate = gateway(params("vertex_ai/claude-sonnet-4@20250514", &vendor.base)).await;
    let answer = gate.post(CHAT, &chat(false)).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello", "{}", answer.text());
    let asked = vendor.asked();
    let place =
        "/v1/projects/project-1/locations/europe-west4/publishers/anthropic/models/claude-sonnet-4@20250514";
    assert_eq!(asked.uri, format!("{place}:rawPredict"));
    assert_eq!(asked.body["anthropic_version"], "vertex-2023-10-16");
    assert!(asked.body.get("model").is_none() && asked.header("x-api-key").is_empty());
    gate.post(CHAT, &chat(true)).await;
    assert_eq!(vendor.asked().uri, format!("{place}:streamRawPredict"));

    let open = json!({ "id": "c", "object": "chat.completion", "model": "x", "choices": [{ "index": 0,
        "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello" } }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 } });
    let vendor = Vendor::start(move |asked| token(asked).unwrap_or_else(|| Told::json(&open))).await;
    let gate = gateway(params("vertex_ai/meta/llama-4-maverick-17b-128e-instruct-maas", &vendor.base)).await;
    assert_eq!(gate.post(CHAT, &chat(false)).await.status(), 200);
    let asked = vendor.asked();
    assert_eq!(asked.uri, "/v1/projects/project-1/locations/europe-west4/endpoints/openapi/chat/completions");
    assert_eq!(asked.body["model"], "meta/llama-4-maverick-17b-128e-instruct-maas");
    assert_eq!(asked.header("authorization"), "Bearer ya29.canary-token");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_no_call_ever_sees_it_end() {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let vendor = Vendor::start(move |asked| {
        if asked.uri == "/token" {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            return lend(asked, &format!("ya29.number-{number}"), 2);
        }
        // The one before is still good: it may be under way.
        let newest = counted.load(Ordering::SeqCst);
        let good = (newest.saturating_sub(1)..=newest).map(|number| format!("Bearer ya29.number-{number}"));
        if good.into_iter().any(|good| asked.header("authorization") == good) {
            gemini()
        } else {
            unauthorized()
        }
    })
    .await;
    let gate = gateway(params("vertex_ai/gemini-2.5-flash", &vendor.base)).await;
    while count.load(Ordering::SeqCst) < 4 {
        let answer = gate.post(CHAT, &chat(false)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn without_a_token_a_call_fails_at_once_until_there_is_one() {
    let works = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&works);
    let vendor = Vendor::start(move |asked| match token(asked) {
        Some(told) if switch.load(Ordering::SeqCst) => told,
        Some(_) => {
            Told::json(&json!({ "error": "invalid_grant", "error_description": "canary-words" })).status(400)
        }
        None => gemini(),
    })
    .await;
    let gate = gateway(params("vertex_ai/gemini-2.5-flash", &vendor.base)).await;
    let answer = gate.post(CHAT, &chat(false)).await;
    assert!(answer.status() >= 500, "{} {}", answer.status(), answer.text());
    assert!(vendor.all().iter().all(|asked| asked.uri == "/token"), "nobody is asked without a token");
    works.store(true, Ordering::SeqCst);
    eventually("the account is lent a token", async || {
        (gate.post(CHAT, &chat(false)).await.status() == 200).then_some(())
    })
    .await;
    let log = gate.output();
    assert!(log.contains("status 400 invalid_grant") && !log.contains("canary-words"), "{log}");
}

#[tokio::test]
async fn the_account_may_stand_in_a_file_or_in_a_mapping_or_be_named_by_a_variable() {
    let vendor = Vendor::start(|asked| token(asked).unwrap_or_else(gemini)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    std::fs::write(&file, account(&vendor.base).to_string()).unwrap();
    let deployment = |credentials: Option<Value>| {
        let mut params = json!({ "model": "vertex_ai/gemini-2.5-flash", "api_base": vendor.base, "vertex_project": "other-2" });
        if let Some(credentials) = credentials {
            params["vertex_credentials"] = credentials;
        }
        Config::new().entry(json!({ "model_name": "m", "litellm_params": params }))
    };
    for credentials in [Some(json!(file)), Some(account(&vendor.base)), None] {
        let mut launch = crate::harness::Launch::of(&deployment(credentials));
        launch = launch.variable("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap());
        let gate = launch.start().await;
        let answer = gate.post(CHAT, &chat(false)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(
            vendor.asked().uri.starts_with("/v1/projects/other-2/locations/us-central1/"),
            "{}",
            vendor.asked().uri
        );
    }
}
