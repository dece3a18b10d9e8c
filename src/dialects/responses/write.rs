//! A whole answer, written.

use super::item;
use super::object::{self, Standing, Who};
use crate::dialects::Given;
use crate::dialects::hub::{Answer, Body};
use bytes::Bytes;

pub(super) fn write(answer: &Answer, given: &Given) -> Bytes {
    let id = object::id(given);
    let standing = Standing::ended(&answer.stop, answer.usage);
    let mut items: Vec<String> = Vec::with_capacity(answer.content.len());
    for body in &answer.content {
        let at = items.len();
        let named = |kind| object::item_id(kind, &id, at);
        items.push(match body {
            Body::Text(text) | Body::Refusal(text) => {
                let part = item::part(matches!(body, Body::Refusal(_)), text);
                item::message(&named("msg"), standing.status, &[part]).to_string()
            }
            Body::Reasoning { text, signature } => {
                item::thought(&named("rs"), text, signature.as_deref()).to_string()
            }
            Body::Redacted(data) => item::redacted(&named("rs"), data).to_string(),
            Body::Call(call) => {
                let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                item::call(&named("fc"), standing.status, &call.id, &call.name, arguments).to_string()
            }
            Body::Image(_) | Body::Audio(_) | Body::Video(_) | Body::File { .. } | Body::Result(_) => {
                continue;
            }
        });
    }
    let mut out = Vec::with_capacity(1024);
    object::put(&mut out, Who::of(&id, given), &standing, &items);
    Bytes::from(out)
}
