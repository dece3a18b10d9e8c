//! The journal: a folder of segment files, filled by lanes and read by the flusher.
//!
//! Each thread that appends has a lane, each lane a segment of its own whose blocks are on the disk already: an
//! append is one `pwrite` into the page cache. It waits for no disk and no other thread, wakes nobody, and cannot
//! run out of space. Once a thousand records or so a lane takes another segment from the spares, which a
//! thread keeps ready. A segment that was flushed becomes a spare again.

mod folder;
mod lane;
mod segment;
mod space;

pub(super) use folder::Folders;
pub use folder::OpenError;
pub(super) use lane::{Lane, NotAppended};
pub(super) use segment::{HEAD, Segment};
pub(super) use space::Space;
