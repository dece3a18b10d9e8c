use super::{counter, pico};
use crate::domain::{BudgetTerms, Money, RateTerms, Scope};
use crate::limits::{
    Account, Ask, Balance, Descriptor, Expected, Gate, Load, Manner, Purse, RateKind, Refusal, Refuses,
    Share, Window, Zone, admit,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const NO_RATES: RateTerms = RateTerms { rpm: None, tpm: None, parallel: None };

fn gate(descriptor: Descriptor, scope: Scope, rates: RateTerms, budget: BudgetTerms) -> Arc<Gate> {
    let account = Arc::new(Account::new(counter(scope, "id", ""), 0));
    let gate = Gate::new(descriptor, "id".into())
        .limited(Arc::new(Window::new(60_000, 0)), rates)
        .charged(Purse::new(account, budget, Refuses::AtMax, Zone::UTC));
    Arc::new(gate)
}

fn max(amount: i64) -> BudgetTerms {
    BudgetTerms { max: Some(pico(amount)), ..BudgetTerms::default() }
}

const fn ask(tokens: u64, cost: i64) -> Ask {
    Ask { tokens, cost: Expected::About(pico(cost)), manner: Manner::Decides }
}

/// What an observer sees at the gates.
fn seen(gates: &[Arc<Gate>], now: i64) -> Vec<(Load, Balance)> {
    let see = |gate: &Arc<Gate>| {
        let load = gate.rates().map_or_else(Load::default, |(window, _)| window.load(now));
        (load, gate.purses()[0].account().balance(now, gate.purses()[0].period_end(now)))
    };
    gates.iter().map(see).collect()
}

#[test]
fn a_permit_is_settled_at_every_gate() {
    let rates = RateTerms { rpm: Some(10), tpm: Some(1000), parallel: Some(2) };
    let daily = BudgetTerms { soft: Some(pico(5)), period: Some("1d".parse().unwrap()), ..max(100) };
    let gates = [
        gate(Descriptor::ApiKey, Scope::Key, rates, daily),
        gate(Descriptor::Team, Scope::Team, RateTerms { parallel: None, tpm: None, ..rates }, max(100)),
        gate(Descriptor::User, Scope::User, NO_RATES, BudgetTerms::default()),
    ];
    let mut permit = admit(0, &gates, ask(50, 7)).unwrap();
    let standing: Vec<_> = permit.standing().collect();
    assert_eq!(standing.len(), 2);
    assert_eq!(standing[0].descriptor, Descriptor::ApiKey);
    assert_eq!(standing[0].requests, Some(Share { limit: 10, remaining: 9 }));
    assert_eq!(standing[0].tokens, Some(Share { limit: 1000, remaining: 950 }));
    assert_eq!(standing[1].tokens, None);
    permit.top_up(pico(9));
    assert!(seen(&gates, 0).iter().all(|(_, balance)| balance.reserved == pico(9)));
    let settled = permit.settle(30, pico(6));
    let ends: Vec<_> =
        settled.charges.iter().map(|charge| (charge.counter.scope, charge.period_end)).collect();
    assert_eq!(ends, [(Scope::Key, 86_400_000), (Scope::Team, 0), (Scope::User, 0)]);
    assert_eq!(settled.crossed.len(), 1);
    assert_eq!((settled.crossed[0].soft, settled.crossed[0].spent), (pico(5), pico(6)));
    for (load, balance) in &seen(&gates, 0)[..2] {
        assert_eq!(*load, Load { requests: 1, tokens: 30, parallel: 0 });
        assert_eq!(*balance, Balance { pending: pico(6), ..Balance::default() });
    }
    assert_eq!(seen(&gates, 86_400_000)[0].1, Balance::default(), "a new day");
}

#[test]
fn a_dropped_permit_gives_back_all_but_the_request() {
    let gates = [gate(Descriptor::ApiKey, Scope::Key, RateTerms { rpm: Some(5), ..NO_RATES }, max(10))];
    drop(admit(0, &gates, ask(50, 7)).unwrap());
    let left = (Load { requests: 1, tokens: 0, parallel: 0 }, Balance::default());
    assert_eq!(seen(&gates, 0), [left]);
}

#[test]
fn a_permit_goes_from_one_model_to_another() {
    let rates = RateTerms { rpm: Some(5), ..NO_RATES };
    let key = gate(Descriptor::ApiKey, Scope::Key, rates, max(20));
    let [one, other] = [0, 1].map(|_| gate(Descriptor::ModelPerKey, Scope::Key, rates, max(20)));
    let all = [Arc::clone(&key), Arc::clone(&one), Arc::clone(&other)];
    let mut permit = admit(0, [&key, &one], ask(1, 7)).unwrap();
    permit.transfer(0, [&key, &other], ask(1, 9)).unwrap();
    let reserved = |at: usize| seen(&all, 0)[at].1.reserved;
    assert_eq!([reserved(0), reserved(1), reserved(2)], [pico(9), Money::ZERO, pico(9)]);
    let requests: Vec<_> = seen(&all, 0).iter().map(|(load, _)| load.requests).collect();
    assert_eq!(requests, [1, 1, 1]);
    permit.transfer(0, [&key, &one], ask(1, 3)).unwrap();
    assert_eq!([reserved(0), reserved(1), reserved(2)], [pico(9), pico(3), Money::ZERO], "never lowered");
    assert_eq!(permit.settle(1, pico(4)).charges.len(), 2);
    let spent: Vec<_> = seen(&all, 0).iter().map(|(_, balance)| balance.spent()).collect();
    assert_eq!(spent, [pico(4), pico(4), Money::ZERO]);
}

#[test]
fn a_transfer_that_is_refused_changes_nobody_else() {
    let rates = RateTerms { rpm: Some(0), ..NO_RATES };
    let key = gate(Descriptor::ApiKey, Scope::Key, NO_RATES, max(20));
    let fast = gate(Descriptor::ModelPerKey, Scope::Key, NO_RATES, max(20));
    let full = gate(Descriptor::ModelPerKey, Scope::Key, rates, max(20));
    let other_call = admit(0, [&key], ask(1, 5)).unwrap();
    let mut permit = admit(0, [&key, &fast], ask(1, 7)).unwrap();
    let refused = permit.transfer(0, [&key, &fast], ask(1, 16)).unwrap_err();
    assert!(matches!(refused, Refusal::Budget { .. }), "5 are promised to another");
    assert!(matches!(permit.transfer(0, [&key, &full], ask(1, 8)), Err(Refusal::Rate { .. })));
    drop(other_call);
    let all = [key, fast, full];
    assert_eq!(seen(&all, 0)[1].1.reserved, pico(7));
    assert_eq!(seen(&all, 0)[2].0.parallel, 0);
    drop(permit);
    assert!(
        seen(&all, 0).iter().all(|(load, balance)| load.parallel == 0 && balance.reserved == Money::ZERO)
    );
}

#[test]
fn budgets_are_asked_before_speeds() {
    let gates = [
        gate(Descriptor::ApiKey, Scope::Key, RateTerms { rpm: Some(0), ..NO_RATES }, max(10)),
        gate(Descriptor::Team, Scope::Team, NO_RATES, max(0)),
    ];
    assert!(matches!(admit(0, &gates, ask(1, 1)), Err(Refusal::Budget { max: Money::ZERO, .. })));
    let free = Ask { tokens: 1, cost: Expected::Free, manner: Manner::Decides };
    let refused = admit(0, &gates, free).unwrap_err();
    assert!(matches!(
        refused,
        Refusal::Rate { kind: RateKind::Requests, limit: 0, resets_in_ms: 60_000, .. }
    ));
}

#[test]
fn no_gates_let_everybody_through() {
    let settled = admit(0, &[], ask(u64::MAX, i64::MAX)).unwrap().settle(1, pico(1));
    assert!(settled.charges.is_empty());
}

#[test]
fn threads_share_a_key() {
    let rates = RateTerms { rpm: Some(100), tpm: None, parallel: Some(10) };
    let gates = [
        gate(Descriptor::ApiKey, Scope::Key, rates, max(1_000_000)),
        gate(Descriptor::Team, Scope::Team, NO_RATES, max(60)),
    ];
    let admitted = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for turn in 0..3000 {
                    if let Ok(permit) = admit(0, &gates, ask(1, 1)) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                        if turn % 2 == 0 {
                            let _ = permit.settle(1, pico(1));
                        }
                    }
                }
            });
        }
    });
    let [(key, _), (_, team)] = seen(&gates, 0)[..] else { panic!("two gates") };
    assert_eq!(key.requests, admitted.into_inner());
    assert!(key.requests <= 100);
    assert_eq!((key.parallel, team.reserved), (0, Money::ZERO));
    assert!(team.spent() <= pico(61));
}

proptest! {
    /// A refusal leaves everything as it was; an admission takes the same at every gate.
    #[test]
    fn admission_is_all_or_nothing(
        limits in prop::collection::vec((1u64..6, 1u64..100, 1u64..4, 1i64..60), 1..5),
        calls in prop::collection::vec((0u64..60, 0i64..40, 0i64..40_000, 0u8..4), 1..60),
    ) {
        let gates: Vec<_> = limits.into_iter().map(|(rpm, tpm, parallel, most)| {
            let rates = RateTerms { rpm: Some(rpm), tpm: Some(tpm), parallel: Some(parallel) };
            gate(Descriptor::ApiKey, Scope::Key, rates, BudgetTerms { period: "1m".parse().ok(), ..max(most) })
        }).collect();
        let (mut now, mut permits) = (0, Vec::new());
        for (tokens, cost, wait, end) in calls {
            let before = seen(&gates, now);
            match admit(now, &gates, ask(tokens, cost)) {
                Ok(permit) => {
                    for ((load, balance), (was, had)) in seen(&gates, now).into_iter().zip(before) {
                        prop_assert_eq!(load.requests, was.requests + 1);
                        prop_assert_eq!(load.tokens, was.tokens + tokens.max(1));
                        prop_assert_eq!(load.parallel, was.parallel + 1);
                        prop_assert_eq!(balance.reserved, had.reserved.saturating_add(pico(cost)));
                    }
                    permits.push(permit);
                }
                Err(_) => prop_assert_eq!(seen(&gates, now), before),
            }
            match end {
                0 => drop(permits.pop()),
                1 => if let Some(permit) = permits.pop() {
                    prop_assert_eq!(permit.settle(tokens, pico(cost)).charges.len(), gates.len());
                },
                _ => now += wait,
            }
        }
        permits.clear();
        for (load, balance) in seen(&gates, now) {
            prop_assert_eq!((load.parallel, balance.reserved), (0, Money::ZERO));
        }
    }
}

#[test]
fn permits_go_where_their_requests_go() {
    const fn goes<T: Send + Sync + 'static>() {}
    goes::<crate::limits::Permit>();
    goes::<crate::limits::Meters>();
    assert!(size_of::<crate::limits::Permit>() <= 512);
}
