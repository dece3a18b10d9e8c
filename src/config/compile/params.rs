//! How a deployment is asked: `litellm_params` apart from where and whose it is.

use super::super::audit::keys;
use super::super::field::{Field, Report, Section};
use crate::domain::Secret;
use crate::providers::Params;
use serde_json::{Map, Value as Json};

/// Headers that say how a message is framed, which is not for a configuration to say.
const FRAMING: [&str; 7] =
    ["content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"];

/// What is known of an upstream without asking it.
#[derive(Clone, Copy)]
pub(super) struct Offers {
    pub(super) stream_options: bool,
    pub(super) responses: bool,
}

/// The parameters of one entry. `slots` is the router's `default_max_parallel_requests`.
pub(super) fn compile(
    params: &Section<'_>,
    offers: Offers,
    slots: Option<u32>,
    report: &mut Report,
) -> Params {
    let retries = params.field("num_retries").or_else(|| params.field("max_retries"));
    let texts =
        |key: &str, report: &mut Report| params.field(key).map(|f| f.texts(report)).unwrap_or_default();
    // LiteLLM's word is of the translation; what is not translated is relayed.
    let responses = params.field("use_chat_completions_api").and_then(|f| f.bool(report)).map(|chat| !chat);
    Params {
        timeout: params.field("timeout").and_then(|f| f.timeout(report)),
        stream_timeout: params.field("stream_timeout").and_then(|f| f.timeout(report)),
        num_retries: retries.and_then(|f| f.count(report)),
        cooldown_time: params.field("cooldown_time").and_then(|f| f.seconds(report)),
        max_parallel_requests: params
            .field("max_parallel_requests")
            .and_then(|f| f.count(report))
            .or(slots)
            .filter(|slots| *slots > 0),
        defaults: defaults(params, report),
        extra_body: extra_body(params, report),
        extra_headers: headers(params, report),
        drop_params: params.field("drop_params").and_then(|f| f.bool(report)),
        allowed_openai_params: texts("allowed_openai_params", report),
        additional_drop_params: texts("additional_drop_params", report),
        use_in_pass_through: params
            .field("use_in_pass_through")
            .and_then(|f| f.bool(report))
            .unwrap_or_default(),
        takes_stream_options: offers.stream_options,
        has_responses: responses.unwrap_or(offers.responses),
        mock_response: params.field("mock_response").and_then(|f| f.text(report)).map(Into::into),
        tags: texts("tags", report).into_iter().map(Into::into).collect(),
    }
}

/// What the gateway does not know is the provider's to know, and sent.
fn defaults(params: &Section<'_>, report: &mut Report) -> Map<String, Json> {
    let mut defaults = Map::new();
    for field in params.fields().filter(|field| keys::is_sent_upstream(field.key())) {
        if let Some(meant) = keys::probably_meant(field.key()) {
            let message = format!("sent upstream as a parameter of the provider; did you mean \"{meant}\"?");
            report.warn(field.place(), message);
        }
        defaults.insert(field.key().to_owned(), field.node().to_json());
    }
    defaults
}

fn extra_body(params: &Section<'_>, report: &mut Report) -> Map<String, Json> {
    let section = params.field("extra_body").and_then(|f| f.map(report));
    section.and_then(|s| s.node().map(|node| node.to_json_map())).unwrap_or_default()
}

fn headers(params: &Section<'_>, report: &mut Report) -> Vec<(String, Secret)> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for key in ["extra_headers", "headers"] {
        let Some(section) = params.field(key).and_then(|f| f.map(report)) else { continue };
        headers.extend(section.fields().filter_map(|field| header_of(field.key(), &field, report)));
    }
    if let Some(field) = params.field("organization") {
        headers.extend(header_of("OpenAI-Organization", &field, report));
    }
    headers
}

fn header_of(name: &str, field: &Field<'_>, report: &mut Report) -> Option<(String, Secret)> {
    let value = field.text(report)?;
    header(name, &value, field, report)
}

/// A header that is always sent, if it can be.
pub(super) fn header(
    name: &str,
    value: &str,
    field: &Field<'_>,
    report: &mut Report,
) -> Option<(String, Secret)> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        report.fault(field.place(), "not the name of a header");
        return None;
    }
    if FRAMING.contains(&name.to_ascii_lowercase().as_str()) {
        report.fault(field.place(), "this header is set by the gateway");
        return None;
    }
    if !is_header_value(value) {
        report.fault(field.place(), "holds characters that no header can carry");
        return None;
    }
    Some((name.to_owned(), Secret::new(value)?))
}

/// Whether a text can stand in a header.
pub(super) fn is_header_value(text: &str) -> bool {
    http::HeaderValue::from_str(text.trim()).is_ok()
}
