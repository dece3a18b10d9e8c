//! Forms as they come in. A small one is held like any other body; of a large one only the beginning is, and the rest is
//! passed on as it comes, with its model renamed on the way.
//!
//! Which deployment is asked depends on the model, and clients send it before or after the file. Where it comes late,
//! what comes before it waits in a file that has no name. What has left cannot be sent again: beyond the beginning that
//! is held, and 64 KiB after it, no other deployment is asked.

mod pour;
mod read;
mod source;
mod way;

pub(super) use pour::{Pour, Upload};
pub(super) use read::{Form, read};
pub(super) use source::Source;
pub(super) use way::Way;

use crate::dialects::form::{self, Scan};
use crate::domain::{ApiError, ErrorKind};
use pingora::{Error, ErrorType};

/// A body over the limit, in bytes.
pub(super) fn too_large(limit: usize) -> ApiError {
    let words = format!("Request body is too large: the limit is {limit} bytes.");
    ApiError::new(ErrorKind::TooLarge, words)
}

fn has_model(scan: &Scan) -> bool {
    scan.parts().iter().any(|part| part.name == "model" && part.is_whole)
}

fn malformed(fault: form::Fault) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, format!("Invalid request format: {fault}."))
}

/// An upload that turned out to be no form.
pub(super) fn unusable(error: &ApiError) -> Box<Error> {
    Error::explain(ErrorType::Custom("upload"), error.message.clone())
}
