//! Threads that count by themselves let through exactly what one counter would.

use super::{counter, pico};
use crate::domain::{BudgetTerms, RateTerms, Scope};
use crate::limits::{
    Account, AccountPart, Ask, Descriptor, Expected, Gate, Manner, MoneyHold, Purse, RateHold, Refuses,
    Window, WindowPart, Zone, admit,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;

const LENGTH: i64 = 60_000;
const PARTS: usize = 3;

/// One step; `who` has a part if the number is small enough, and may know other terms than most.
#[derive(Clone, Debug)]
enum Step {
    Take { who: usize, about: u64, under: usize },
    End { which: usize, took: u64 },
    Release { which: usize },
    Undo { which: usize },
    TopUp { which: usize, to: u64 },
    Look,
    Wait { long: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        118 => (0..=PARTS, 1..30_u64).prop_map(|(who, about)| Step::Take { who, about, under: 0 }),
        2 => (0..=PARTS, 1..30_u64, 1..3_usize).prop_map(|(who, about, under)| Step::Take { who, about, under }),
        90 => (any::<usize>(), 0..60_u64).prop_map(|(which, took)| Step::End { which, took }),
        8 => any::<usize>().prop_map(|which| Step::Release { which }),
        8 => any::<usize>().prop_map(|which| Step::Undo { which }),
        8 => (any::<usize>(), 0..90_u64).prop_map(|(which, to)| Step::TopUp { which, to }),
        1 => Just(Step::Look),
        20 => (0..200_i64).prop_map(|long| Step::Wait { long }),
        1 => (0..20_000_i64).prop_map(|long| Step::Wait { long }),
    ];
    prop::collection::vec(step, 2000..6000)
}

fn pick<T>(held: &mut Vec<T>, which: usize) -> Option<T> {
    (!held.is_empty()).then(|| held.swap_remove(which % held.len()))
}

/// The same steps at a window with parts and at one without.
fn compare_windows(terms: RateTerms, steps: Vec<Step>) {
    let half = |limit: Option<u64>| limit.map(|limit| limit / 2);
    let RateTerms { rpm, tpm, parallel } = terms;
    let halved = RateTerms { rpm: half(rpm), tpm: half(tpm), parallel: half(parallel) };
    let every = [terms, halved, RateTerms { rpm: Some(1_500), tpm: None, parallel: Some(100) }];
    let (whole, parted) = (Window::new(LENGTH, 0), Arc::new(Window::new(LENGTH, 0)));
    let parts: Vec<_> = (0..PARTS).map(|thread| WindowPart::of(&parted, thread).unwrap()).collect();
    let mut held: Vec<(usize, RateHold, RateHold)> = Vec::new();
    let mut now = 0;
    for step in steps {
        match step {
            Step::Take { who, about, under } => {
                let terms = every[under];
                let one = whole.admit(now, &terms, about, Manner::Decides);
                let other = match parts.get(who) {
                    Some(part) => part.admit(now, &terms, about, Manner::Decides),
                    None => parted.admit(now, &terms, about, Manner::Decides),
                };
                match (one, other) {
                    (Ok((one, _)), Ok((other, _))) => held.push((who, one, other)),
                    (one, other) => assert_eq!(one.map(drop), other.map(drop)),
                }
            }
            Step::End { which, took } => {
                let Some((who, one, other)) = pick(&mut held, which) else { continue };
                whole.settle(one, took);
                match parts.get(who) {
                    Some(part) => part.settle(other, took),
                    None => parted.settle(other, took),
                }
            }
            Step::Release { which } => {
                let Some((who, one, other)) = pick(&mut held, which) else { continue };
                whole.release(one);
                match parts.get(who) {
                    Some(part) => part.release(other),
                    None => parted.release(other),
                }
            }
            // A window whose only request never was begins anew, and one that lent room does not.
            Step::Undo { which } if whole.load(now).requests > 1 => {
                let Some((who, one, other)) = pick(&mut held, which) else { continue };
                whole.undo(one);
                match parts.get(who) {
                    Some(part) => part.undo(other),
                    None => parted.undo(other),
                }
            }
            Step::Look => assert_eq!(whole.load(now), parted.load(now)),
            Step::Wait { long } => now += long,
            Step::Undo { .. } | Step::TopUp { .. } => {}
        }
    }
    assert_eq!(whole.load(now), parted.load(now));
}

fn halved(terms: BudgetTerms) -> BudgetTerms {
    BudgetTerms { max: terms.max.map(|max| pico(max.pico() / 2)), ..terms }
}

/// The same steps at an account with parts and at one without.
fn compare_accounts(terms: BudgetTerms, refuses: Refuses, steps: Vec<Step>) {
    let every = [terms, halved(terms), BudgetTerms::default()];
    let account = || Account::new(counter(Scope::Key, "id", ""), 0);
    let (whole, parted) = (account(), Arc::new(account()));
    let parts: Vec<_> = (0..PARTS).map(|thread| AccountPart::of(&parted, thread).unwrap()).collect();
    let mut held: Vec<(usize, MoneyHold, MoneyHold)> = Vec::new();
    let amount = |count: u64| pico(i64::try_from(count).unwrap());
    let (mut now, mut written) = (0, 0);
    for step in steps {
        let ends = (now / LENGTH + 1) * LENGTH;
        match step {
            Step::Take { who, about, under } => {
                let asked = if about == 29 { Expected::Free } else { Expected::About(amount(about - 1)) };
                let asked = (asked, Manner::Decides);
                let one = whole.reserve(now, ends, &every[under], refuses, asked);
                let other = match parts.get(who) {
                    Some(part) => part.reserve(now, ends, &every[under], refuses, asked),
                    None => parted.reserve(now, ends, &every[under], refuses, asked),
                };
                match (one, other) {
                    (Ok(one), Ok(other)) => held.push((who, one, other)),
                    (one, other) => assert_eq!(one.map(drop), other.map(drop)),
                }
            }
            Step::End { which, took } => {
                let Some((who, one, other)) = pick(&mut held, which) else { continue };
                whole.settle(one, amount(took), None);
                match parts.get(who) {
                    Some(part) => part.settle(other, amount(took)),
                    None => drop(parted.settle(other, amount(took), None)),
                }
            }
            Step::Release { which } => {
                let Some((who, one, other)) = pick(&mut held, which) else { continue };
                whole.release(one);
                match parts.get(who) {
                    Some(part) => part.release(other),
                    None => parted.release(other),
                }
            }
            Step::TopUp { which, to } if !held.is_empty() => {
                let at = which % held.len();
                let (who, one, other) = &mut held[at];
                whole.top_up(one, amount(to));
                match parts.get(*who) {
                    Some(part) => part.top_up(other, amount(to)),
                    None => parted.top_up(other, amount(to)),
                }
            }
            Step::Look => {
                assert_eq!(whole.balance(now, ends), parted.balance(now, ends));
                written += 40;
                whole.written(now, pico(written), ends, pico(40));
                parted.written(now, pico(written), ends, pico(40));
            }
            Step::Wait { long } => now += long,
            Step::TopUp { .. } | Step::Undo { .. } => {}
        }
    }
    let ends = (now / LENGTH + 1) * LENGTH;
    assert_eq!(whole.balance(now, ends), parted.balance(now, ends));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_window_with_parts_lets_through_what_one_without_does(
        rpm in prop::option::of(1_000..2_200_u64),
        tpm in prop::option::of(20_000..40_000_u64),
        parallel in prop::option::of(60..400_u64),
        steps in steps(),
    ) {
        compare_windows(RateTerms { rpm, tpm, parallel }, steps);
    }

    #[test]
    fn an_account_with_parts_lets_through_what_one_without_does(
        max in prop::option::of(10_000..60_000_i64),
        at_max in any::<bool>(),
        steps in steps(),
    ) {
        let terms = BudgetTerms { max: max.map(pico), ..BudgetTerms::default() };
        compare_accounts(terms, if at_max { Refuses::AtMax } else { Refuses::AboveMax }, steps);
    }
}

#[test]
fn a_thread_that_is_far_from_its_limits_counts_by_itself() {
    let terms = RateTerms { rpm: Some(1_000_000), tpm: Some(1_000_000_000), parallel: Some(10_000) };
    let window = Arc::new(Window::new(LENGTH, 0));
    let part = WindowPart::of(&window, 0).unwrap();
    let before = window.counted_for_all();
    for _ in 0..100 {
        let (hold, left) = part.admit(1, &terms, 10, Manner::Decides).unwrap();
        assert!(left.requests < 1_000_000);
        part.settle(hold, 12);
    }
    assert_eq!((before, window.counted_for_all()), (0, 32), "the first calls are counted for all to see");
    assert_eq!(window.load(1).requests, 100);
    let part = WindowPart::of(&window, 1).unwrap();
    for now in 0..20 {
        part.settle(part.admit(100 * now, &terms, 10, Manner::Decides).unwrap().0, 10);
    }
    assert_eq!(window.counted_for_all(), 120, "nor is what a thread counts that seldom calls");
}

/// Many threads at one gate, each with its own copy; all come through, or just as many as may.
#[test]
fn threads_with_parts_never_pass_a_limit() {
    let most = 20;
    let rates = RateTerms { rpm: Some(3_000), tpm: None, parallel: Some(100) };
    let budget = BudgetTerms { max: Some(pico(1_000_000)), ..BudgetTerms::default() };
    let account = Arc::new(Account::new(counter(Scope::Key, "id", ""), 0));
    let gate = Gate::new(Descriptor::ApiKey, "id".into())
        .limited(Arc::new(Window::new(LENGTH, 0)), rates)
        .charged(Purse::new(Arc::clone(&account), budget, Refuses::AtMax, Zone::UTC));
    let (passed, under_way) = (AtomicU64::new(0), AtomicI64::new(0));
    thread::scope(|scope| {
        for number in 0..8 {
            let (passed, under_way, gate) = (&passed, &under_way, &gate);
            scope.spawn(move || {
                let gates = [Arc::new(gate.apart(number))];
                let ask = Ask { tokens: 1, cost: Expected::About(pico(7)), manner: Manner::Decides };
                let mut held = Vec::new();
                for turn in 0..1000 {
                    if let Ok(permit) = admit(0, &gates, ask) {
                        passed.fetch_add(1, Ordering::Relaxed);
                        assert!(under_way.fetch_add(1, Ordering::SeqCst) < 100);
                        held.push(permit);
                    }
                    if held.len() >= most || turn % 3 == 0 {
                        for permit in held.drain(..) {
                            under_way.fetch_sub(1, Ordering::SeqCst);
                            let _ = permit.settle(1, pico(9));
                        }
                    }
                }
                for permit in held {
                    under_way.fetch_sub(1, Ordering::SeqCst);
                    let _ = permit.settle(1, pico(9));
                }
            });
        }
    });
    assert_eq!(passed.load(Ordering::Relaxed), 3_000);
    let balance = account.balance(0, 0);
    assert_eq!((balance.spent(), balance.reserved), (pico(27_000), pico(0)));
}
