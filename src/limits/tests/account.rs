use super::{counter, pico, reached};
use crate::domain::{BudgetTerms, Money, Scope};
use crate::limits::{Account, Balance, Expected, Manner, MoneyHold, Overspent, Refuses};
use proptest::prelude::*;

fn account() -> Account {
    Account::new(counter(Scope::Key, "k", ""), 0)
}

fn budget(max: i64) -> BudgetTerms {
    BudgetTerms { max: Some(pico(max)), ..BudgetTerms::default() }
}

fn reserve(account: &Account, max: i64, cost: i64) -> Result<MoneyHold, Overspent> {
    account
        .reserve(0, 0, &budget(max), Refuses::AtMax, (Expected::About(pico(cost)), Manner::Decides))
        .map_err(reached)
}

fn amounts(account: &Account, now: i64, period_end: i64) -> (i64, i64, i64) {
    let Balance { base, pending, reserved } = account.balance(now, period_end);
    (base.pico(), pending.pico(), reserved.pico())
}

#[test]
fn a_guess_that_is_too_high_does_not_close_an_idle_budget() {
    let account = account();
    let first = reserve(&account, 10, 1000).unwrap();
    assert_eq!(
        reserve(&account, 10, 1).unwrap_err(),
        Overspent { spent: Money::ZERO, reserved: pico(1000), max: pico(10) }
    );
    assert_eq!(account.settle(first, pico(2), None), None);
    let second = reserve(&account, 10, 4).unwrap();
    let third = reserve(&account, 10, 4).unwrap();
    assert!(reserve(&account, 10, 1).is_err());
    account.release(second);
    assert_eq!(amounts(&account, 0, 0), (0, 2, 4));
    account.release(third);
}

#[test]
fn budgets_close_at_or_above_their_maximum() {
    for (refuses, spent, max, open) in [
        (Refuses::AtMax, 9, 10, true),
        (Refuses::AtMax, 10, 10, false),
        (Refuses::AboveMax, 10, 10, true),
        (Refuses::AboveMax, 11, 10, false),
        (Refuses::AtMax, 0, 0, false),
        (Refuses::AboveMax, 0, 0, false),
    ] {
        let account = account();
        account.load(0, pico(spent), 0);
        let answer =
            account.reserve(0, 0, &budget(max), refuses, (Expected::About(Money::ZERO), Manner::Decides));
        assert_eq!(answer.is_ok(), open, "{refuses:?} {spent} of {max}");
        assert!(account.reserve(0, 0, &budget(max), refuses, (Expected::Free, Manner::Decides)).is_ok());
    }
}

#[test]
fn an_increase_counts_until_its_end() {
    let account = account();
    account.load(0, pico(12), 0);
    let terms = BudgetTerms { increase: Some((pico(5), 1000)), ..budget(10) };
    let ask =
        |now| account.reserve(now, 0, &terms, Refuses::AtMax, (Expected::About(pico(1)), Manner::Decides));
    account.release(ask(999).unwrap());
    assert_eq!(reached(ask(1000).unwrap_err()).max, pico(10));
}

#[test]
fn a_reservation_grows_with_the_stream() {
    let account = account();
    let mut hold = reserve(&account, 10, 3).unwrap();
    account.top_up(&mut hold, pico(2));
    assert_eq!(amounts(&account, 0, 0).2, 3);
    account.top_up(&mut hold, pico(50));
    assert_eq!(amounts(&account, 0, 0).2, 50);
    let _ = account.settle(hold, pico(60), None);
    assert_eq!(amounts(&account, 0, 0), (0, 60, 0));
    let mut grows = reserve(&account, 100, 1).unwrap();
    account.top_up(&mut grows, pico(i64::MAX));
    account.top_up(&mut grows, pico(i64::MAX));
    let mut free =
        account.reserve(0, 0, &budget(100), Refuses::AtMax, (Expected::Free, Manner::Decides)).unwrap();
    account.top_up(&mut free, pico(i64::MAX));
    account.release(grows);
    account.release(free);
    assert_eq!(amounts(&account, 0, 0).2, 0);
    let (large, another) = (reserve(&account, i64::MAX, i64::MAX).unwrap(), reserve(&account, 100, 0));
    assert!(another.is_err());
    account.release(large);
    assert_eq!(amounts(&account, 0, 0).2, 0);
}

#[test]
fn a_settlement_belongs_to_the_period_of_its_reservation() {
    let (account, terms) = (account(), budget(10));
    let ask = |now, end| {
        account.reserve(now, end, &terms, Refuses::AtMax, (Expected::About(pico(8)), Manner::Decides))
    };
    let mut old = ask(50, 100).unwrap();
    let new = ask(100, 200).unwrap();
    account.top_up(&mut old, pico(20));
    assert_eq!(old.period_end(), 100);
    assert_eq!(account.settle(old, pico(9), Some(pico(1))), None);
    assert_eq!(amounts(&account, 100, 200), (0, 0, 8));
    account.written(100, pico(9), 100, pico(9));
    let _ = account.settle(new, pico(3), None);
    account.written(100, pico(7), 200, pico(3));
    assert_eq!(amounts(&account, 100, 200), (7, 0, 0));
    assert_eq!(amounts(&account, 200, 300), (0, 0, 0));
}

#[test]
fn one_that_is_late_does_not_bring_back_the_old_period() {
    let (account, terms) = (account(), budget(10));
    let ask = |now, end| {
        account.reserve(now, end, &terms, Refuses::AtMax, (Expected::About(pico(1)), Manner::Decides))
    };
    let _ = account.settle(ask(10_000, 90_000).unwrap(), pico(4), None);
    let late = ask(9_999, 10_000).unwrap();
    assert_eq!(late.period_end(), 90_000);
    let _ = account.settle(late, pico(1), None);
    assert_eq!(amounts(&account, 10_000, 90_000), (0, 5, 0));
}

#[test]
fn changed_terms_keep_what_is_spent() {
    let (account, terms) = (account(), budget(10));
    let ask = |now, end| {
        account.reserve(now, end, &terms, Refuses::AtMax, (Expected::About(pico(1)), Manner::Decides))
    };
    let under_way = ask(0, 100_000).unwrap();
    let _ = account.settle(ask(0, 100_000).unwrap(), pico(4), None);
    assert_eq!(amounts(&account, 0, 50_000), (0, 4, 1));
    let _ = account.settle(under_way, pico(2), None);
    assert_eq!(amounts(&account, 0, 50_000), (0, 6, 0));
    assert_eq!(amounts(&account, 0, 0), (0, 6, 0));
}

#[test]
fn the_database_of_changed_terms_is_believed() {
    let (account, terms) = (account(), budget(100));
    account.load(0, pico(10), 100_000);
    let spend = |now, end, cost| {
        let asked = (Expected::About(pico(cost)), Manner::Decides);
        let hold = account.reserve(now, end, &terms, Refuses::AtMax, asked).unwrap();
        let _ = account.settle(hold, pico(cost), None);
    };
    // The first calls under terms of another period, and what was spent before is booked.
    for end in [50_000, 200_000, 0, 70_000] {
        let before = account.balance(0, end).spent().pico();
        spend(0, end, 4);
        assert_eq!(account.balance(0, end).spent().pico(), before + 4, "{end}");
        account.written(0, pico(before), 100_000, Money::ZERO);
        assert_eq!(amounts(&account, 0, end), (before, 4, 0), "{end}");
        account.written(0, pico(before + 4), end, pico(4));
        assert_eq!(amounts(&account, 0, end), (before + 4, 0, 0), "{end}");
    }
    // A period that is over says nothing of the one that runs.
    account.written(60_000, pico(77), 50_000, Money::ZERO);
    assert_eq!(amounts(&account, 60_000, 70_000), (26, 0, 0));
    assert_eq!(amounts(&account, 70_000, 0), (0, 0, 0));
}

#[test]
fn the_database_is_loaded_once_and_then_told() {
    let account = account();
    assert!(!account.is_loaded());
    let early = reserve(&account, 100, 5).unwrap();
    let _ = account.settle(early, pico(5), None);
    account.load(0, pico(20), 0);
    account.load(0, pico(1), 0);
    assert!(account.is_loaded());
    assert_eq!(amounts(&account, 0, 0), (20, 5, 0));
    account.written(0, pico(31), 0, pico(5));
    assert_eq!(amounts(&account, 0, 0), (31, 0, 0));
    account.written(0, pico(40), 0, Money::ZERO);
    assert_eq!(amounts(&account, 0, 0), (40, 0, 0));
    let stale = super::account::account();
    stale.load(0, pico(7), 100);
    assert_eq!(amounts(&stale, 100, 200), (0, 0, 0));
    let ahead = super::account::account();
    assert_eq!(amounts(&ahead, 0, 100), (0, 0, 0));
    ahead.written(99, pico(3), 200, Money::ZERO);
    assert_eq!(amounts(&ahead, 100, 200), (3, 0, 0));
}

#[test]
fn a_soft_budget_is_reported_once_a_period() {
    let account = account();
    let spend = |now, end, cost| {
        let hold = account
            .reserve(now, end, &budget(1000), Refuses::AtMax, (Expected::Free, Manner::Decides))
            .unwrap();
        account.settle(hold, pico(cost), Some(pico(10)))
    };
    assert_eq!(spend(0, 100, 9), None);
    assert_eq!(spend(0, 100, 1), Some(pico(10)));
    assert_eq!(spend(0, 100, 5), None);
    assert_eq!(spend(100, 200, 11), Some(pico(11)));
    let known = super::account::account();
    known.load(0, pico(10), 0);
    assert_eq!(known.settle(reserve(&known, 100, 1).unwrap(), pico(1), Some(pico(10))), None);
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(i64),
    Settle(usize, i64),
    Drop(usize),
    TopUp(usize, i64),
    Write(i64),
    NextPeriod,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0i64..40).prop_map(Step::Reserve),
        3 => (0usize..6, 0i64..60).prop_map(|(which, cost)| Step::Settle(which, cost)),
        1 => (0usize..6).prop_map(Step::Drop),
        1 => (0usize..6, 0i64..60).prop_map(|(which, cost)| Step::TopUp(which, cost)),
        2 => (0i64..30).prop_map(Step::Write),
        1 => Just(Step::NextPeriod),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    /// What was settled in a period is what the account has of it, whatever is written and released in between.
    #[test]
    fn nothing_is_lost_and_nothing_is_counted_twice(steps in steps(), max in 1i64..200) {
        let account = account();
        let (mut now, mut end) = (0, 100_000);
        // In this period: settled, and of that written.
        let (mut settled, mut written) = (0, 0);
        let mut held: Vec<(MoneyHold, i64)> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve(cost) => {
                    let promised: i64 = held.iter().filter(|(hold, _)| hold.period_end() == end).map(|(_, amount)| amount).sum();
                    let fits = settled < max && (promised == 0 || settled + promised + cost <= max);
                    let answer = account.reserve(now, end, &budget(max), Refuses::AtMax, (Expected::About(pico(cost)), Manner::Decides));
                    prop_assert_eq!(answer.is_ok(), fits);
                    held.extend(answer.map(|hold| (hold, cost)));
                }
                Step::Settle(which, cost) if which < held.len() => {
                    let (hold, _) = held.swap_remove(which);
                    settled += if hold.period_end() == end { cost } else { 0 };
                    let _ = account.settle(hold, pico(cost), None);
                }
                Step::Drop(which) if which < held.len() => account.release(held.swap_remove(which).0),
                Step::TopUp(which, cost) => if let Some((hold, amount)) = held.get_mut(which) {
                    *amount = if hold.period_end() == end { cost.max(*amount) } else { *amount };
                    account.top_up(hold, pico(cost));
                },
                Step::Write(amount) => {
                    let amount = amount.min(settled - written);
                    written += amount;
                    account.written(now, pico(written), end, pico(amount));
                }
                Step::NextPeriod => (now, end, settled, written) = (end, end + 100_000, 0, 0),
                Step::Settle(..) | Step::Drop(_) => {}
            }
            let promised: i64 = held.iter().filter(|(hold, _)| hold.period_end() == end).map(|(_, amount)| amount).sum();
            prop_assert_eq!(amounts(&account, now, end), (written, settled - written, promised));
        }
    }

    /// A burst of equal calls whose cost is known passes a budget by less than one of them.
    #[test]
    fn a_burst_passes_a_budget_by_one_call_at_most(
        calls in 1usize..80, cost in 1i64..50, max in 1i64..500, above in any::<bool>(), settle_every in 1usize..10,
    ) {
        let refuses = if above { Refuses::AboveMax } else { Refuses::AtMax };
        let account = account();
        let mut held = Vec::new();
        for call in 0..calls {
            held.extend(account.reserve(0, 0, &budget(max), refuses, (Expected::About(pico(cost)), Manner::Decides)));
            if call % settle_every == 0 && !held.is_empty() {
                let _ = account.settle(held.remove(0), pico(cost), None);
            }
        }
        for hold in held {
            let _ = account.settle(hold, pico(cost), None);
        }
        let spent = account.balance(0, 0).spent().pico();
        prop_assert!(spent <= max + cost);
        prop_assert!(above || spent < max + cost);
    }
}
