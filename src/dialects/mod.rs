//! Floor 1: wire formats, both ways, without I/O. Bytes in, bytes and facts out.
//!
//! When client and upstream speak the same dialect, bodies are never parsed into trees: [`json`] finds the
//! members of an object by their spans, and what is not understood is passed on byte for byte. [`sse`]
//! finds where events end. When they do not, [`translate`] goes through the [`hub`].
//!
//! A dialect that upstreams speak is a folder and a line in [`ALL`]; one that clients speak besides is an
//! [`Inbound`] and a line in [`inbound()`].

pub mod anthropic;
pub mod cohere;
pub mod converse;
mod flow;
pub mod form;
mod gather;
pub mod gemini;
pub mod hub;
pub mod json;
pub mod mock;
pub mod ollama;
pub mod openai;
mod proof;
pub mod realtime;
pub mod responses;
mod shape;
pub mod sse;
pub mod stream;
pub mod tee;
pub mod translate;

pub use flow::{Flow, Translation};
pub use gather::Gather;
pub use shape::{Shape, ShapeParams};

use crate::domain::{ApiError, EndpointKind, Failure, UpstreamClass};
use bytes::Bytes;
use hub::{Answer, Event, Param};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Every dialect that upstreams speak.
pub static ALL: &[&dyn Dialect] = &[
    &openai::OpenAi,
    &anthropic::Anthropic,
    &gemini::Gemini,
    &ollama::Ollama,
    &cohere::Cohere,
    &converse::Converse,
];

/// The dialect of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Dialect> {
    ALL.iter().copied().find(|dialect| dialect.name() == name)
}

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

/// The dialect that the clients of an API speak: their errors are written in it.
#[must_use]
pub fn inbound(kind: EndpointKind) -> &'static dyn Inbound {
    match kind {
        EndpointKind::Messages | EndpointKind::CountTokens => &anthropic::Anthropic,
        EndpointKind::Responses => &responses::Responses,
        EndpointKind::GenerateContent | EndpointKind::StreamContent | EndpointKind::CountContent => {
            &gemini::Gemini
        }
        EndpointKind::ChatCompletions
        | EndpointKind::Completions
        | EndpointKind::Embeddings
        | EndpointKind::Speech
        | EndpointKind::Transcriptions
        | EndpointKind::Translations
        | EndpointKind::ImageGenerations
        | EndpointKind::ImageEdits
        | EndpointKind::ImageVariations
        | EndpointKind::Moderations
        | EndpointKind::Rerank
        | EndpointKind::Files
        | EndpointKind::Batches
        | EndpointKind::PassThrough
        | EndpointKind::Search
        | EndpointKind::Realtime => &openai::OpenAi,
    }
}

/// Whether requests of an API can be said in the hub's words.
#[must_use]
pub const fn is_translatable(kind: EndpointKind) -> bool {
    matches!(
        kind,
        EndpointKind::ChatCompletions
            | EndpointKind::Messages
            | EndpointKind::Responses
            | EndpointKind::GenerateContent
            | EndpointKind::StreamContent
    )
}

/// A dialect as clients speak it to the gateway.
pub trait Inbound: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Headers of a request that an upstream of the same dialect is to have, too.
    fn relayed_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Parameters that clients of this dialect send without insisting on them: dropped where they cannot be said.
    fn hints(&self) -> &'static [Param] {
        &[]
    }

    /// Members that only providers of this dialect understand, and that are left out with `drop_params` elsewhere.
    fn droppable(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads a request from its members.
    ///
    /// # Errors
    /// If they are not of the dialect's form.
    fn read(&self, members: &[(Cow<'_, str>, &[u8])]) -> Result<hub::Request, ApiError>;

    /// Writes a whole answer.
    fn write(&self, answer: &Answer, given: &Given) -> Bytes;

    /// What answers repeat of a request, in whatever form [`Inbound::write`] and its streams want it.
    fn echo(&self, _: &openai::Request) -> Bytes {
        Bytes::new()
    }

    /// A writer for one stream.
    fn encoder(&self, given: Given) -> Box<dyn StreamEncoder>;

    /// An error as a whole answer.
    fn error(&self, error: &ApiError) -> String;

    /// An error in the middle of a stream.
    fn error_event(&self, error: &ApiError) -> Bytes;
}

impl fmt::Debug for dyn Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Writes the bytes of one stream.
pub trait StreamEncoder: Send + Sync {
    /// Writes what happened. [`Event::Fail`] is not for it: the client is told by
    /// [`Inbound::error_event`].
    fn push(&mut self, event: &Event, out: &mut Vec<u8>);

    /// Writes what a stream ends with. Called once, after [`Event::Stop`].
    fn finish(&mut self, out: &mut Vec<u8>);

    /// Writes that the stream broke, if that takes more than [`Inbound::error_event`].
    fn fail(&mut self, _: &ApiError, _out: &mut Vec<u8>) {}

    /// How many bytes it keeps of what was said.
    fn kept(&self) -> usize {
        0
    }
}

/// What an answer is to say that the upstream does not know.
#[derive(Clone, Debug)]
pub struct Given {
    /// The name that the client knows the model by.
    pub model: Arc<str>,
    /// Stands in for an id that the upstream did not give.
    pub id: Arc<str>,
    /// Unix seconds.
    pub created: i64,
    /// Whether the client wants the usage at the end of a stream, where that is to be asked for.
    pub usage: bool,
    /// What [`Inbound::echo`] made of the request.
    pub echo: Bytes,
}

/// An answer that cannot be read.
#[must_use]
pub fn unreadable(what: &str) -> Failure {
    Failure::without_answer(UpstreamClass::Internal, what)
}

#[cfg(test)]
mod tests;
