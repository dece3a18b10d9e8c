//! What any dialect can say, in types of none of them: a request, an answer, the events of a stream.
//!
//! Translation goes through here. A dialect that is offered to clients (`Inbound`) reads a [`Request`] and
//! writes an [`Answer`] or [`Event`]s; one that is called (`Dialect`) does the reverse. So each knows the
//! hub and no other dialect. Parameters are named as OpenAI names them ([`Param`]); what no one here knows
//! by name stays in [`Request::other`] and is passed on as it is.

mod answer;
mod event;
mod message;
mod param;
mod patch;
mod reasoning;
mod request;
mod tool;
pub mod value;

pub use answer::{Answer, Stop};
pub use event::Event;
pub use message::{Body, Call, CallResult, Media, Message, Part, Role, Source};
pub use param::Param;
pub use reasoning::{Effort, Reasoning};
pub use request::{Format, JSON_TOOL, Request, Schema};
pub use tool::{Function, Tool, ToolChoice};
