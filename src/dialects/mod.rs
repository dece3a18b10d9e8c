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
mod inbound;
pub mod json;
pub mod mock;
pub mod ollama;
pub mod openai;
mod outbound;
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
pub use inbound::{Given, Inbound, StreamEncoder};
pub use outbound::{Ask, Auth, Dialect, Encoded, Signer, StreamDecoder, Unsigned, unreadable};
pub use shape::{Shape, ShapeParams};

use crate::domain::EndpointKind;

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

#[cfg(test)]
mod tests;
