//! What there is to say of an upload.

use crate::dialects::form::{self, Scan};
use crate::domain::{ApiError, ErrorKind};
use pingora::{Error, ErrorType};

/// A body over the limit, in bytes.
pub(in crate::proxy) fn too_large(limit: usize) -> ApiError {
    let words = format!("Request body is too large: the limit is {limit} bytes.");
    ApiError::new(ErrorKind::TooLarge, words)
}

/// Whether the model is known.
pub(super) fn has_model(scan: &Scan) -> bool {
    scan.parts().iter().any(|part| part.name == "model" && part.is_whole)
}

/// A form that cannot be read.
pub(super) fn malformed(fault: form::Fault) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, format!("Invalid request format: {fault}."))
}

/// An upload that turned out to be no form.
pub(in crate::proxy) fn unusable(error: &ApiError) -> Box<Error> {
    Error::explain(ErrorType::Custom("upload"), error.message.clone())
}
