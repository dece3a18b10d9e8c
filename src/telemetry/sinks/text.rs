//! What the formats share: times, and texts that clients made.

use std::time::{Duration, SystemTime};

/// Longest text of a client that goes out, in bytes.
const LONGEST: usize = 256;

/// A text cut short.
pub(super) fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text)
}

/// A moment in nanoseconds since 1970, in digits: JSON's numbers do not reach that far.
pub(super) fn nanos(at: SystemTime) -> String {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

/// A moment as `2026-01-02T03:04:05.678Z`.
pub(super) fn moment(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

/// A distance from a moment.
pub(super) fn after(at: SystemTime, distance: Duration) -> SystemTime {
    at.checked_add(distance).unwrap_or(at)
}
