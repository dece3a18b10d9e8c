//! Faulty answers, with the bodies OpenAI sends.

use super::answer::{Response, TEXT_HTML};
use super::lane::Limit;
use super::{Behaviour, Fault};
use serde_json::json;

/// The answer of a fault; `None` for those that send nothing.
pub(super) fn response(fault: Fault, behaviour: &Behaviour, model: &str) -> Option<Response> {
    let response = match fault {
        Fault::Status(status @ (502 | 504)) => Response {
            content_type: TEXT_HTML,
            ..Response::json(status, format!("<html><body><h1>{status} Bad Gateway</h1></body></html>"))
        },
        Fault::Status(status) => error(status, model),
        Fault::ContextLength => openai(
            400,
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. \
             Please reduce the length of the messages.",
            "invalid_request_error",
            Some("messages"),
            Some("context_length_exceeded"),
        ),
        Fault::ContentFilter => openai(
            400,
            "The response was filtered due to the prompt triggering the content management policy. \
             Please modify your prompt and retry.",
            "invalid_request_error",
            Some("prompt"),
            Some("content_filter"),
        ),
        Fault::NotJson => Response::json(200, "upstream connect error or disconnect/reset before headers"),
        Fault::Hang | Fault::Close | Fault::Reset => return None,
    };
    Some(match behaviour.retry_after {
        Some(seconds) => response.with_header("retry-after", seconds),
        None => response,
    })
}

/// 429 of a window that is used up.
pub(super) fn limited(limit: Limit, behaviour: &Behaviour, model: &str) -> Response {
    let refused = error(429, model);
    if !behaviour.says_when {
        return refused;
    }
    refused.with_header("retry-after", limit.reset.as_millis().div_ceil(1000))
}

/// 401 of a key the script does not know.
pub(super) fn unknown_key() -> Response {
    error(401, "")
}

/// 404 of a model name with a word nobody knows.
pub(super) fn unknown_word(message: &str) -> Response {
    openai(404, message, "invalid_request_error", Some("model"), Some("model_not_found"))
}

/// 400 of a body that cannot be read.
pub(super) fn unreadable(message: &str) -> Response {
    let message = format!("We could not parse the JSON body of your request: {message}");
    openai(400, &message, "invalid_request_error", None, None)
}

/// 400 of a request that is not of OpenAI's form.
pub(super) fn invalid(message: &str) -> Response {
    openai(400, message, "invalid_request_error", None, None)
}

/// The error OpenAI sends with a status.
pub(super) fn error(status: u16, model: &str) -> Response {
    let invalid = "invalid_request_error";
    match status {
        401 => openai(status, "Incorrect API key provided.", invalid, None, Some("invalid_api_key")),
        403 => openai(
            status,
            "You do not have access to this model.",
            invalid,
            None,
            Some("unsupported_country_region_territory"),
        ),
        404 => {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            openai(status, &message, invalid, None, Some("model_not_found"))
        }
        408 => openai(status, "Request timed out.", "timeout", None, None),
        409 => openai(status, "The resource was changed by another request.", "conflict_error", None, None),
        422 => {
            openai(status, "Unprocessable entity: `messages` is malformed.", invalid, Some("messages"), None)
        }
        429 => {
            let message = format!("Rate limit reached for {model} on requests per min (RPM).");
            openai(status, &message, "requests", None, Some("rate_limit_exceeded"))
        }
        503 => openai(
            status,
            "The engine is currently overloaded, please try again later.",
            "server_error",
            None,
            None,
        ),
        500.. => openai(
            status,
            "The server had an error while processing your request.",
            "server_error",
            None,
            None,
        ),
        _ => openai(status, "The request is invalid.", invalid, Some("messages"), None),
    }
}

fn openai(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Response {
    let error = json!({ "message": message, "type": kind, "param": param, "code": code });
    Response::json(status, json!({ "error": error }).to_string())
}
