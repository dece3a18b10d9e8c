//! Limits and budgets of the gateway itself, and how spending is written down.

use super::super::field::{Field, Report, Section};
use super::super::model::{LedgerConfig, SpendingConfig};
use super::Sections;
use crate::domain::{BudgetTerms, Money, Period, PeriodUnit, RateTerms};
use crate::limits::Unpriced;
use std::net::IpAddr;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const JOURNAL_BYTES: u64 = 1 << 30;
/// The period of the global budget, unless `budget_duration` says another.
const GLOBAL_PERIOD: &str = "30d";

pub(super) fn compile(sections: &Sections<'_>, report: &mut Report) -> SpendingConfig {
    let (litellm, general, own) = (&sections.litellm, &sections.general, &sections.tollgate);
    let limits = own.field("limits").and_then(|f| f.map(report));
    let limit = |name: &str, report: &mut Report| {
        limits.as_ref().and_then(|limits| limits.field(name)).and_then(|f| f.count(report))
    };
    let parallel = general.field("global_max_parallel_requests").and_then(|f| f.count(report));
    SpendingConfig {
        rates: RateTerms {
            rpm: limit("rpm", report),
            tpm: limit("tpm", report),
            parallel: limit("parallel", report).or(parallel),
        },
        budget: global(litellm, report),
        customer_budget: BudgetTerms {
            max: money(litellm, "max_end_user_budget", report),
            ..BudgetTerms::default()
        },
        customer_budget_id: litellm.field("max_end_user_budget_id").and_then(|f| f.text(report)),
        provider_budgets: providers(&sections.router, report),
        time_zone: litellm.field("timezone").and_then(|f| zone(&f, report)),
        unpriced: own.field("unpriced_models").map_or(Unpriced::AllowAndFlag, |f| unpriced(&f, report)),
        allowed_ips: addresses(general.field("allowed_ips"), report),
        blocked_ips: addresses(own.field("blocked_ips"), report),
        forwarded_for: general.field("use_x_forwarded_for").and_then(|f| f.bool(report)).unwrap_or_default(),
        needs_customer: general.field("enforce_user_param").and_then(|f| f.bool(report)).unwrap_or_default(),
        ledger: ledger(sections, report),
        key_terms: super::key_terms::compile(litellm, report),
    }
}

fn global(litellm: &Section<'_>, report: &mut Report) -> BudgetTerms {
    // LiteLLM's default, 0, is no budget.
    let max = money(litellm, "max_budget", report).filter(|max| !max.is_zero());
    let period = litellm.field("budget_duration").and_then(|f| period(&f, report));
    BudgetTerms { max, period: period.or_else(|| GLOBAL_PERIOD.parse().ok()), ..BudgetTerms::default() }
}

fn money(section: &Section<'_>, name: &str, report: &mut Report) -> Option<Money> {
    let field = section.field(name)?;
    let amount = field.number(report)?;
    let money = Money::from_dollars(amount);
    if money.is_none() {
        report.fault(field.place(), "wants an amount in US dollars from 0 to 9 million");
    }
    money
}

fn period(field: &Field<'_>, report: &mut Report) -> Option<Period> {
    let text = field.text(report)?;
    let period = text.parse().ok();
    if period.is_none() {
        report.fault(field.place(), "wants a duration such as 30s, 15m, 2h, 30d or 1mo");
    }
    period
}

/// `provider_budget_config: {openai: {budget_limit: 1.5, time_period: 1d}}`
fn providers(router: &Section<'_>, report: &mut Report) -> Vec<(String, BudgetTerms)> {
    let Some(map) = router.field("provider_budget_config").and_then(|f| f.map(report)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for field in map.fields() {
        let Some(terms) = field.map(report) else { continue };
        let max = money(&terms, "budget_limit", report).or_else(|| money(&terms, "max_budget", report));
        let time = terms.field("time_period").or_else(|| terms.field("budget_duration"));
        let period = time.and_then(|f| period(&f, report));
        found.push((field.key().to_owned(), BudgetTerms { max, period, ..BudgetTerms::default() }));
    }
    found
}

fn zone(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let name = field.text(report)?;
    if jiff::tz::TimeZone::get(&name).is_err() {
        report.fault(field.place(), "not the name of a time zone (Europe/Berlin)");
        return None;
    }
    Some(name)
}

fn unpriced(field: &Field<'_>, report: &mut Report) -> Unpriced {
    match field.text(report).unwrap_or_default().as_str() {
        "deny" => Unpriced::Deny,
        "allow" => Unpriced::AllowAndFlag,
        _ => {
            report.fault(field.place(), "wants deny or allow");
            Unpriced::Deny
        }
    }
}

/// A list of addresses; a list that names `*` is as if there were none.
fn addresses(field: Option<Field<'_>>, report: &mut Report) -> Vec<IpAddr> {
    let Some(field) = field else { return Vec::new() };
    let texts = field.texts(report);
    if texts.iter().any(|text| text == "*") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(ip) => found.push(ip),
            Err(_) => report.fault(field.place(), "wants IP addresses"),
        }
    }
    found
}

fn ledger(sections: &Sections<'_>, report: &mut Report) -> LedgerConfig {
    let (general, own) = (&sections.general, &sections.tollgate);
    let is_on = |section: &Section<'_>, name: &str, report: &mut Report| {
        section.field(name).and_then(|f| f.bool(report)).unwrap_or_default()
    };
    let is_private = is_on(&sections.litellm, "turn_off_message_logging", report);
    let journal = own.field("journal").and_then(|f| f.map(report));
    let field = |name: &str| journal.as_ref().and_then(|journal| journal.field(name));
    let max_bytes = field("max_mb").and_then(|f| f.count::<u64>(report)).map(|mb| mb.saturating_mul(1 << 20));
    let serves = field("when_full").map(|f| match f.text(report).unwrap_or_default().as_str() {
        "serve" => true,
        "refuse" => false,
        _ => {
            report.fault(f.place(), "wants refuse or serve");
            false
        }
    });
    let age =
        |name: &str, report: &mut Report| general.field(name).and_then(|f| period(&f, report)).map(length);
    LedgerConfig {
        journal_max_bytes: max_bytes.unwrap_or(JOURNAL_BYTES),
        serves_when_full: serves.unwrap_or_default(),
        keeps_rows: !is_on(general, "disable_spend_logs", report),
        keeps_content: is_on(general, "store_prompts_in_spend_logs", report) && !is_private,
        retention: age("maximum_spend_logs_retention_period", report),
        retention_interval: age("maximum_spend_logs_retention_interval", report).unwrap_or(DAY),
    }
}

/// A month is 30 days where only an age is meant.
fn length(period: Period) -> Duration {
    let seconds = match period.unit {
        PeriodUnit::Second => 1,
        PeriodUnit::Minute => 60,
        PeriodUnit::Hour => 3600,
        PeriodUnit::Day => 86_400,
        PeriodUnit::Week => 7 * 86_400,
        PeriodUnit::Month => 30 * 86_400,
    };
    Duration::from_secs(seconds * u64::from(period.count))
}

#[cfg(test)]
mod tests {
    use super::super::super::{Env, Overrides, parse_and_compile};
    use super::*;

    #[test]
    fn everything_is_read_and_faults_have_places() {
        let yaml = "litellm_settings: {max_budget: 10, budget_duration: 1d, timezone: Asia/Shanghai, max_end_user_budget: 0.5}\n\
                    router_settings: {provider_budget_config: {openai: {budget_limit: 1.5, time_period: 1d}}}\n\
                    general_settings: {allowed_ips: ['10.0.0.1'], global_max_parallel_requests: 7, disable_spend_logs: true, \
                    maximum_spend_logs_retention_period: 7d}\n\
                    tollgate: {unpriced_models: deny, limits: {rpm: 5}, journal: {max_mb: 2, when_full: serve}}\n";
        let spending = parse_and_compile(yaml, &Env::of(&[]), &Overrides::default()).unwrap().config.spending;
        assert_eq!(
            (spending.budget.max, spending.rates.rpm, spending.rates.parallel),
            (Money::from_dollars(10.0), Some(5), Some(7))
        );
        assert_eq!(spending.provider_budgets[0].1.max, Money::from_dollars(1.5));
        assert_eq!((spending.unpriced, spending.allowed_ips.len()), (Unpriced::Deny, 1));
        assert_eq!((spending.ledger.journal_max_bytes, spending.ledger.serves_when_full), (2 << 20, true));
        assert!(!spending.ledger.keeps_rows && spending.ledger.retention == Some(7 * DAY));
        let bad = "litellm_settings: {max_budget: -1, budget_duration: soon, timezone: Mars/Base}\ntollgate: {unpriced_models: maybe}\n";
        assert_eq!(parse_and_compile(bad, &Env::of(&[]), &Overrides::default()).unwrap_err().len(), 4);
    }
}
