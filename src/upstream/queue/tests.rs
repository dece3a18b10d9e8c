//! Turns under real threads: who leaves at any moment leaks nothing, and nobody gets a turn too many.

use super::*;
use crate::config::{Env, Overrides, parse_and_compile};
use crate::domain::UpstreamClass;
use crate::routing::queue::{Limits, Rank, Told};
use crate::routing::{BreakerRules, ByClass};
use crate::upstream::{Deployment, Fault, Probe, Upstreams};
use smallvec::SmallVec;
use std::collections::HashMap;

const WINDOW: Duration = Duration::from_millis(60);
const PATIENCE: Duration = Duration::from_secs(60);

/// Deployments with a key each, of so many requests in each window.
async fn deployments(count: usize, requests: u64) -> (Upstreams, Arc<[Arc<Deployment>]>) {
    let entry = |n| {
        format!(
            "- {{model_name: m, litellm_params: {{model: openai/m, api_base: 'http://127.0.0.1:9', api_key: k{n}}}}}\n"
        )
    };
    let yaml = format!("model_list:\n{}", (0..count).map(entry).collect::<String>());
    let targets = parse_and_compile(&yaml, &Env::of(&[]), &Overrides::default()).unwrap().config.targets;
    let upstreams = Upstreams::new(Instant::now(), Probe::Off, Duration::MAX);
    let (deployments, _) = upstreams.prepare(&targets, &[]).await.unwrap();
    for deployment in &deployments {
        deployment.quota.configure(Limits { requests: Some(requests), tokens: None }, WINDOW);
    }
    (upstreams, deployments.into())
}

fn ask(candidates: &Arc<[Arc<Deployment>]>, flow: u64) -> Ask {
    let demand = Demand { requests: 1, tokens: 10 };
    let rank = Rank { flow, weight: 1000, priority: 0, demand, cost: 1000, again: false };
    Ask { candidates: Arc::clone(candidates), barred: SmallVec::new(), tried: SmallVec::new(), rank }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_leaves_at_whatever_moment_leaks_no_turn_and_nobody_gets_one_too_many() {
    const REQUESTS: usize = 3;
    let (upstreams, candidates) = deployments(2, REQUESTS as u64).await;
    let queue = upstreams.queue("m");
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..300 {
        let (queue, ask, candidates) = (Arc::clone(&queue), ask(&candidates, n % 5), Arc::clone(&candidates));
        calls.spawn(async move {
            // Every other one leaves, many of them in the very moment that they are let through.
            let leaves = if n % 2 == 0 { WINDOW.mul_f64(fastrand::f64() * 3.0) } else { PATIENCE };
            let turn = tokio::time::timeout(leaves, queue.wait(ask, PATIENCE, 1000)).await.ok()?;
            let Granted { index, mut ticket } = turn.unwrap();
            let at = Instant::now();
            ticket.answered(&Told::default());
            ticket.settle(1);
            Some((candidates[index].quota.number(), at))
        });
    }
    let mut moments: HashMap<u64, Vec<Instant>> = HashMap::new();
    let (mut left, mut served) = (0, 0);
    for call in calls.join_all().await {
        match call {
            None => left += 1,
            Some((lane, at)) => {
                served += 1;
                moments.entry(lane).or_default().push(at);
            }
        }
    }
    assert!(served >= 150 && left > 0, "{served} served, {left} left");
    for at in moments.values_mut() {
        at.sort_unstable();
        for span in at.windows(REQUESTS + 1) {
            assert!(span[REQUESTS] - span[0] >= WINDOW, "too many turns");
        }
    }
    assert_eq!((queue.depth(), queue.state().line.len()), (0, 0));
    tokio::time::sleep(WINDOW * 2).await;
    assert!(candidates.iter().all(|deployment| deployment.headroom() == 1.0), "a turn was not given back");
}

#[tokio::test]
async fn a_turn_that_comes_too_late_is_refused_at_once_or_when_its_time_is_over() {
    let (upstreams, candidates) = deployments(1, 1).await;
    let queue = upstreams.queue("m");
    let held = queue.take(&candidates[0].quota, 10).unwrap();
    assert!(queue.take(&candidates[0].quota, 10).is_none());
    let early = queue.wait(ask(&candidates, 1), WINDOW / 3, 10).await.unwrap_err();
    let NoTurn::TooLate(Some(after)) = early else { panic!("{early:?}") };
    assert!(after <= WINDOW && after > WINDOW / 3, "{after:?}");
    // A call under way was expected to end sooner than it does.
    let late = queue.wait(ask(&candidates, 1), WINDOW * 2, 10).await.unwrap_err();
    assert!(matches!(late, NoTurn::TimedOut(Some(_))), "{late:?}");
    assert_eq!(queue.depth(), 0);
    // It fails before it is sent: its turn is free at once.
    let next = queue.wait(ask(&candidates, 1), PATIENCE, 10);
    let (next, ()) = tokio::join!(next, async { drop(held) });
    assert!(next.is_ok());
}

#[tokio::test]
async fn who_waits_for_what_went_away_for_longer_is_told_before_its_time_is_over() {
    let (upstreams, candidates) = deployments(2, 1).await;
    let queue = upstreams.queue("m");
    let held: Vec<Ticket> =
        candidates.iter().map(|deployment| queue.take(&deployment.quota, 10).unwrap()).collect();
    let cooldown = Duration::from_hours(1);
    let rules = BreakerRules { allowed_fails: 1, policy: ByClass::default(), cooldown };
    let fault = Fault { class: UpstreamClass::Authentication, retry_after: None, others: true };
    let benched = async {
        tokio::time::sleep(WINDOW / 4).await;
        candidates.iter().for_each(|deployment| {
            deployment.state.failed(fault, rules);
        });
    };
    let began = Instant::now();
    let (told, ()) = tokio::join!(queue.wait(ask(&candidates, 1), Duration::from_mins(30), 10), benched);
    let NoTurn::TooLate(Some(after)) = told.unwrap_err() else { panic!("it was not told why") };
    assert!(after > cooldown / 2 && began.elapsed() < cooldown / 4, "{after:?}");
    assert_eq!(queue.depth(), 0);
    drop(held);
}

#[tokio::test]
async fn the_same_key_for_the_same_model_is_one_quota_and_outlives_a_reload() {
    let (upstreams, candidates) = deployments(1, 5).await;
    let yaml = "model_list:\n\
                - {model_name: a, litellm_params: {model: openai/m, api_base: 'http://127.0.0.1:9', api_key: k0, rpm: 7}}\n\
                - {model_name: b, litellm_params: {model: openai/m, api_base: 'http://127.0.0.1:9/', api_key: k0}}\n\
                - {model_name: c, litellm_params: {model: openai/n, api_base: 'http://127.0.0.1:9', api_key: k0}}\n";
    let targets = parse_and_compile(yaml, &Env::of(&[]), &Overrides::default()).unwrap().config.targets;
    let (again, _) = upstreams.prepare(&targets, &[]).await.unwrap();
    assert!(again[..2].iter().all(|deployment| Arc::ptr_eq(&deployment.quota, &candidates[0].quota)));
    assert!(!Arc::ptr_eq(&again[2].quota, &candidates[0].quota), "another model has a quota of its own");
}
