//! Calls at the client's edge.

use super::call::{CallShape, Ending};
use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::series::Count;
use super::tokens::SERVED;
use prometheus::{Error, IntGauge};

const TOTAL: &[L] = &[
    L::EndUser,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::RequestedModel,
    L::Team,
    L::TeamAlias,
    L::User,
    L::UserEmail,
    L::StatusCode,
    L::Route,
    L::ClientIp,
    L::UserAgent,
    L::ModelId,
    L::OrgId,
    L::OrgAlias,
];

const FAILED: &[L] = &[
    L::EndUser,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::RequestedModel,
    L::Team,
    L::TeamAlias,
    L::User,
    L::UserEmail,
    L::Route,
    L::ClientIp,
    L::UserAgent,
    L::ModelId,
    L::OrgId,
    L::OrgAlias,
    L::ExceptionStatus,
    L::ExceptionClass,
];

/// Families about calls.
pub(super) struct Requests {
    /// Every call, however it ended.
    total: Family<Count>,
    /// Calls that ended in an error for the client, in the head or mid-stream.
    failed: Family<Count>,
    /// Calls whose whole answer the client has.
    served: Family<Count>,
    /// Calls that are under way.
    pub(super) in_flight: IntGauge,
}

/// One call's series.
pub(super) struct RequestHandles {
    total: Count,
    failed: Option<Count>,
    served: Option<Count>,
}

impl Requests {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            total: to.family(
                "litellm_proxy_total_requests_metric_total",
                "Calls, however they ended",
                TOTAL,
            )?,
            failed: to.family(
                "litellm_proxy_failed_requests_metric_total",
                "Calls that ended in an error for the client",
                FAILED,
            )?,
            served: to.family("litellm_requests_metric_total", "Calls answered in full", SERVED)?,
            in_flight: to.single("litellm_in_flight_requests", "Calls under way")?,
        })
    }

    pub(super) fn resolve(&self, labels: &LabelSet<'_>, shape: CallShape) -> RequestHandles {
        RequestHandles {
            total: self.total.get(labels),
            failed: shape.ending.error().map(|_| self.failed.get(labels)),
            served: (shape.ending == Ending::Completed).then(|| self.served.get(labels)),
        }
    }
}

impl RequestHandles {
    /// Counts so many calls.
    pub(super) fn count(&self, calls: u64) {
        let all = [Some(&self.total), self.failed.as_ref(), self.served.as_ref()];
        all.into_iter().flatten().for_each(|series| series.inc_by(calls));
    }
}
