//! A call that was answered from here.

use crate::domain::UsageRecord;
use crate::telemetry::{InFlightGuard, TraceContext};
use std::sync::Arc;

/// A call that nothing is left of but its record.
pub(in crate::proxy) struct Served {
    pub(in crate::proxy) record: Box<UsageRecord>,
    pub(in crate::proxy) trace: Option<Arc<TraceContext>>,
    pub(in crate::proxy) _in_flight: Option<InFlightGuard>,
}
