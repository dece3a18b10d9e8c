//! From a client's dialect to an upstream's, and back: the pipeline that all pairs share.

use super::hub::Param;
use super::openai::{Request, chat};
use super::{Ask, Dialect, Inbound, Shape};
use crate::domain::{ApiError, ErrorKind};
use bytes::Bytes;
use serde_json::Value;
use std::borrow::Cow;

/// A request ready to be sent to an upstream of another dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// What follows the base path, with its query if it has one.
    pub path: Cow<'static, str>,
    /// Headers of this request alone.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

/// Whether a conversation may be changed so that the upstream takes it (`modify_params`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modify {
    /// It is sent as it is.
    No,
    /// It may.
    Yes,
}

/// Writes a client's request, unmodified, for an upstream that speaks `dialect`.
///
/// # Errors
/// If it is not of its own dialect's form, or says what the upstream's cannot.
pub fn encode(
    request: &Request,
    inbound: &dyn Inbound,
    dialect: &dyn Dialect,
    ask: &Ask<'_>,
) -> Result<Translated, ApiError> {
    encode_as(request, inbound, dialect, ask, Modify::No)
}

/// Writes a client's request for an upstream that speaks `dialect`.
///
/// # Errors
/// As [`encode`].
pub fn encode_as(
    request: &Request,
    inbound: &dyn Inbound,
    dialect: &dyn Dialect,
    ask: &Ask<'_>,
    modify: Modify,
) -> Result<Translated, ApiError> {
    // The request's own word on what may be dropped comes first.
    let shape = Shape { drop_params: request.drops_unsupported(ask.shape), ..*ask.shape };
    let ask = &Ask { shape: &shape, ..*ask };
    let params = &ask.shape.params;
    let mut members = request.kept(ask.shape);
    if shape.drop_params {
        members.retain(|(name, _)| !inbound.droppable().contains(&&**name));
    }
    let mut hub = inbound.read(&members)?;
    hub.stream = request.stream();
    for (name, value) in params.defaults {
        if !chat::has(&hub, name) && !request.drops(ask.shape, name) {
            chat::set(&mut hub, name, value.clone())?;
        }
    }
    let allowed = settle(&mut hub, request, inbound, dialect, ask)?;
    if modify == Modify::Yes {
        dialect.patch(&mut hub);
    }
    let mut encoded = dialect.encode(&mut hub, ask)?;
    for (name, value) in std::mem::take(&mut hub.other).into_iter().chain(allowed) {
        encoded.body.entry(name).or_insert(value);
    }
    for (name, value) in request.extra(ask.shape) {
        let value = serde_json::from_slice(value).unwrap_or_default();
        encoded.body.insert(name.into_owned(), value);
    }
    for (name, value) in params.extra_body.iter().filter(|(name, _)| *name != "stream") {
        encoded.body.insert(name.clone(), value.clone());
    }
    let body = serde_json::to_vec(&encoded.body).map_err(|error| {
        ApiError::new(ErrorKind::Internal, format!("the request cannot be written: {error}"))
    })?;
    Ok(Translated { path: encoded.path, headers: encoded.headers, body: Bytes::from(body) })
}

/// Takes out what the dialect has no words for, or refuses it. What is allowed by name nevertheless is given
/// back, to be sent under OpenAI's name.
fn settle(
    hub: &mut super::hub::Request,
    request: &Request,
    inbound: &dyn Inbound,
    dialect: &dyn Dialect,
    ask: &Ask<'_>,
) -> Result<Vec<(String, Value)>, ApiError> {
    let mut allowed = Vec::new();
    let mut refused = Vec::new();
    let strange: Vec<Param> = hub.given().filter(|param| !dialect.takes().contains(param)).collect();
    for param in strange {
        if request.allows(ask.shape, param.name()) {
            if let Some(value) = hub.take_param(param) {
                allowed.push((param.name().to_owned(), value));
            }
            continue;
        }
        let hint = param.is_hint() || inbound.hints().contains(&param);
        if !hint && !ask.shape.drop_params {
            refused.push(Cow::Borrowed(param.name()));
        }
        hub.forget(param);
    }
    // What asks for nothing is not sent either.
    hub.params.retain(|(param, _)| dialect.takes().contains(param));
    if refused.is_empty() {
        Ok(allowed)
    } else {
        Err(super::openai::unsupported(&refused, ask.provider, ask.model))
    }
}
