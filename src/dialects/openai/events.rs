//! Events that are made here, and how one says that the upstream failed.

use crate::domain::ApiError;
use bytes::Bytes;

/// Whether a member of an event says that the upstream failed.
pub(super) fn is_error(name: &str, value: &[u8]) -> bool {
    match name {
        "error" => matches!(value.first(), Some(b'{' | b'"')) && value != b"\"\"",
        "error_code" | "error_msg" => value != b"null" && value != b"\"\"",
        "object" => value == b"\"error\"",
        _ => false,
    }
}

/// An error in the middle of a stream, as an event.
#[must_use]
pub fn error_event(error: &ApiError) -> Bytes {
    Bytes::from(format!("data: {}\n\n", error.to_json()))
}

/// A whole answer as the only event of a stream. Line ends in JSON are blanks between its words.
#[must_use]
pub fn whole_event(answer: &[u8]) -> Bytes {
    let line = answer.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte });
    b"data: ".iter().copied().chain(line).chain(*b"\n\ndata: [DONE]\n\n").collect()
}
