//! Floor 4: what a request sees.
//!
//! A [`Snapshot`] is one configuration made ready: names resolved to groups, groups with their
//! strategy and deployments. It never changes; a reload prepares a new one (which may fail) and swaps
//! it in (which may not). A request loads it once and keeps it to its end.

mod directory;
mod group;
mod handle;
mod house;
mod known;
mod names;
mod queue;
mod reloader;
mod shelf;
mod snapshot;
mod standing;

pub use directory::{CustomerTerms, Directory};
pub use group::{Estimate, Group, Pick};
pub use handle::RuntimeHandle;
pub use house::House;
pub use known::Known;
pub use names::Resolution;
pub use queue::{GroupQueue, Turn, Wish};
pub use reloader::{ReloadError, Reloader};
pub(crate) use snapshot::zone;
pub use snapshot::{PrepareError, Snapshot};
pub use standing::{GateList, Standing};
