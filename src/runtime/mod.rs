//! Floor 4: what a request sees.
//!
//! A [`Snapshot`] is one configuration made ready: names resolved to groups, groups with their
//! strategy and deployments. It never changes; a reload prepares a new one (which may fail) and swaps
//! it in (which may not). A request loads it once and keeps it to its end.

mod balances;
mod candidate;
mod choice;
mod circle;
mod directory;
mod group;
mod handle;
mod house;
mod known;
mod marks;
mod names;
mod near;
mod queue;
mod reloader;
mod shelf;
mod snapshot;
mod standing;

pub use choice::{Bar, Considered, Drawback, Pick, Wish};
pub use directory::Directory;
pub use group::{Estimate, Group, Hedge, Terms};
pub use handle::{Present, RuntimeHandle};
pub use house::House;
pub use known::Known;
pub use marks::{Tags, affinity};
pub use names::Resolution;
pub use queue::{GroupQueue, Outlook, Turn, TurnWish};
pub use reloader::{Hooks, RefusedFile, ReloadError, Reloaded, Reloader, Source};
pub(crate) use snapshot::zone;
pub use snapshot::{PrepareError, Snapshot};
pub use standing::{GateList, Standing};
