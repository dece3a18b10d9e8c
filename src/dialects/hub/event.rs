//! What happens while an answer is streamed.

use super::Stop;
use crate::domain::{Failure, Usage};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The answer begins. Comes first and once; either text may be empty.
    Start {
        /// The upstream's id of the answer.
        id: String,
        /// The model.
        model: String,
    },
    /// More text.
    Text(String),
    /// More of a refusal.
    Refusal(String),
    /// More of a thought.
    Reasoning(String),
    /// The proof of the thought that ends here.
    Signature(String),
    /// A thought that only its provider can read.
    Redacted(String),
    /// A call begins. Calls are numbered from 0 in the order in which they begin.
    Call {
        /// Its number.
        index: u32,
        /// Its id; empty if the upstream gave none.
        id: String,
        /// The function.
        name: String,
    },
    /// More of a call's arguments.
    Arguments {
        /// The call's number.
        index: u32,
        /// More of its JSON.
        json: String,
    },
    /// The upstream's counts so far; a later one replaces an earlier one.
    Usage(Usage),
    /// The model has ended, for this reason. Usage may still come.
    Stop(Stop),
    /// The upstream says that nothing more comes.
    End,
    /// The upstream reports that it failed. Nothing comes after it.
    Fail(Box<Failure>),
}
