//! Forms as they come in. A small one is held like any other body; of a large one only the beginning is, and the rest is
//! passed on as it comes, with its model renamed on the way.
//!
//! Which deployment is asked depends on the model, and clients send it before or after the file. Where it comes late,
//! what comes before it waits in a file that has no name. What has left cannot be sent again: beyond the beginning that
//! is held, and 64 KiB after it, no other deployment is asked.

mod pour;
mod read;
mod source;
mod told;
mod way;

pub(super) use pour::{Pour, Upload};
pub(super) use read::{Form, read};
pub(super) use source::Source;
pub(super) use told::{too_large, unusable};
pub(super) use way::Way;
