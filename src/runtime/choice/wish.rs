//! What a call wants of its deployment.

use crate::domain::EndpointKind;
use crate::runtime::{House, Resolution};
use std::sync::Arc;

/// What a call wants of its deployment.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// The API that is called.
    pub kind: EndpointKind,
    /// Holds the budgets of providers.
    pub house: &'a House,
    /// Unix milliseconds.
    pub now: i64,
    /// The tags that decide about its deployment.
    pub tags: &'a [Arc<str>],
    /// About how many tokens the prompt has.
    pub prompt: u64,
    /// About how many tokens the call takes of a quota, where the group's are counted.
    pub tokens: u64,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// What it has in common with calls that should meet the same deployment.
    pub affinity: Option<u64>,
    /// The deployments it met already, by index.
    pub tried: &'a [usize],
    /// What was asked for, and what that stood for, where deployments stand for many models.
    pub asked: Option<(&'a Resolution, &'a str)>,
}
