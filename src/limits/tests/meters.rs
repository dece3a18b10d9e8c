use super::{counter, pico};
use crate::domain::{BudgetTerms, RateTerms, Scope};
use crate::limits::{Expected, Manner, Meters, Refuses};
use std::sync::Arc;

const TEN_MINUTES: i64 = 600_000;

#[test]
fn one_name_is_one_counter() {
    let meters = Meters::new(60_000, 100);
    let (key, model) = (counter(Scope::Key, "k", ""), counter(Scope::Key, "k", "model:m"));
    assert!(Arc::ptr_eq(&meters.account(&key, 0), &meters.account(&key, 5)));
    assert!(!Arc::ptr_eq(&meters.account(&key, 0), &meters.account(&model, 0)));
    assert!(Arc::ptr_eq(&meters.window(&key, 0), &meters.window(&key, 5)));
    assert!(meters.find_account(&counter(Scope::User, "k", "")).is_none());
    assert!(Arc::ptr_eq(&meters.find_account(&key).unwrap(), &meters.account(&key, 0)));
    assert_eq!(meters.len(), 3);
}

#[test]
fn what_is_idle_goes_and_what_is_needed_stays() {
    let meters = Meters::new(60_000, 1000);
    let id = |n: u32| counter(Scope::Key, &n.to_string(), "");
    let kept = meters.account(&id(1), 0);
    let spend = |n| {
        let account = meters.account(&id(n), 0);
        account
            .reserve(
                0,
                0,
                &BudgetTerms::default(),
                Refuses::AtMax,
                (Expected::About(pico(1)), Manner::Decides),
            )
            .unwrap()
    };
    let pending = spend(2);
    let _ = meters.account(&id(2), 0).settle(pending, pico(1), None);
    let reserved = spend(3);
    let _ = meters.account(&id(4), 0);
    let slot = meters.window(&id(5), 0).admit(0, &RateTerms::default(), 1, Manner::Decides).unwrap();
    let over = meters.window(&id(6), 0).admit(0, &RateTerms::default(), 1, Manner::Decides).unwrap();
    meters.window(&id(6), 0).release(over.0);
    assert_eq!(meters.prune(TEN_MINUTES - 1), 0);
    assert_eq!(meters.prune(TEN_MINUTES), 2);
    drop(kept);
    meters.account(&id(2), 0).written(0, pico(1), 0, pico(1));
    meters.account(&id(3), 0).release(reserved);
    meters.window(&id(5), 0).release(slot.0);
    assert_eq!(meters.prune(TEN_MINUTES), 4);
    assert!(meters.is_empty());
}

#[test]
fn a_window_that_runs_is_not_forgotten() {
    let meters = Meters::new(2 * TEN_MINUTES, 1000);
    let id = counter(Scope::Key, "k", "");
    let (hold, _) = meters.window(&id, 0).admit(0, &RateTerms::default(), 1, Manner::Decides).unwrap();
    meters.window(&id, 0).release(hold);
    assert_eq!(meters.prune(TEN_MINUTES), 0);
    assert_eq!(meters.prune(2 * TEN_MINUTES), 1);
}

#[test]
fn the_bound_holds_and_the_oldest_go_first() {
    let meters = Meters::new(60_000, 256 * 16);
    let id = |n: i64| counter(Scope::Customer, &n.to_string(), "");
    for n in 0..40_000 {
        let (hold, _) = meters.window(&id(n), n).admit(n, &RateTerms::default(), 1, Manner::Decides).unwrap();
        meters.window(&id(n), n).release(hold);
        let _ = meters.account(&id(n), n);
        assert!(meters.len() <= 2 * 256 * 16);
    }
    assert!(meters.len() > 256 * 16);
    assert!((39_990..40_000).all(|n| meters.find_account(&id(n)).is_some()));
    assert!((0..1000).all(|n| meters.find_account(&id(n)).is_none()));
}

#[test]
fn what_is_in_use_is_never_dropped() {
    let meters = Meters::new(60_000, 256);
    let id = |n: i64| counter(Scope::Customer, &n.to_string(), "");
    let kept: Vec<_> = (0..1000).map(|n| meters.account(&id(n), 0)).collect();
    assert!((0..1000).zip(&kept).all(|(n, kept)| Arc::ptr_eq(kept, &meters.account(&id(n), 0))));
    drop(kept);
    assert_eq!(meters.prune(TEN_MINUTES), 1000);
    for n in 0..1000 {
        let _ = meters.account(&id(n), 0);
    }
    assert!(meters.len() <= 256);
}
