//! What is known of a request. The body stays as it came.

use crate::dialects::form::Scan;
use crate::dialects::json::Member;
use crate::dialects::openai::fields::Field;
use crate::domain::usage::estimate_tokens;
use crate::domain::{EndpointKind, Units};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// What the body asks of the gateway itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// `num_retries`.
    pub num_retries: Option<u32>,
    /// `timeout`, or else `request_timeout`.
    pub timeout: Option<Duration>,
    /// `stream_timeout`.
    pub stream_timeout: Option<Duration>,
}

/// What the body says about parameters the provider may not take.
#[derive(Clone, Debug, Default)]
pub(in crate::dialects::openai) struct Knobs {
    pub(in crate::dialects::openai) drop_params: Option<bool>,
    pub(in crate::dialects::openai) allowed: Vec<String>,
    pub(in crate::dialects::openai) drop: Vec<String>,
}

/// A request that can be routed, and encoded for any deployment.
#[derive(Clone, Debug)]
pub struct Request {
    pub(in crate::dialects::openai) kind: EndpointKind,
    pub(in crate::dialects::openai) body: Bytes,
    pub(in crate::dialects::openai) model: Option<Box<str>>,
    pub(in crate::dialects::openai) stream: bool,
    pub(in crate::dialects::openai) asks_usage: bool,
    pub(in crate::dialects::openai) controls: Controls,
    pub(in crate::dialects::openai) content_bytes: usize,
    pub(in crate::dialects::openai) members: Vec<(Field, Member)>,
    pub(in crate::dialects::openai) extra: Vec<Member>,
    pub(in crate::dialects::openai) knobs: Knobs,
    pub(in crate::dialects::openai) units: Units,
    pub(in crate::dialects::openai) form: Option<Box<Scan>>,
    pub(in crate::dialects::openai) mock: Option<Arc<str>>,
}

impl Request {
    /// A body of which nothing is known.
    pub(in crate::dialects::openai) fn empty(kind: EndpointKind, body: Bytes) -> Self {
        Self {
            kind,
            members: Vec::new(),
            body,
            model: None,
            stream: false,
            asks_usage: false,
            controls: Controls::default(),
            content_bytes: 0,
            extra: Vec::new(),
            knobs: Knobs::default(),
            units: Units::default(),
            form: None,
            mock: None,
        }
    }

    /// The API it is a request of.
    #[must_use]
    pub const fn kind(&self) -> EndpointKind {
        self.kind
    }

    /// The same of another API.
    #[must_use]
    pub fn of_kind(self, kind: EndpointKind) -> Self {
        Self { kind, ..self }
    }

    /// The model asked for, if any.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether the answer is to be streamed.
    #[must_use]
    pub const fn stream(&self) -> bool {
        self.stream
    }

    /// Whether the client wants the usage at the end of the stream.
    #[must_use]
    pub const fn asks_usage(&self) -> bool {
        self.asks_usage
    }

    /// The body as received.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Lets go of the body once nobody can be asked any more: an answer may take long. What was found in it stays.
    pub fn forget_body(&mut self) {
        if self.form.is_none() {
            (self.body, self.members, self.extra) = (Bytes::new(), Vec::new(), Vec::new());
        }
    }

    /// What the body asks of the gateway.
    #[must_use]
    pub const fn controls(&self) -> &Controls {
        &self.controls
    }

    /// What it asks for that is not counted in tokens.
    #[must_use]
    pub const fn units(&self) -> &Units {
        &self.units
    }

    /// What it is to be answered with, if nobody is to be asked.
    #[must_use]
    pub const fn mock(&self) -> Option<&Arc<str>> {
        self.mock.as_ref()
    }

    /// Roughly how many tokens the prompt has.
    #[must_use]
    pub const fn prompt_estimate(&self) -> u64 {
        estimate_tokens(self.content_bytes as u64)
    }
}
