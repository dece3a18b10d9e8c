//! A group's choice, with deployments in every state that there is.

use super::*;
use crate::config::{Env, Filters, Overrides, parse_and_compile};
use crate::domain::{EndpointKind, HostPort, Scheme, UpstreamClass};
use crate::providers::Target;
use crate::routing::{BreakerRules, ByClass, Choice, strategies::ALL};
use crate::runtime::{House, Terms};
use crate::upstream::{Endpoint, Fault, InFlight, Lanes, Probe, QuotaLane, TargetState};
use once_cell::sync::Lazy;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use std::time::Instant;

fn targets(params: &[String]) -> Vec<Arc<Target>> {
    let entry = |(at, more): (usize, &String)| {
        format!(
            "  - {{model_name: g, litellm_params: {{model: openai/m, api_base: 'http://u{at}/v1', {more}}}, model_info: {{id: d{at}, max_input_tokens: {}}}}}\n",
            (at + 1) * 100
        )
    };
    let yaml = format!("model_list:\n{}", params.iter().enumerate().map(entry).collect::<String>());
    parse_and_compile(&yaml, &Env::of(&[]), &Overrides::default()).unwrap().config.targets
}

/// An endpoint whose address is known.
static ENDPOINT: Lazy<Arc<Endpoint>> = Lazy::new(|| {
    let endpoint =
        Endpoint::new(HostPort { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9 }, &Probe::Off);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(endpoint.resolve()).unwrap();
    Arc::new(endpoint)
});

fn group_of(targets: Vec<Arc<Target>>, terms: &Terms) -> Group {
    let since = Instant::now();
    let deployment = |target: Arc<Target>| {
        let state = TargetState::new(since, Lanes::default(), target.params.max_parallel_requests);
        let quota = Arc::new(QuotaLane::new(since, 0));
        Arc::new(Deployment::new(target, Arc::clone(&ENDPOINT), Arc::new(state), quota).unwrap())
    };
    Group::new("g", targets.into_iter().map(deployment).collect(), terms)
}

fn group(params: &[String], terms: &Terms) -> Group {
    group_of(targets(params), terms)
}

fn plain(count: usize, terms: &Terms) -> Group {
    group(&vec![String::from("rpm: 3"); count], terms)
}

fn wish<'a>(house: &'a House, tags: &'a [Arc<str>], tried: &'a [usize]) -> Wish<'a> {
    Wish {
        kind: EndpointKind::ChatCompletions,
        house,
        now: 0,
        tags,
        prompt: 10,
        tokens: 10,
        stream: false,
        affinity: Some(7),
        tried,
        asked: None,
    }
}

fn cool(group: &Group, at: usize) {
    let rules =
        BreakerRules { allowed_fails: 1, policy: ByClass::default(), cooldown: Duration::from_secs(60) };
    let fault = Fault { class: UpstreamClass::Internal, retry_after: None, others: true };
    assert!(group.deployments[at].state.failed(fault, rules).is_some());
}

fn strategy(name: &str) -> Terms {
    let entry = ALL.iter().find(|entry| entry.name() == name).unwrap();
    Terms { choice: Choice { entry, ..Choice::default() }, ..Terms::default() }
}

#[derive(Clone, Copy, Debug)]
struct State {
    cooled: bool,
    tried: bool,
    full: bool,
    order: u8,
}

fn states() -> impl Strategy<Value = Vec<State>> {
    let state = (any::<bool>(), any::<bool>(), any::<bool>(), 0u8..3)
        .prop_map(|(cooled, tried, full, order)| State { cooled, tried, full, order });
    prop::collection::vec(state, 1..8)
}

proptest! {
    /// Whatever the strategy: no cooled one while another is free, none twice while one is untried, none that is
    /// full while one has room, and of those that are left a low order first.
    #[test]
    fn the_best_of_what_is_open_is_taken(states in states()) {
        let house = House::empty();
        let params: Vec<String> =
            states.iter().map(|state| format!("order: {}, max_parallel_requests: 1", state.order)).collect();
        for entry in ALL {
            let terms = Terms { choice: Choice { entry, ..Choice::default() }, ..Terms::default() };
            let group = group(&params, &terms);
            let tried: Vec<usize> = (0..states.len()).filter(|at| states[*at].tried).collect();
            (0..states.len()).filter(|at| states[*at].cooled).for_each(|at| cool(&group, at));
            let full = (0..states.len()).filter(|at| states[*at].full);
            let _held: Vec<InFlight> = full.map(|at| group.deployments[at].try_enter().unwrap()).collect();
            let rank = |at: usize| (states[at].tried, states[at].full && !states[at].tried, states[at].order);
            let best = (0..states.len()).filter(|at| !states[*at].cooled).map(rank).min();
            match (group.pick(&wish(&house, &[], &tried)), best) {
                (Pick::Deployment(at), Some(best)) => prop_assert_eq!(rank(at), best, "{:?} {:?}", entry, states),
                (Pick::None(Bar::Cooled(left)), None) => prop_assert!(left <= Duration::from_secs(60)),
                (found, best) => prop_assert!(false, "{entry:?}: {found:?}, but the best is {best:?}"),
            }
            prop_assert_eq!(group.nobody(&wish(&house, &[], &tried)).is_some(), best.is_none());
        }
    }
}

#[test]
fn rpm_is_a_limit_with_the_strategies_that_say_so() {
    let house = House::empty();
    for entry in ALL {
        let group = plain(2, &strategy(entry.name()));
        let picks: Vec<Pick> = (0..7).map(|_| group.pick(&wish(&house, &[], &[]))).collect();
        let sent = picks.iter().filter(|pick| matches!(pick, Pick::Deployment(_))).count();
        assert_eq!(sent, if entry.limits { 6 } else { 7 }, "{entry:?}: {picks:?}");
        if entry.limits {
            assert!(matches!(picks[6], Pick::None(Bar::Quota(left)) if left <= Duration::from_secs(65)));
            assert_eq!(
                group.considered(&wish(&house, &[], &[])).iter().filter(|row| row.bar.is_some()).count(),
                2
            );
        }
    }
}

#[test]
fn looking_counts_nothing() {
    let house = House::empty();
    let group = plain(1, &strategy("headroom"));
    (0..100).for_each(|_| assert_eq!(group.considered(&wish(&house, &[], &[]))[0].bar, None));
    assert!((group.considered(&wish(&house, &[], &[]))[0].score - 1.0).abs() < 1e-9);
}

fn tagged(any_tag: bool) -> Group {
    let params = ["tags: [free, eu]", "tags: [paid]", "tags: [default]", "weight: 1"].map(String::from);
    let filters = Filters { tags: true, any_tag, context: false };
    group(&params, &Terms { filters, ..Terms::default() })
}

fn open(group: &Group, tags: &[&str]) -> Vec<usize> {
    let (house, tags): (House, Vec<Arc<str>>) =
        (House::empty(), tags.iter().map(|tag| Arc::from(*tag)).collect());
    let rows = group.considered(&wish(&house, &tags, &[]));
    rows.iter().enumerate().filter(|(_, row)| row.bar.is_none()).map(|(at, _)| at).collect()
}

#[test]
fn tags_decide_and_defaults_stand_in() {
    let any = tagged(true);
    assert_eq!(open(&any, &["paid"]), [1]);
    assert_eq!(open(&any, &["paid", "free"]), [0, 1]);
    assert_eq!(open(&any, &["unheard-of"]), [2], "no match: the default");
    assert_eq!(open(&any, &[]), [2], "no tag: the default");
    cool(&any, 1);
    assert_eq!(open(&any, &["paid"]), [2], "its own is out of rotation");
    let all = tagged(false);
    assert_eq!(open(&all, &["free", "eu"]), [0]);
    assert_eq!(open(&all, &["free", "us"]), [2]);
}

#[test]
fn without_a_default_strange_tags_get_nothing_and_none_gets_all() {
    let params = ["tags: [free]", "weight: 1"].map(String::from);
    let filters = Filters { tags: true, any_tag: true, context: false };
    let group = group(&params, &Terms { filters, ..Terms::default() });
    assert_eq!(open(&group, &[]), [0, 1]);
    assert_eq!(open(&group, &["paid"]), [] as [usize; 0]);
    let (house, tags) = (House::empty(), [Arc::from("paid")]);
    assert_eq!(group.pick(&wish(&house, &tags, &[])), Pick::None(Bar::Tags));
}

#[test]
fn a_prompt_goes_where_it_fits_and_the_easiest_obstacle_is_named() {
    let filters = Filters { context: true, ..Filters::default() };
    let group = plain(3, &Terms { filters, ..Terms::default() });
    let house = House::empty();
    let long = |prompt| Wish { prompt, ..wish(&house, &[], &[]) };
    assert!((0..9).all(|_| group.pick(&long(201)) == Pick::Deployment(2)));
    assert_eq!(group.pick(&long(301)), Pick::None(Bar::Context(300)));
    cool(&group, 2);
    assert!(matches!(group.pick(&long(201)), Pick::None(Bar::Cooled(_))), "it would fit, later");
}

#[test]
fn a_group_of_nothing_that_is_served_says_so() {
    let house = House::empty();
    let yaml = "model_list: [{model_name: g, litellm_params: {model: bedrock/m}}]";
    let config = parse_and_compile(yaml, &Env::of(&[]), &Overrides::default()).unwrap().config;
    let unserved = group_of(config.targets, &Terms::default());
    assert_eq!(unserved.pick(&wish(&house, &[], &[])), Pick::None(Bar::Unserved));
    assert_eq!(unserved.nobody(&wish(&house, &[], &[])), Some(Bar::Unserved));
}
