//! What a dialect is that upstreams speak.

use super::hub::{self, Answer, Event, Param};
use super::shape::Shape;
use super::{openai, sse};
use crate::domain::{ApiError, EndpointKind, Failure, UpstreamClass};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A dialect as it is spoken to an upstream.
pub trait Dialect: Send + Sync {
    /// Its name, which is also its folder's.
    fn name(&self) -> &'static str;

    /// The APIs whose requests an upstream takes as clients wrote them, each with what follows the base path.
    fn relays(&self) -> &'static [(EndpointKind, &'static str)] {
        &[]
    }

    /// Where an upstream takes requests as clients wrote them, of an API whose paths name the model; after the base path.
    fn relays_at(&self, _: EndpointKind, _model: &str) -> Option<String> {
        None
    }

    /// Where upstreams list their models, after the base path; `None` if that cannot be asked for with a key alone.
    fn models(&self) -> Option<&'static str> {
        Some("/models")
    }

    /// What it can express. Other parameters are refused or dropped before [`Dialect::encode`].
    fn takes(&self) -> &'static [Param];

    /// How an upstream wants to be shown its key.
    fn auth(&self) -> Auth;

    /// Headers of every request.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// What the media type of a streamed answer begins with.
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    /// Changes a conversation that an upstream would refuse into one that it takes; only where the operator leaves
    /// that to the gateway.
    fn patch(&self, _request: &mut hub::Request) {}

    /// Writes a request. What it leaves in `other` is added to the root of the body.
    ///
    /// # Errors
    /// If the request cannot be said in this dialect.
    fn encode(&self, request: &mut hub::Request, ask: &Ask<'_>) -> Result<Encoded, ApiError>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// What is wrong with it.
    fn decode(&self, body: &[u8]) -> Result<Answer, Failure>;

    /// A reader for one stream.
    fn decoder(&self) -> Box<dyn StreamDecoder>;

    /// Reads a failed answer.
    fn classify(&self, status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
        openai::read_failure(status, body, retry_after)
    }
}

impl fmt::Debug for dyn Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads the bytes of one stream. What it gives does not depend on how the bytes were cut.
pub trait StreamDecoder: Send + Sync {
    /// Takes bytes and gives what they say.
    ///
    /// # Errors
    /// If an event is over the bound; the stream cannot go on.
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), sse::TooLong>;

    /// The upstream has ended its answer cleanly: what is still to be read of it.
    fn finish(&mut self, events: &mut Vec<Event>);
}

/// How an upstream is shown its key.
#[derive(Clone, Copy)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// As the value of this header.
    Header(&'static str),
    /// Each request is signed.
    Signed(&'static dyn Signer),
    /// By a token that is lent for the key, for a time: `Authorization: Bearer …`.
    Lent,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer => "bearer",
            Self::Header(name) => name,
            Self::Signed(_) => "signed",
            Self::Lent => "lent",
        })
    }
}

/// Signs requests.
pub trait Signer: Send + Sync {
    /// The headers that show who asks. `credentials` is the deployment's key as configured.
    ///
    /// # Errors
    /// If the credentials are of no use.
    fn sign(
        &self,
        request: &Unsigned<'_>,
        credentials: &crate::domain::Secret,
        unix_ms: i64,
    ) -> Result<Vec<(&'static str, String)>, ApiError>;
}

/// A request to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The `Host` header.
    pub host: &'a str,
    /// Path and query as sent.
    pub path: &'a str,
    /// The body as sent.
    pub body: &'a [u8],
}

/// What a request is written for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// The provider's prefix.
    pub provider: &'a str,
    /// What the deployment says of its parameters.
    pub shape: &'a Shape<'a>,
}

/// A written request.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// What follows the base path, with its query if it has one.
    pub path: Cow<'static, str>,
    /// Headers of this request alone.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Map<String, Value>,
}

/// An answer that cannot be read.
#[must_use]
pub fn unreadable(what: &str) -> Failure {
    Failure::without_answer(UpstreamClass::Internal, what)
}
