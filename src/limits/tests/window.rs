use super::reached;
use crate::domain::RateTerms;
use crate::limits::{Load, Manner, RateHold, RateKind, TooFast, Window};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const MINUTE: i64 = 60_000;

const fn terms(rpm: Option<u64>, tpm: Option<u64>, parallel: Option<u64>) -> RateTerms {
    RateTerms { rpm, tpm, parallel }
}

fn take(window: &Window, now: i64, terms: RateTerms, tokens: u64) -> Result<RateHold, TooFast> {
    window.admit(now, &terms, tokens, Manner::Decides).map(|(hold, _)| hold).map_err(reached)
}

#[test]
fn the_window_begins_with_the_first_request() {
    let (window, rpm) = (Window::new(MINUTE, 0), terms(Some(2), None, None));
    let now = 1_000_030_000;
    window.release(take(&window, now, rpm, 1).unwrap());
    window.release(take(&window, now + 59_999, rpm, 1).unwrap());
    let refused = take(&window, now + 59_999, rpm, 1).unwrap_err();
    let expected = TooFast { kind: RateKind::Requests, limit: 2, remaining: 0, resets_at: now + MINUTE };
    assert_eq!(refused, expected);
    assert!(take(&window, now + MINUTE, rpm, 1).is_ok());
}

#[test]
fn tokens_are_reserved_then_settled_in_their_own_window() {
    let (window, tpm) = (Window::new(MINUTE, 0), terms(None, Some(100), None));
    let first = take(&window, 0, tpm, 60).unwrap();
    let refused = take(&window, 0, tpm, 41).unwrap_err();
    assert_eq!((refused.kind, refused.remaining), (RateKind::Tokens, 40));
    let second = take(&window, 0, tpm, 40).unwrap();
    window.settle(first, 10);
    assert_eq!(window.load(0), Load { requests: 2, tokens: 50, parallel: 1 });
    let third = take(&window, MINUTE, tpm, 5).unwrap();
    window.settle(second, 1000);
    assert_eq!(window.load(MINUTE), Load { requests: 1, tokens: 5, parallel: 1 });
    window.settle(third, 200);
    assert_eq!(take(&window, MINUTE, tpm, 1).unwrap_err().remaining, 0);
}

#[test]
fn a_call_larger_than_the_limit_goes_alone() {
    let (window, tpm) = (Window::new(MINUTE, 0), terms(None, Some(100), None));
    let large = take(&window, 0, tpm, 5000).unwrap();
    assert!(take(&window, 0, tpm, 1).is_err());
    window.undo(large);
    assert!(take(&window, 0, tpm, u64::MAX).is_ok());
    assert!(take(&window, 0, terms(None, None, None), u64::MAX).is_ok());
}

#[test]
fn limits_of_zero_let_nobody_through() {
    for (limits, kind) in [
        (terms(Some(0), None, None), RateKind::Requests),
        (terms(None, Some(0), None), RateKind::Tokens),
        (terms(None, None, Some(0)), RateKind::Parallel),
    ] {
        assert_eq!(take(&Window::new(MINUTE, 0), 0, limits, 0).unwrap_err().kind, kind);
    }
}

#[test]
fn slots_outlive_windows_and_come_back() {
    let (window, parallel) = (Window::new(MINUTE, 0), terms(None, None, Some(1)));
    let held = take(&window, 0, parallel, 1).unwrap();
    assert_eq!(take(&window, 10 * MINUTE, parallel, 1).unwrap_err().kind, RateKind::Parallel);
    window.release(held);
    assert!(take(&window, 10 * MINUTE, parallel, 1).is_ok());
}

#[test]
fn a_clock_set_back_does_not_lock_out() {
    let (window, rpm) = (Window::new(MINUTE, 0), terms(Some(1), None, None));
    window.release(take(&window, 100 * MINUTE, rpm, 1).unwrap());
    assert!(take(&window, 100 * MINUTE - 1, rpm, 1).is_err());
    assert!(take(&window, 99 * MINUTE, rpm, 1).is_ok());
}

#[test]
fn many_threads_get_what_one_would() {
    let (window, admitted) = (Window::new(MINUTE, 0), AtomicU64::new(0));
    let (under_way, most) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    if let Ok(hold) = take(&window, 0, terms(Some(100), None, None), 1) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                        window.release(hold);
                    }
                }
                for _ in 0..5000 {
                    if let Ok(hold) = take(&window, 0, terms(None, None, Some(10)), 1) {
                        most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        window.release(hold);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 100);
    assert!(most.into_inner() <= 10);
    assert_eq!(window.load(0).parallel, 0);
    let held: Vec<_> =
        (0..20).filter_map(|_| take(&window, 0, terms(None, None, Some(10)), 1).ok()).collect();
    assert_eq!(held.len(), 10);
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u64),
    Settle(usize, u64),
    Release(usize),
    Undo(usize),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u64..80).prop_map(Step::Ask),
        2 => (0usize..9, 0u64..80).prop_map(|(which, tokens)| Step::Settle(which, tokens)),
        1 => (0usize..9).prop_map(Step::Release),
        1 => (0usize..9).prop_map(Step::Undo),
        1 => (0i64..40_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    /// Against a model that remembers each request: no limit is passed, and a refusal is never without reason.
    #[test]
    fn windows_grant_what_they_should(steps in steps(), rpm in 1u64..8, tpm in 1u64..200, parallel in 1u64..5) {
        let window = Window::new(MINUTE, 0);
        let limits = terms(Some(rpm), Some(tpm), Some(parallel));
        let (mut now, mut began, mut epoch) = (0, 0, 0);
        // Each request of the running window: tokens; and those under way: hold, window, place in `counted`.
        let mut counted: Vec<Option<u64>> = Vec::new();
        let mut held: Vec<(RateHold, u32, usize)> = Vec::new();
        for step in steps {
            if now - began >= MINUTE || counted.iter().all(Option::is_none) {
                (began, epoch) = (now, epoch + 1);
                counted.clear();
            }
            let requests = counted.iter().flatten().count() as u64;
            let tokens: u64 = counted.iter().flatten().sum();
            prop_assert_eq!(window.load(now), Load { requests, tokens, parallel: held.len() as u64 });
            let pick = |which: usize, held: &mut Vec<_>| (which < held.len()).then(|| held.swap_remove(which));
            match step {
                Step::Wait(time) => now += time,
                Step::Ask(estimate) => {
                    let estimate = estimate.max(1);
                    let fits = requests < rpm && (tokens == 0 || tokens + estimate <= tpm) && (held.len() as u64) < parallel;
                    let answer = window.admit(now, &limits, estimate, Manner::Decides);
                    prop_assert_eq!(answer.is_ok(), fits);
                    match answer {
                        Ok((hold, left)) => {
                            prop_assert_eq!(left.requests, rpm - requests - 1);
                            counted.push(Some(estimate));
                            held.push((hold, epoch, counted.len() - 1));
                        }
                        Err(why) => prop_assert_eq!(reached(why).resets_at, began + MINUTE),
                    }
                }
                Step::Settle(which, took) => if let Some((hold, its, place)) = pick(which, &mut held) {
                    window.settle(hold, took);
                    if its == epoch { counted[place] = Some(took); }
                },
                Step::Release(which) => if let Some((hold, its, place)) = pick(which, &mut held) {
                    window.release(hold);
                    if its == epoch { counted[place] = Some(0); }
                },
                Step::Undo(which) => if let Some((hold, its, place)) = pick(which, &mut held) {
                    window.undo(hold);
                    if its == epoch { counted[place] = None; }
                },
            }
        }
    }
}
