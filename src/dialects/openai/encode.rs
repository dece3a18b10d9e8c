//! The body a deployment is sent: the client's members, byte for byte, less what is the gateway's
//! and plus what the deployment adds.

use super::fields::{Field, default_name};
use super::request::Request;
use crate::dialects::json::{Member, Members, put_text, text};
use crate::dialects::shape::Shape;
use crate::domain::{ApiError, ErrorKind};
use bytes::Bytes;
use serde_json::Value;
use std::borrow::Cow;

/// Writes the body for a deployment. It is the same `Bytes` when nothing has to change.
///
/// # Errors
/// If the client sent parameters the deployment does not take.
pub fn encode(request: &Request, shape: &Shape<'_>) -> Result<Bytes, ApiError> {
    let plan = Plan { request, shape, body: request.body() };
    let mut actions = Vec::with_capacity(request.members.len());
    let mut refused = Vec::new();
    for (field, member) in &request.members {
        match plan.action(*field, member) {
            Action::Refuse => refused.push(member.name(plan.body)),
            action => actions.push(action),
        }
    }
    if !refused.is_empty() {
        return Err(unsupported(&refused, "openai", shape.model));
    }
    let unchanged = actions.iter().all(|a| matches!(a, Action::Keep));
    if unchanged && !plan.adds_model() && !plan.adds_stream_options() && !plan.adds_members(&actions) {
        return Ok(request.body().clone());
    }
    plan.write(&actions)
}

enum Action {
    Keep,
    Drop,
    /// The same key with another value.
    Put(Vec<u8>),
    Refuse,
}

struct Plan<'a> {
    request: &'a Request,
    shape: &'a Shape<'a>,
    body: &'a [u8],
}

impl Plan<'_> {
    fn action(&self, field: Field, member: &Member) -> Action {
        let name = member.name(self.body);
        if self.overrides(field, &name) || (field.is_droppable() && self.drops(&name)) {
            return Action::Drop;
        }
        match field {
            Field::Model => self.model(member),
            Field::StreamOptions => self.stream_options(member),
            Field::Stream | Field::Content | Field::Weighed | Field::Other => Action::Keep,
            Field::KeptBackUnlessAllowed if self.allows(&name) => Action::Keep,
            Field::Unsupported if member.value.of(self.body) == b"null" => Action::Drop,
            Field::Unsupported if self.allows(&name) => Action::Keep,
            Field::Unsupported if self.request.drops_unsupported(self.shape) => Action::Drop,
            Field::Unsupported => Action::Refuse,
            Field::ExtraBody
            | Field::NumRetries
            | Field::Timeout
            | Field::RequestTimeout
            | Field::StreamTimeout
            | Field::DropParams
            | Field::AllowedParams
            | Field::AdditionalDrop
            | Field::Fallbacks
            | Field::Banned
            | Field::KeptBack
            | Field::Mock
            | Field::KeptBackUnlessAllowed => Action::Drop,
        }
    }

    fn model(&self, member: &Member) -> Action {
        let value = member.value.of(self.body);
        if text(value).is_some_and(|model| model == self.shape.model) {
            return Action::Keep;
        }
        let mut quoted = Vec::with_capacity(self.shape.model.len() + 2);
        put_text(&mut quoted, self.shape.model);
        Action::Put(quoted)
    }

    fn sends_stream_options(&self) -> bool {
        let streams = self.request.stream() && self.request.kind().is_generated();
        streams && self.shape.params.takes_stream_options
    }

    fn stream_options(&self, member: &Member) -> Action {
        if !self.sends_stream_options() {
            return Action::Drop;
        }
        if self.request.asks_usage() || !self.shape.ask_usage {
            return Action::Keep;
        }
        let mut value = b"{".to_vec();
        let members = Members::within(self.body, member.value).ok();
        for inner in members.into_iter().flatten().flatten() {
            if !inner.is(self.body, "include_usage") {
                value.extend_from_slice(inner.whole().of(self.body));
                value.push(b',');
            }
        }
        value.extend_from_slice(b"\"include_usage\":true}");
        Action::Put(value)
    }

    fn allows(&self, name: &str) -> bool {
        self.request.allows(self.shape, name)
    }

    fn drops(&self, name: &str) -> bool {
        self.request.drops(self.shape, name)
    }

    fn has_extra(&self, name: &str) -> bool {
        self.request.extra.iter().any(|m| m.is(self.body, name))
    }

    /// Whether a member that is added later takes this one's place.
    fn overrides(&self, field: Field, name: &str) -> bool {
        field != Field::Stream && (self.forces(name) || self.has_extra(name))
    }

    /// Whether the deployment always sends `name` itself. Whether it streams is the client's to say.
    fn forces(&self, name: &str) -> bool {
        let fits = match name {
            "stream" => false,
            "stream_options" => self.request.stream(),
            _ => true,
        };
        fits && self.shape.params.extra_body.contains_key(name)
    }

    fn adds_model(&self) -> bool {
        let has = self.request.members.iter().any(|(field, _)| *field == Field::Model);
        !has && !self.forces("model") && !self.request.kind().is_googles()
    }

    fn adds_stream_options(&self) -> bool {
        let has = self.request.members.iter().any(|(field, _)| *field == Field::StreamOptions);
        !has && self.shape.ask_usage && self.sends_stream_options() && !self.forces("stream_options")
    }

    /// What the deployment sends unless the client sent its own, by the names of this API.
    fn defaults(&self) -> impl Iterator<Item = (&str, &Value)> {
        let kind = self.request.kind();
        let named = self.shape.params.defaults.iter();
        named.filter_map(move |(name, value)| Some((default_name(kind, name)?, value)))
    }

    fn adds_default(&self, name: &str, actions: &[Action]) -> bool {
        if matches!(name, "model" | "stream" | "stream_options") || self.drops(name) {
            return false;
        }
        let sent = self.request.members.iter().zip(actions);
        let has = |(member, action): (&(Field, Member), &Action)| {
            !matches!(action, Action::Drop) && member.1.is(self.body, name)
        };
        !self.forces(name) && !self.has_extra(name) && !sent.into_iter().any(has)
    }

    fn adds_members(&self, actions: &[Action]) -> bool {
        let params = &self.shape.params;
        let mut defaults = self.defaults().map(|(name, _)| name);
        !params.extra_body.is_empty() || defaults.any(|name| self.adds_default(name, actions))
    }

    fn write(&self, actions: &[Action]) -> Result<Bytes, ApiError> {
        let params = &self.shape.params;
        let mut out = Vec::with_capacity(self.body.len() + 256);
        out.push(b'{');
        for ((_, member), action) in self.request.members.iter().zip(actions) {
            match action {
                Action::Keep => out.extend_from_slice(member.whole().of(self.body)),
                Action::Put(value) => {
                    out.extend_from_slice(member.key.of(self.body));
                    out.push(b':');
                    out.extend_from_slice(value);
                }
                Action::Drop | Action::Refuse => continue,
            }
            out.push(b',');
        }
        if self.adds_model() {
            out.extend_from_slice(b"\"model\":");
            put_text(&mut out, self.shape.model);
            out.push(b',');
        }
        if self.adds_stream_options() {
            out.extend_from_slice(b"\"stream_options\":{\"include_usage\":true},");
        }
        for member in &self.request.extra {
            let name = member.name(self.body);
            if !self.forces(&name) && !self.drops(&name) {
                out.extend_from_slice(member.whole().of(self.body));
                out.push(b',');
            }
        }
        for (name, value) in self.defaults().filter(|(name, _)| self.adds_default(name, actions)) {
            put_member(&mut out, name, value)?;
        }
        for (name, value) in params.extra_body.iter().filter(|(name, _)| self.forces(name)) {
            put_member(&mut out, name, value)?;
        }
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.push(b'}');
        Ok(Bytes::from(out))
    }
}

fn put_member(out: &mut Vec<u8>, name: &str, value: &Value) -> Result<(), ApiError> {
    put_text(out, name);
    out.push(b':');
    serde_json::to_writer(&mut *out, value)
        .map_err(|e| ApiError::new(ErrorKind::Internal, format!("parameter {name}: {e}")))?;
    out.push(b',');
    Ok(())
}

/// The client sent parameters that the model's provider does not take.
pub(in crate::dialects) fn unsupported(names: &[Cow<'_, str>], provider: &str, model: &str) -> ApiError {
    let list = names.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
    let message = format!(
        "litellm.UnsupportedParamsError: {provider} does not support parameters: [{list}], for model={model}. To \
         drop these, set `litellm.drop_params=True` or for proxy:\n\n`litellm_settings:\n drop_params: true`\n. \n If \
         you want to use these params dynamically send allowed_openai_params=[{list}] in your request."
    );
    ApiError::new(ErrorKind::UnsupportedParams, message)
}

impl Request {
    /// The members that are for the model's provider, whichever dialect it speaks; `extra_body` apart.
    pub(in crate::dialects) fn kept(&self, shape: &Shape<'_>) -> Vec<(Cow<'_, str>, &[u8])> {
        let body = self.body();
        let kept = self.members.iter().filter_map(|(field, member)| {
            let name = member.name(body);
            let keep = match field {
                Field::Content => true,
                Field::Weighed | Field::Other | Field::Unsupported => !self.drops(shape, &name),
                Field::KeptBackUnlessAllowed => self.allows(shape, &name) && !self.drops(shape, &name),
                _ => false,
            };
            keep.then(|| (name, member.value.of(body)))
        });
        kept.collect()
    }

    /// The members of the client's `extra_body`.
    pub(in crate::dialects) fn extra<'a>(
        &'a self,
        shape: &'a Shape<'_>,
    ) -> impl Iterator<Item = (Cow<'a, str>, &'a [u8])> {
        let body = &self.body()[..];
        let named = self.extra.iter().map(move |member| (member.name(body), member.value.of(body)));
        named.filter(move |(name, _)| !self.drops(shape, name))
    }

    /// Whether a parameter is sent although the provider is not known to take it.
    pub(in crate::dialects) fn allows(&self, shape: &Shape<'_>, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|n| n == name);
        named(shape.params.allowed) || named(&self.knobs.allowed)
    }

    /// Whether a parameter is never sent.
    pub(in crate::dialects) fn drops(&self, shape: &Shape<'_>, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|n| n == name);
        named(shape.params.drop) || named(&self.knobs.drop)
    }

    /// Whether parameters that the provider does not take are left out rather than refused.
    pub(in crate::dialects) fn drops_unsupported(&self, shape: &Shape<'_>) -> bool {
        self.knobs.drop_params.unwrap_or(shape.drop_params)
    }
}
