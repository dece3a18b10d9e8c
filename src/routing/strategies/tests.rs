//! What every strategy promises, and what each one does besides.

use super::*;
use proptest::prelude::{Strategy as Arbitrary, any, prop, prop_assert, prop_assert_eq, proptest};
use std::cell::Cell;

/// Deployments with made-up numbers; what is not there is zero, unseen or without a quota.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) usable: Vec<bool>,
    pub(super) in_flight: Vec<u64>,
    pub(super) latency: Vec<Option<f64>>,
    pub(super) tokens: Vec<f64>,
    pub(super) headroom: Vec<f64>,
}

impl Sight for Seen {
    fn usable(&self, at: usize) -> bool {
        self.usable[at]
    }

    fn in_flight(&self, at: usize) -> u64 {
        self.in_flight.get(at).copied().unwrap_or_default()
    }

    fn latency(&self, at: usize) -> Option<f64> {
        self.latency.get(at).copied().flatten()
    }

    fn tokens(&self, at: usize) -> f64 {
        self.tokens.get(at).copied().unwrap_or_default()
    }

    fn headroom(&self, at: usize) -> f64 {
        self.headroom.get(at).copied().unwrap_or(1.0)
    }
}

fn choice(name: &str) -> Choice {
    Choice { entry: Entry::named(name).unwrap(), args: Args::default() }
}

fn chooser(name: &str, count: usize) -> Chooser {
    let candidate = |id: usize| Candidate { id: hash(&id.to_le_bytes()), ..Candidate::default() };
    Chooser::new(choice(name), &(0..count).map(candidate).collect::<Vec<_>>())
}

fn pick(chooser: &Chooser, sight: &Seen, draw: f64) -> Option<usize> {
    chooser.pick(&Look { draw, affinity: None, sight })
}

/// The whole order that repeated picks give.
fn order(
    chooser: &Chooser,
    mut sight: Seen,
    affinity: Option<u64>,
    mut draw: impl FnMut() -> f64,
) -> Vec<usize> {
    let mut order = Vec::new();
    while let Some(next) = chooser.pick(&Look { draw: draw(), affinity, sight: &sight }) {
        sight.usable[next] = false;
        order.push(next);
        assert!(order.len() <= sight.usable.len(), "it goes round in circles: {order:?}");
    }
    order
}

type Row = (Candidate, bool, u64, Option<f64>, f64, f64);

fn row() -> impl Arbitrary<Value = Row> {
    let limits =
        (prop::option::of(0.0f64..9.0), prop::option::of(0u64..99), 0i64..3, prop::option::of(0u64..3));
    let live = (any::<bool>(), 0u64..20, prop::option::of(0.0f64..3.0), 0.0f64..9e5, 0.0f64..1.0);
    (limits, live).prop_map(
        |((weight, rpm, order, price), (usable, in_flight, latency, tokens, headroom))| {
            let candidate = Candidate { id: price.unwrap_or(7), weight, rpm, tpm: rpm, order, price };
            (candidate, usable, in_flight, latency, tokens, headroom)
        },
    )
}

proptest! {
    /// A duplicate-free order of exactly the usable, lower orders first, whatever the numbers are.
    #[test]
    fn an_order_holds_each_usable_deployment_once(
        rows in prop::collection::vec(row(), 0..150),
        seed in any::<u64>(),
        affinity in any::<Option<u64>>(),
        buffer in 0.0f64..2.0,
    ) {
        let candidates: Vec<Candidate> = rows.iter().map(|row| row.0).collect();
        let seen = Seen {
            usable: rows.iter().map(|row| row.1).collect(),
            in_flight: rows.iter().map(|row| row.2).collect(),
            latency: rows.iter().map(|row| row.3).collect(),
            tokens: rows.iter().map(|row| row.4).collect(),
            headroom: rows.iter().map(|row| row.5).collect(),
        };
        for entry in ALL {
            let args = Args { lowest_latency_buffer: buffer, min_load: seed % 9, ..Args::default() };
            let chooser = Chooser::new(Choice { entry, args }, &candidates);
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut found = order(&chooser, seen.clone(), affinity, || rng.f64());
            let levels: Vec<i64> = found.iter().map(|i| candidates[*i].order).collect();
            prop_assert!(levels.is_sorted(), "{entry:?}: lower orders come first: {levels:?}");
            found.sort_unstable();
            let expected: Vec<usize> = (0..rows.len()).filter(|i| seen.usable[*i]).collect();
            prop_assert_eq!(found, expected, "{:?}", entry);
            let look = Look { draw: 0.5, affinity, sight: &seen };
            prop_assert!((0..rows.len()).all(|at| !chooser.score(&look, at).is_nan()), "{entry:?}");
        }
    }
}

#[test]
fn every_name_leads_to_one_line() {
    let mut all: Vec<&str> = names().collect();
    assert!(all.iter().all(|name| Entry::named(name).is_some()));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn the_least_busy_has_the_fewest_calls_and_ties_are_shared() {
    let seen = Seen { usable: vec![true; 4], in_flight: vec![3, 1, 2, 1], ..Seen::default() };
    let chooser = chooser("least-busy", 4);
    let found: Vec<usize> = (0..10).map(|i| pick(&chooser, &seen, f64::from(i) / 10.0).unwrap()).collect();
    assert_eq!(found.iter().filter(|at| **at == 1).count(), 5, "{found:?}");
    assert!(found.iter().all(|at| [1, 3].contains(at)), "{found:?}");
}

#[test]
fn in_a_large_group_the_choice_is_among_a_stretch_of_usable_ones() {
    let mut seen = Seen { usable: vec![false; 1000], in_flight: vec![5; 1000], ..Seen::default() };
    (500..520).for_each(|at| seen.usable[at] = true);
    seen.in_flight[510] = 1;
    let chooser = chooser("least-busy", 1000);
    assert!((0..100).all(|i| pick(&chooser, &seen, f64::from(i) / 100.0) == Some(510)));
}

/// Counts what a strategy looks at.
struct Counted {
    seen: Seen,
    looks: Cell<usize>,
}

impl Counted {
    fn look<T>(&self, what: impl Fn(&Seen) -> T) -> T {
        self.looks.set(self.looks.get() + 1);
        what(&self.seen)
    }
}

impl Sight for Counted {
    fn usable(&self, at: usize) -> bool {
        self.look(|seen| seen.usable(at))
    }

    fn in_flight(&self, at: usize) -> u64 {
        self.look(|seen| seen.in_flight(at))
    }

    fn latency(&self, at: usize) -> Option<f64> {
        self.look(|seen| seen.latency(at))
    }

    fn tokens(&self, at: usize) -> f64 {
        self.look(|seen| seen.tokens(at))
    }

    fn headroom(&self, at: usize) -> f64 {
        self.look(|seen| seen.headroom(at))
    }
}

/// The most that a strategy looks at for one of a hundred choices.
fn looks(name: &str, count: usize) -> usize {
    let chooser = chooser(name, count);
    let seen = Seen { usable: vec![true; count], latency: vec![Some(1.0); count], ..Seen::default() };
    let most = (0..100).map(|n| {
        let sight = Counted { seen: seen.clone(), looks: Cell::new(0) };
        let affinity = Some(mix(n));
        let look = Look { draw: f64::from(n as u32) / 100.0, affinity, sight: &sight };
        assert!(chooser.pick(&look).is_some());
        sight.looks.get()
    });
    most.max().unwrap_or_default()
}

#[test]
fn a_choice_among_a_thousand_looks_at_no_more_than_one_among_sixty_four() {
    for entry in ALL {
        let few = looks(entry.name(), STRETCH);
        for count in [1000, 5000] {
            let many = looks(entry.name(), count);
            assert!(
                many <= few.max(1),
                "{}: {many} looks among {count}, {few} among {STRETCH}",
                entry.name()
            );
        }
    }
    assert_eq!(looks("simple-shuffle", 1000), 1);
}

#[test]
fn the_unseen_is_tried_by_one_call_and_then_the_fastest_wins() {
    let chooser = chooser("latency-based", 3);
    let mut seen =
        Seen { usable: vec![true; 3], latency: vec![Some(0.1), None, Some(0.3)], ..Seen::default() };
    assert!((0..9).all(|i| pick(&chooser, &seen, f64::from(i) / 9.0) == Some(1)));
    seen.in_flight = vec![0, 1, 0];
    assert!(
        (0..9).all(|i| pick(&chooser, &seen, f64::from(i) / 9.0) == Some(0)),
        "one call tries it already"
    );
    seen.latency[1] = Some(0.05);
    assert!((0..9).all(|i| pick(&chooser, &seen, f64::from(i) / 9.0) == Some(1)));
}

#[test]
fn those_within_the_buffer_are_as_good_as_the_fastest() {
    let args = Args { lowest_latency_buffer: 0.5, ..Args::default() };
    let chooser =
        Chooser::new(Choice { args, ..choice("latency-based-routing") }, &[Candidate::default(); 3]);
    let seen =
        Seen { usable: vec![true; 3], latency: vec![Some(0.10), Some(0.14), Some(0.16)], ..Seen::default() };
    let found: Vec<usize> = (0..10).map(|i| pick(&chooser, &seen, f64::from(i) / 10.0).unwrap()).collect();
    assert!(found.contains(&0) && found.contains(&1) && !found.contains(&2), "{found:?}");
}

#[test]
fn tokens_prices_and_quotas_decide_where_they_should() {
    let seen = Seen {
        usable: vec![true; 3],
        tokens: vec![900.0, 100.0, 500.0],
        headroom: vec![0.2, 0.5, 0.9],
        ..Seen::default()
    };
    assert_eq!(pick(&chooser("usage-based-routing-v2", 3), &seen, 0.3), Some(1));
    assert_eq!(pick(&chooser("headroom", 3), &seen, 0.3), Some(2));
    let priced = |price| Candidate { price, ..Candidate::default() };
    let prices = [priced(None), priced(Some(20)), priced(Some(10))];
    let by_cost = Chooser::new(choice("cost-based-routing"), &prices);
    assert_eq!(order(&by_cost, seen, None, || 0.7), [2, 1, 0]);
}

const SESSIONS: u64 = 2_000;

fn homes(chooser: &Chooser, seen: &Seen) -> Vec<usize> {
    let at = |session: u64| chooser.pick(&Look { draw: 0.5, affinity: Some(mix(session)), sight: seen });
    (0..SESSIONS).map(|session| at(session).unwrap()).collect()
}

#[test]
fn sessions_are_spread_evenly_and_move_only_from_one_that_leaves() {
    let chooser = chooser("prefix-affinity", 8);
    let mut seen = Seen { usable: vec![true; 8], ..Seen::default() };
    let before = homes(&chooser, &seen);
    for at in 0..8 {
        let share = before.iter().filter(|home| **home == at).count();
        assert!((180..=320).contains(&share), "{share} of {SESSIONS} at {at}");
    }
    assert_eq!(before, homes(&chooser, &seen), "a session stays");
    seen.usable[3] = false;
    let after = homes(&chooser, &seen);
    assert!(before.iter().zip(&after).all(|(old, new)| (*old == 3) != (old == new)), "others moved too");
}

#[test]
fn on_the_ring_sessions_are_spread_and_move_only_from_one_that_leaves() {
    let chooser = chooser("prefix-affinity", 200);
    let mut seen = Seen { usable: vec![true; 200], in_flight: vec![0; 200], ..Seen::default() };
    let before = homes(&chooser, &seen);
    let mut shares = vec![0; 200];
    before.iter().for_each(|home| shares[*home] += 1);
    assert!(shares.iter().all(|share| (1..=30).contains(share)), "{shares:?}");
    let gone = before[0];
    seen.usable[gone] = false;
    let after = homes(&chooser, &seen);
    assert!(before.iter().zip(&after).all(|(old, new)| (*old == gone) != (old == new)), "others moved too");
    let look = Look { draw: 0.5, affinity: Some(mix(0)), sight: &seen };
    let told = (0..200)
        .filter(|at| *at != gone)
        .max_by(|one, other| chooser.score(&look, *one).total_cmp(&chooser.score(&look, *other)));
    assert_eq!(told, Some(after[0]), "the score tells the order that is served");
    // Few are left: the walk is not endless, and still finds them.
    seen.usable = (0..200).map(|at| at == 7).collect();
    assert!(homes(&chooser, &seen).iter().all(|home| *home == 7));
}

#[test]
fn on_the_ring_one_session_fills_no_deployment_much_above_its_share() {
    let chooser = chooser("prefix-affinity", 200);
    let mut seen = Seen { usable: vec![true; 200], in_flight: vec![0; 200], ..Seen::default() };
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..4_000 {
        let look = Look { draw: rng.f64(), affinity: Some(42), sight: &seen };
        let at = chooser.pick(&look).unwrap();
        seen.in_flight[at] += 1;
    }
    // Twenty each and a quarter more, as far as a stretch of them tells.
    assert!(seen.in_flight.iter().all(|calls| *calls <= 36), "{:?}", seen.in_flight);
}

#[test]
fn a_session_spills_from_a_loaded_deployment_and_comes_back() {
    let chooser = chooser("prefix-affinity", 4);
    let mut seen = Seen { usable: vec![true; 4], in_flight: vec![0; 4], ..Seen::default() };
    let go = |seen: &Seen| chooser.pick(&Look { draw: 0.5, affinity: Some(42), sight: seen }).unwrap();
    let home = go(&seen);
    seen.in_flight[home] = 7;
    assert_eq!(go(&seen), home, "a few calls are no load");
    seen.in_flight[home] = 20;
    let spilt = go(&seen);
    assert_ne!(spilt, home);
    seen.in_flight = vec![18; 4];
    seen.in_flight[home] = 20;
    assert_eq!(go(&seen), home, "where all are loaded it is not above its bound");
    // Whatever comes, none gets more than its bound.
    seen.in_flight = vec![0; 4];
    for _ in 0..400 {
        let at = go(&seen);
        seen.in_flight[at] += 1;
    }
    let most = seen.in_flight.iter().max().unwrap();
    assert!(*most <= 126, "{:?}", seen.in_flight);
}

/// Timings, to be run by hand: `cargo test --release --lib strategies -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_picks() {
    for entry in ALL {
        for count in [1, 10, 100, 1000] {
            let chooser = chooser(entry.name(), count);
            let seen = Seen { usable: vec![true; count], ..Seen::default() };
            let start = std::time::Instant::now();
            let rounds = 20_000_u32;
            for i in 0..rounds {
                let draw = (f64::from(i) * 0.618_033_988_749_895).fract();
                let affinity = Some(mix(u64::from(i)));
                std::hint::black_box(chooser.pick(&Look { draw, affinity, sight: &seen }));
            }
            let each = start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds);
            println!("{:<24} {count:>5} deployments {each:>9.0} ns", entry.name());
        }
    }
}
