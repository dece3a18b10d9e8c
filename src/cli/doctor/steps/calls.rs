//! A whole completion and a streamed one. Both cost tokens.

use super::{COSTS, NO_GATEWAY};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::trouble::Trouble;
use crate::cli::doctor::visit::Visit;
use crate::cli::http::{Answer, Client, HttpError};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) const PATH: &str = "/v1/chat/completions";
/// Enough for an answer of one word, also of a model that thinks first.
const MOST_TOKENS: u32 = 64;

pub(super) fn completion(visit: &mut Visit<'_>) -> Finding {
    if !visit.arguments.spend {
        return Finding::skip(COSTS);
    }
    let (Some(admin), Some(model)) = (&visit.admin, &visit.model) else { return Finding::skip(NO_GATEWAY) };
    match ask(admin, model) {
        Ok(words) => Finding::pass(words),
        Err(found) => found,
    }
}

/// Asks for one word.
pub(super) fn ask(client: &Client, model: &str) -> Result<String, Finding> {
    let began = Instant::now();
    let answer = answered(client.post(PATH, &question(model, "Reply with OK only.", false)))?;
    let body = answer.json();
    if !body["choices"][0]["message"].is_object() {
        return Err(Finding::fail(Trouble::Odd, "the answer has no message"));
    }
    Ok(format!("{model}: {} after {}{}", tokens(&body), seconds(began.elapsed()), by(&answer)))
}

pub(super) fn stream(visit: &mut Visit<'_>) -> Finding {
    if !visit.arguments.spend {
        return Finding::skip(COSTS);
    }
    let (Some(admin), Some(model)) = (&visit.admin, &visit.model) else { return Finding::skip(NO_GATEWAY) };
    let began = Instant::now();
    let (mut first, mut chunks, mut ended, mut error) = (None, 0_u32, false, None);
    let answer = answered(admin.stream(PATH, &question(model, "Count to 3.", true), |data| {
        first.get_or_insert_with(|| began.elapsed());
        match serde_json::from_str::<Value>(data) {
            Ok(event) if event["error"].is_object() => {
                error = event["error"]["message"].as_str().map(str::to_owned)
            }
            Ok(_) => chunks += 1,
            Err(_) => ended = ended || data == "[DONE]",
        }
    }));
    match (answer, error) {
        (Err(found), _) => found,
        (Ok(_), Some(words)) => Finding::fail(Trouble::StreamBroken, words),
        (Ok(_), None) if !ended => {
            Finding::fail(Trouble::StreamBroken, format!("it ended after {chunks} chunks without [DONE]"))
        }
        (Ok(answer), None) => {
            let first = seconds(first.unwrap_or_default());
            Finding::pass(format!("{model}: {chunks} chunks, the first after {first}{}", by(&answer)))
        }
    }
}

fn question(model: &str, words: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "messages": [{ "role": "user", "content": words }],
        "max_tokens": MOST_TOKENS,
        "stream": stream,
    })
}

fn answered(answer: Result<Answer, HttpError>) -> Result<Answer, Finding> {
    let answer = answer.map_err(|error| Finding::unanswered(&error))?;
    let error = answer.json()["error"].clone();
    let kind = error["type"].as_str().unwrap_or_default();
    let trouble = match answer.status {
        200 => return Ok(answer),
        401 | 403 => Trouble::KeyNotUsable,
        400 if kind == "budget_exceeded" || kind == "expired_key" => Trouble::KeyNotUsable,
        404 => Trouble::UnknownModel,
        _ => Trouble::CallFailed,
    };
    Err(Finding::fail(trouble, answer.complaint()))
}

fn tokens(body: &Value) -> String {
    let count = |name: &str| body["usage"][name].as_u64().unwrap_or_default();
    format!("{} tokens in, {} out", count("prompt_tokens"), count("completion_tokens"))
}

fn by(answer: &Answer) -> String {
    let retries = answer.header("x-litellm-attempted-retries").filter(|retries| *retries != "0");
    retries.map(|retries| format!(", {retries} retried")).unwrap_or_default()
}

fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}
