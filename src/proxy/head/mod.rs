//! Heads of answers: LiteLLM's headers, and what is passed on of the upstream's.

mod answer;
mod lines;
mod own;
mod passed;
mod words;

pub(super) use answer::{Weighed, held, relayed};
pub(super) use lines::Lines;
pub(super) use own::{begun, counted, refusal, searched};
pub(super) use passed::{is_hop_by_hop, nominated, passed, repeats};
pub(super) use words::{allow_origin, ends_by_close, money};
