//! The families by area.

use super::family::Builder;
use super::{deployments, fallbacks, gateway, latency, ledger, queue, requests, shared, sinks, tokens};
use prometheus::Error;

/// The families by area.
pub(super) struct Areas {
    pub(super) requests: requests::Requests,
    pub(super) tokens: tokens::Tokens,
    pub(super) latency: latency::Latency,
    pub(super) deployments: deployments::Deployments,
    pub(super) fallbacks: fallbacks::Fallbacks,
    pub(super) gateway: gateway::Gateway,
    pub(super) ledger: ledger::Ledger,
    pub(super) queue: queue::Queue,
    pub(super) shared: shared::Shared,
    pub(super) sinks: sinks::Sinks,
}

impl Areas {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            requests: requests::Requests::register(to)?,
            tokens: tokens::Tokens::register(to)?,
            latency: latency::Latency::register(to)?,
            deployments: deployments::Deployments::register(to)?,
            fallbacks: fallbacks::Fallbacks::register(to)?,
            gateway: gateway::Gateway::register(to)?,
            ledger: ledger::Ledger::register(to)?,
            queue: queue::Queue::register(to)?,
            shared: shared::Shared::register(to)?,
            sinks: sinks::Sinks::register(to)?,
        })
    }
}
