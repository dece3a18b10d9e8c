//! Floor 1: from tokens and moments to money and latencies.

pub mod cost;
pub mod latency;

pub use crate::domain::usage::estimate_tokens;
pub use cost::{bill, cost};
pub use latency::Latencies;
