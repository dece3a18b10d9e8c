//! What is written down of calls, and for how long.

use super::super::LedgerConfig;
use super::super::field::{Field, Report};
use super::Sections;
use crate::domain::{Period, PeriodUnit};
use std::time::Duration;

const MIB: u64 = 1024 * 1024;
const HOUR: u32 = 3600;

/// LiteLLM's keys for its spend logs, and ours for the journal.
pub(super) fn compile(sections: &Sections<'_>, report: &mut Report) -> LedgerConfig {
    let (general, own) = (&sections.general, &sections.tollgate);
    let mut truth = |key| general.field(key).and_then(|f| f.bool(report)).unwrap_or_default();
    let (no_rows, keep_content) = (truth("disable_spend_logs"), truth("store_prompts_in_spend_logs"));
    let age = general.field("maximum_spend_logs_retention_period");
    let every = general.field("maximum_spend_logs_retention_interval");
    let most = own.field("journal_max_mb").and_then(|f| f.count::<u64>(report)).unwrap_or(1024);
    let defaults = LedgerConfig::default();
    LedgerConfig {
        serve_when_full: own.field("ledger_on_full").and_then(|f| on_full(&f, report)).unwrap_or_default(),
        journal_max_bytes: most.saturating_mul(MIB),
        keep_rows: !no_rows,
        keep_content,
        retention: age.and_then(|f| period(&f, report)),
        retention_every: every.and_then(|f| period(&f, report)).unwrap_or(defaults.retention_every),
    }
}

fn on_full(field: &Field<'_>, report: &mut Report) -> Option<bool> {
    match field.text(report)?.as_str() {
        "refuse" => Some(false),
        "serve" => Some(true),
        _ => {
            report.fault(field.place(), "wants refuse or serve");
            None
        }
    }
}

/// `30d`; a month is 30 days.
fn period(field: &Field<'_>, report: &mut Report) -> Option<Duration> {
    let text = field.text(report).filter(|text| !text.is_empty())?;
    let Ok(Period { count, unit }) = text.parse() else {
        report.fault(field.place(), "wants a number and a unit, like 30d");
        return None;
    };
    let seconds = match unit {
        PeriodUnit::Second => 1,
        PeriodUnit::Minute => 60,
        PeriodUnit::Hour => HOUR,
        PeriodUnit::Day => 24 * HOUR,
        PeriodUnit::Week => 7 * 24 * HOUR,
        PeriodUnit::Month => 30 * 24 * HOUR,
    };
    Some(Duration::from_secs(u64::from(count) * u64::from(seconds)))
}
