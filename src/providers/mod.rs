//! Floor 2: the APIs that are called. Whose API it is, where it lives, how it wants to be asked.
//!
//! A provider that speaks OpenAI's format is a row in `compatible.rs`; one with a dialect or a
//! signature of its own is a folder here and a line in `ALL`.

pub mod azure;
pub mod base;
pub mod bedrock;
pub mod catalog;
pub mod compatible;
pub mod local;
pub mod passage;
pub mod realtime;
pub mod search;
pub mod site;
pub mod target;
pub mod vertex;

pub use base::Base;
pub use catalog::Catalog;
pub use local::LocalServer;
pub use passage::{Passage, Vendor};
pub use target::{ModelInfo, Params, Target, Weights, secrets};
