//! Reads a request's JSON body.

use super::facts::Request;
use super::units;
use super::values::{banned, boolean, count, invalid, names, seconds};
use crate::dialects::json::{self, Fault, Member, Members, Span};
use crate::dialects::openai::fields::{Field, beside_content, content_name, instead_of_content};
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use bytes::Bytes;

/// Reads a request body. An empty one counts as `{}`; a missing model is left to the caller, who
/// knows how to refuse it.
///
/// # Errors
/// If the body is not a JSON object, lacks what the endpoint needs, or names a destination or
/// credential.
pub fn read(kind: EndpointKind, body: Bytes) -> Result<Request, ApiError> {
    let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    let members = json::object(&body).map_err(|fault| malformed(fault, &body))?;
    let mut request = Request::empty(kind, body.clone());
    request.members.reserve(members.len());
    let mut seen = 0_u32;
    let mut has_content = false;
    for member in members {
        let field = classify(kind, &body, &member, &mut seen)?;
        said_once(&request.members, field, &member, &body)?;
        has_content |= request.take(kind, field, &member, &body)?;
        request.members.push((field, member));
    }
    request.stream &= kind.is_generated() || kind == EndpointKind::ImageGenerations;
    request.stream |= kind == EndpointKind::StreamContent;
    request.asks_usage &= request.stream;
    request.units = units::of(&request);
    let is_asked = (request.model.is_some() && kind != EndpointKind::Batches) || kind.is_googles();
    if is_asked && !has_content {
        let name = content_name(kind);
        return Err(invalid(&format!("Missing required parameter: '{name}'."), name));
    }
    Ok(request)
}

fn malformed(fault: Fault, body: &[u8]) -> ApiError {
    let words = fault.describe(body);
    match fault {
        Fault::Syntax { .. } => {
            ApiError::new(ErrorKind::InvalidJson, format!("Invalid JSON payload: {words}"))
        }
        Fault::NotAnObject | Fault::TooDeep | Fault::TooManyMembers => {
            ApiError::new(ErrorKind::InvalidRequest, format!("Invalid request format: {words}"))
        }
    }
}

fn classify(kind: EndpointKind, body: &[u8], member: &Member, seen: &mut u32) -> Result<Field, ApiError> {
    let name = member.name(body);
    let field = Field::of(kind, &name);
    if field == Field::Banned {
        return Err(banned(&name));
    }
    if field == Field::Other {
        return match Field::of_variant(kind, &name) {
            None => Ok(field),
            Some((Field::Banned, proper)) => Err(banned(&proper)),
            Some((_, proper)) => {
                let message = format!("Invalid parameter: '{name}' must be written '{proper}'.");
                Err(invalid(&message, &proper))
            }
        };
    }
    let bit = 1_u32 << field as u32;
    if field.is_single() && *seen & bit != 0 {
        return Err(twice(&name));
    }
    *seen |= bit;
    Ok(field)
}

/// Of two values for what is weighed the upstream would take the one that was not looked at.
fn said_once(
    earlier: &[(Field, Member)],
    field: Field,
    member: &Member,
    body: &[u8],
) -> Result<(), ApiError> {
    if field != Field::Weighed {
        return Ok(());
    }
    let name = member.name_bytes(body);
    let is_same = |(_, other): &(Field, Member)| other.name_bytes(body) == name;
    if earlier.iter().any(is_same) { Err(twice(&member.name(body))) } else { Ok(()) }
}

fn twice(name: &str) -> ApiError {
    invalid(&format!("Duplicate parameter: '{name}'."), name)
}

impl Request {
    /// Notes what a member says; `true` if it is the content, and there.
    fn take(
        &mut self,
        kind: EndpointKind,
        field: Field,
        member: &Member,
        body: &[u8],
    ) -> Result<bool, ApiError> {
        let value = member.value.of(body);
        if value == b"null" {
            return Ok(false);
        }
        match field {
            Field::Model => {
                let model = json::text(value);
                let model =
                    model.ok_or_else(|| invalid("Invalid type for 'model': expected a string.", "model"))?;
                self.model = Some(model.into());
            }
            Field::Stream => self.stream = boolean(value, "stream")?,
            Field::StreamOptions => self.asks_usage = includes_usage(body, member.value)?,
            Field::Content => {
                check_content(kind, value)?;
                self.content_bytes += value.len();
                return Ok(true);
            }
            Field::ExtraBody => self.extra = extra_members(kind, body, member.value)?,
            Field::NumRetries => self.controls.num_retries = Some(count(value, "num_retries")?),
            Field::Timeout => self.controls.timeout = Some(seconds(value, "timeout")?),
            Field::RequestTimeout => {
                let timeout = seconds(value, "request_timeout")?;
                self.controls.timeout.get_or_insert(timeout);
            }
            Field::StreamTimeout => self.controls.stream_timeout = Some(seconds(value, "stream_timeout")?),
            Field::DropParams => self.knobs.drop_params = Some(boolean(value, "drop_params")?),
            Field::AllowedParams => self.knobs.allowed = names(value, "allowed_openai_params")?,
            Field::AdditionalDrop => self.knobs.drop = names(value, "additional_drop_params")?,
            // What the operator says, and the tools, stand beside the messages.
            Field::Weighed | Field::Other
                if beside_content(kind).iter().any(|name| member.is(body, name)) =>
            {
                self.content_bytes += value.len();
            }
            // Named instead of the content.
            Field::Other if instead_of_content(kind).is_some_and(|name| member.is(body, name)) => {
                self.content_bytes += value.len();
                return Ok(true);
            }
            Field::Mock => {
                let words = "Invalid type for 'mock_response': expected a string.";
                self.mock = Some(json::text(value).ok_or_else(|| invalid(words, "mock_response"))?.into());
            }
            Field::Banned
            | Field::Fallbacks
            | Field::KeptBack
            | Field::KeptBackUnlessAllowed
            | Field::Unsupported
            | Field::Weighed
            | Field::Other => {}
        }
        Ok(false)
    }
}

fn includes_usage(body: &[u8], span: Span) -> Result<bool, ApiError> {
    let fault = || invalid("Invalid type for 'stream_options': expected an object.", "stream_options");
    let mut includes = false;
    for member in Members::within(body, span).map_err(|_| fault())? {
        let member = member.map_err(|_| fault())?;
        if member.is(body, "include_usage") {
            includes = member.value.of(body) == b"true";
        }
    }
    Ok(includes)
}

fn check_content(kind: EndpointKind, value: &[u8]) -> Result<(), ApiError> {
    let name = content_name(kind);
    match (kind, value.first()) {
        (_, Some(b'[')) => Ok(()),
        (EndpointKind::Rerank, Some(b'{')) => Ok(()),
        (
            EndpointKind::ChatCompletions
            | EndpointKind::Messages
            | EndpointKind::CountTokens
            | EndpointKind::GenerateContent
            | EndpointKind::StreamContent
            | EndpointKind::CountContent,
            _,
        ) => Err(invalid(&format!("Invalid request format: '{name}' must be a list."), name)),
        (_, Some(b'"')) => Ok(()),
        _ => Err(invalid(&format!("Invalid request format: '{name}' must be a string or a list."), name)),
    }
}

/// The members to merge into the root. What the gateway decides by is not to be changed from here.
fn extra_members(kind: EndpointKind, body: &[u8], span: Span) -> Result<Vec<Member>, ApiError> {
    let fault = || invalid("Invalid type for 'extra_body': expected an object.", "extra_body");
    let mut members: Vec<(Field, Member)> = Vec::new();
    let mut seen = 0;
    for member in Members::within(body, span).map_err(|_| fault())? {
        let member = member.map_err(|_| fault())?;
        let field = classify(kind, body, &member, &mut seen)?;
        if field.is_single() {
            let name = member.name(body);
            return Err(invalid(
                &format!("Invalid parameter: '{name}' cannot be set by 'extra_body'."),
                "extra_body",
            ));
        }
        said_once(&members, field, &member, body)?;
        members.push((field, member));
    }
    Ok(members.into_iter().map(|(_, member)| member).collect())
}
