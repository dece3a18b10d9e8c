//! What a dialect is that clients speak.

use super::hub::{self, Answer, Event, Param};
use super::openai;
use crate::domain::ApiError;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

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
