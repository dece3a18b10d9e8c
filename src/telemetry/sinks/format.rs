//! What a sink is sent: where to, with which headers, and the bodies for so many calls.

use super::{Finished, langfuse, otlp};
use crate::domain::TargetId;
use crate::telemetry::{Metrics, TargetLabels};
use std::sync::Arc;

/// The words of a sink.
#[derive(Clone, Debug)]
pub enum Format {
    /// OTLP traces in JSON, as a resource with these attributes.
    Otlp {
        /// `service.name` and whatever else describes the process.
        resource: Vec<(String, String)>,
    },
    /// Langfuse's ingestion events.
    Langfuse,
}

/// A body, and how many calls are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// JSON.
    pub body: Vec<u8>,
    /// The calls in it.
    pub calls: usize,
}

impl Format {
    /// The bodies for some calls.
    #[must_use]
    pub fn batches(&self, calls: &[Arc<Finished>], metrics: &Metrics) -> Vec<Batch> {
        let target = |id: &TargetId| -> Option<TargetLabels> { metrics.target(id) };
        match self {
            Self::Otlp { resource } => {
                vec![Batch { body: otlp::traces(calls, resource, &target), calls: calls.len() }]
            }
            Self::Langfuse => langfuse::batches(calls),
        }
    }

    /// How many of a batch's calls an answer refuses although it takes the batch.
    #[must_use]
    pub fn refused(&self, answer: &[u8]) -> usize {
        match self {
            Self::Otlp { .. } => 0,
            Self::Langfuse => langfuse::refused(answer),
        }
    }
}
