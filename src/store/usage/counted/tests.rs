#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use super::*;
use crate::domain::Scope;
use crate::store::tests::both;
use crate::store::usage::tests::{booking, charge, record};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const HOUR: i64 = 3_600_000;

fn counted(period: i64, sum: i64) -> Counted {
    Counted { period, sum }
}

#[test]
fn what_was_spent_stays_spent_while_its_period_runs() {
    let now = 1000;
    for (of, calls, then) in [
        (2000, 2000, counted(2000, 5)),
        // The duration was made shorter, longer, taken away, given.
        (3000, 2000, counted(2000, 5)),
        (2000, 3000, counted(3000, 5)),
        (2000, 0, counted(0, 5)),
        (0, 2000, counted(2000, 5)),
        // The next period, and one that is late for it.
        (900, 2000, counted(2000, 2)),
        (900, 0, counted(0, 2)),
        (2000, 900, counted(2000, 3)),
        (900, 800, counted(900, 3)),
        (800, 900, counted(900, 2)),
    ] {
        let mut present = counted(of, 3);
        present.add(calls, 2, now);
        assert_eq!(present, then, "of {of}, calls of {calls}");
    }
}

/// Periods that are over, that run, and none.
fn periods() -> impl Strategy<Value = Vec<i64>> {
    let period = prop_oneof![Just(0), Just(-HOUR), Just(-2 * HOUR), Just(HOUR), Just(2 * HOUR)];
    prop::collection::vec(period, 1..12)
}

#[tokio::test]
async fn the_databases_count_as_is_counted_here() {
    let mut runner = TestRunner::deterministic();
    for (store, _folder) in both().await {
        let mut number = 0;
        for story in 0..60 {
            let now = now_ms();
            let periods = periods().new_tree(&mut runner).unwrap().current();
            let name = format!("t{story}");
            let mut expected: Option<Counted> = None;
            for period in periods.into_iter().map(|period| if period == 0 { 0 } else { now + period }) {
                number += 1;
                let mut one = record(number);
                one.attribution.as_mut().unwrap().charges = vec![charge(Scope::Team, &name, "", period)];
                let before = expected;
                let counted = expected.get_or_insert(Counted { period, sum: 0 });
                counted.add(period, 1000, now + LATE);
                let booked = store.book(&booking(&[one], &[])).await.unwrap();
                let found = &booked.counters[0];
                assert_eq!(
                    Counted { period: found.period_end, sum: found.total.pico() },
                    *counted,
                    "{before:?} {period}"
                );
                let amount = if counted.period == period { 1000 } else { 0 };
                assert_eq!(found.amount.pico(), amount, "{before:?} {period}");
            }
        }
        let verified = store.verify_usage(true, None).await.unwrap();
        assert!(verified.differences.is_empty(), "{:?}", verified.differences);
    }
}

#[tokio::test]
async fn one_batch_counts_as_many_do() {
    let mut runner = TestRunner::deterministic();
    for (store, _folder) in both().await {
        let mut number = 0;
        for story in 0..40 {
            let now = now_ms();
            let periods = periods().new_tree(&mut runner).unwrap().current();
            let periods = periods.into_iter().filter(|period| *period >= 0);
            let mut sum = 0;
            let calls: Vec<_> = periods
                .map(|period| {
                    (number, sum) = (number + 1, sum + 1000);
                    let mut one = record(number);
                    let period = if period == 0 { 0 } else { now + period };
                    let name = format!("t{story}");
                    one.attribution.as_mut().unwrap().charges = vec![charge(Scope::Team, &name, "", period)];
                    one
                })
                .collect();
            let booked = store.book(&booking(&calls, &[])).await.unwrap();
            assert_eq!(booked.counters.iter().map(|found| found.total.pico()).sum::<i64>(), sum);
            assert_eq!(booked.counters.iter().map(|found| found.amount.pico()).sum::<i64>(), sum);
        }
    }
}
