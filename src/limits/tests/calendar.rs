use super::counter;
use crate::domain::{BudgetTerms, Period, Scope};
use crate::limits::{Account, Purse, Refuses, Zone, period_end};
use jiff::Timestamp;
use proptest::prelude::*;
use std::sync::Arc;

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn end(period: &str, zone: &str, now: &str) -> String {
    let end = period_end(period.parse().unwrap(), None, at(now), &Zone::named(zone).unwrap());
    Timestamp::from_millisecond(end).unwrap().to_string()
}

#[test]
fn periods_end_where_litellm_ends_them() {
    for (period, zone, now, expected) in [
        ("1d", "UTC", "2026-11-21T07:26:39Z", "2026-11-22T00:00:00Z"),
        ("1d", "UTC", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("1d", "UTC", "2026-11-20T23:59:59.999Z", "2026-11-21T00:00:00Z"),
        ("1d", "Asia/Shanghai", "2026-11-21T07:26:39Z", "2026-11-21T16:00:00Z"),
        ("24h", "Asia/Shanghai", "2026-11-21T07:26:39Z", "2026-11-21T16:00:00Z"),
        ("7d", "UTC", "2026-11-21T07:26:39Z", "2026-11-23T00:00:00Z"),
        ("1w", "UTC", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("30d", "UTC", "2026-11-21T07:26:39Z", "2026-12-01T00:00:00Z"),
        ("1mo", "America/New_York", "2026-11-21T07:26:39Z", "2026-12-01T05:00:00Z"),
        ("1mo", "UTC", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        ("3mo", "UTC", "2026-11-21T07:26:39Z", "2027-01-01T00:00:00Z"),
        ("6mo", "UTC", "2026-06-30T07:26:39Z", "2026-07-01T00:00:00Z"),
        ("2d", "UTC", "1970-01-01T00:00:00Z", "1970-01-03T00:00:00Z"),
        ("2d", "UTC", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"),
        ("2w", "UTC", "1970-01-05T00:00:00Z", "1970-01-12T00:00:00Z"),
        ("1h", "Asia/Kolkata", "2026-11-21T07:26:39Z", "2026-11-21T07:30:00Z"),
        ("5h", "UTC", "2026-11-21T21:26:39Z", "2026-11-22T00:00:00Z"),
        ("15m", "UTC", "2026-11-21T07:26:39Z", "2026-11-21T07:30:00Z"),
        ("30s", "UTC", "2026-11-21T07:26:39Z", "2026-11-21T07:27:00Z"),
        ("36h", "UTC", "1970-01-02T13:00:00Z", "1970-01-04T00:00:00Z"),
    ] {
        assert_eq!(end(period, zone, now), expected, "{period} in {zone} at {now}");
    }
}

#[test]
fn days_are_as_long_as_the_clocks_make_them() {
    let paris = "Europe/Paris";
    assert_eq!(end("1d", paris, "2026-03-28T23:30:00Z"), "2026-03-29T22:00:00Z", "23 hours");
    assert_eq!(end("1d", paris, "2026-10-24T23:00:00Z"), "2026-10-25T23:00:00Z", "25 hours");
    assert_eq!(end("1h", paris, "2026-10-25T01:30:00Z"), "2026-10-25T02:00:00Z", "the repeated hour");
    assert_eq!(end("1d", "Africa/Cairo", "2026-04-23T12:00:00Z"), "2026-04-23T22:00:00Z", "no midnight");
    assert_eq!(
        end("1d", "America/St_Johns", "2010-11-07T02:40:00Z"),
        "2010-11-08T03:30:00Z",
        "set back over it"
    );
}

#[test]
fn an_anchor_is_the_first_end() {
    let ends = |period: &str, anchor: &str, now: &str| {
        let end = period_end(period.parse().unwrap(), Some(at(anchor)), at(now), &Zone::UTC);
        Timestamp::from_millisecond(end).unwrap().to_string()
    };
    let anchor = "2026-01-31T10:00:00Z";
    assert_eq!(ends("1d", anchor, "2025-01-01T00:00:00Z"), anchor);
    assert_eq!(ends("1d", anchor, anchor), "2026-02-01T10:00:00Z");
    assert_eq!(ends("7d", anchor, "2026-02-20T00:00:00Z"), "2026-02-21T10:00:00Z");
    assert_eq!(ends("1mo", anchor, anchor), "2026-02-28T10:00:00Z");
    assert_eq!(ends("1mo", anchor, "2026-02-28T10:00:00Z"), "2026-03-31T10:00:00Z");
    assert_eq!(ends("3mo", anchor, "2027-01-31T09:59:59Z"), "2027-01-31T10:00:00Z");
}

#[test]
fn what_lies_beyond_the_calendar_never_ends() {
    let period: Period = "1000000mo".parse().unwrap();
    assert_eq!(period_end(period, None, 0, &Zone::UTC), i64::MAX);
    assert_eq!(period_end(period, Some(0), 0, &Zone::UTC), i64::MAX);
    assert_eq!(period_end("1d".parse().unwrap(), None, i64::MAX - 1, &Zone::UTC), i64::MAX);
    assert_eq!(period_end("1d".parse().unwrap(), None, i64::MIN, &Zone::UTC), i64::MAX);
}

#[test]
fn unknown_zones_are_refused() {
    assert!(Zone::named("Mars/Olympus").unwrap_err().to_string().contains("Mars/Olympus"));
    assert!(Zone::named("").is_err());
    assert_eq!(Zone::named("UTC"), Ok(Zone::UTC));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Ends lie ahead, never go back, and are the same for all instants of a period.
    #[test]
    fn ends_are_ahead_and_agree(
        count in prop_oneof![1u32..40, 1u32..2000],
        unit in prop::sample::select(vec!["s", "m", "h", "d", "w", "mo"]),
        zone in prop::sample::select(vec![
            "UTC", "Europe/Paris", "America/New_York", "Africa/Cairo", "Asia/Shanghai", "Australia/Lord_Howe",
            "America/Havana", "America/St_Johns", "Pacific/Apia", "Asia/Kolkata", "America/Sao_Paulo",
        ]),
        now in prop_oneof![0i64..4_000_000_000_000, 1_700_000_000_000i64..1_800_000_000_000],
        later in prop_oneof![0i64..100_000_000, 0i64..100_000_000_000],
        part in 0i64..1000,
        anchor in prop::option::of(0i64..4_000_000_000_000),
    ) {
        let period: Period = format!("{count}{unit}").parse().unwrap();
        let zone = Zone::named(zone).unwrap();
        let end = period_end(period, anchor, now, &zone);
        prop_assert!(end > now);
        prop_assert!(period_end(period, anchor, now + later, &zone) >= end, "never goes back");
        let inside = now + i64::try_from(i128::from(end - 1 - now) * i128::from(part) / 999).unwrap();
        prop_assert_eq!(period_end(period, anchor, inside, &zone), end);
        prop_assert!(period_end(period, anchor, end, &zone) > end);
    }
}

#[test]
fn a_clock_that_was_set_back_is_in_its_own_period() {
    let terms = BudgetTerms { period: "1d".parse().ok(), ..BudgetTerms::default() };
    let account = Arc::new(Account::new(counter(Scope::Key, "id", ""), 0));
    let purse = Purse::new(account, terms, Refuses::AtMax, Zone::UTC);
    let (now, later) = (at("2026-11-21T10:00:00Z"), at("2030-01-01T10:00:00Z"));
    assert_eq!(purse.period_end(later), at("2030-01-02T00:00:00Z"));
    assert_eq!(purse.period_end(now), at("2026-11-22T00:00:00Z"));
    assert_eq!(purse.period_end(now - 5), at("2026-11-22T00:00:00Z"));
    assert_eq!(purse.period_end(later), at("2030-01-02T00:00:00Z"));
}
