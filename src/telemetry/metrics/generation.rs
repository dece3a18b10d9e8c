//! One generation of configured names, and what was resolved from them.
//!
//! The caches live and die with the names: a call sees either the old names and the old series or
//! the new ones, and a reload forgets what no longer exists.

use super::cache::Cache;
use super::call::{AttemptShape, CallShape};
use super::deployments::AttemptHandles;
use super::handles::CallHandles;
use super::names::{Configured, Names};

/// Names and the series that were found by them.
pub(super) struct Generation {
    pub(super) names: Names,
    pub(super) calls: Cache<CallShape, CallHandles>,
    pub(super) attempts: Cache<AttemptShape, AttemptHandles>,
}

impl Generation {
    /// Nothing is resolved yet, and so many series of calls and of attempts will be remembered.
    pub(super) fn new(configured: Configured, cached: usize) -> Self {
        Self { names: Names::new(configured), calls: Cache::new(cached), attempts: Cache::new(cached) }
    }
}
