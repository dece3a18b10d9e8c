//! Schedules in virtual time: what the upstreams see, who goes when, and what is left over.

use super::*;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

pub(super) const WINDOW: u64 = 60_000;

pub(super) type Lanes = Rc<RefCell<Vec<Quota>>>;

/// A call of a schedule.
pub(super) struct Call {
    pub(super) id: usize,
    pub(super) lanes: Lanes,
    pub(super) may: Vec<usize>,
    pub(super) tokens: u64,
}

impl Waits for Call {
    type Grant = (usize, Hold);

    fn attempt(&mut self, now: u64, claims: &Claims) -> Attempt<(usize, Hold)> {
        let mut lanes = self.lanes.borrow_mut();
        let mut later = (u64::MAX, None);
        for lane in self.may.iter().copied().filter(|lane| !claims.hold(*lane as u64)) {
            match lanes[lane].take(now, self.tokens) {
                Ok(hold) => return Attempt::Granted((lane, hold)),
                Err(at) if at < later.0 || later.1.is_none() => later = (at, Some(lane as u64)),
                Err(_) => {}
            }
        }
        Attempt::Later { at: later.0, lane: later.1 }
    }
}

pub(super) fn lanes(count: usize, requests: Option<u64>, tokens: Option<u64>) -> Lanes {
    let quota = || {
        let mut quota = Quota::new(WINDOW);
        quota.configure(Limits { requests, tokens }, WINDOW);
        quota
    };
    Rc::new(RefCell::new((0..count).map(|_| quota()).collect()))
}

fn call(lanes: &Lanes, id: usize, tokens: u64) -> Call {
    Call { id, lanes: Rc::clone(lanes), may: (0..lanes.borrow().len()).collect(), tokens }
}

pub(super) fn rank(flow: u64, weight: u32, priority: u8) -> Rank {
    let demand = Demand { requests: 1, tokens: 1 };
    Rank { flow, weight, priority, demand, cost: 1000, again: false }
}

/// Lets the line run until it is empty, each call answered at once; the calls in the order of their grants.
fn drain(line: &mut Line<Call>, lanes: &Lanes, mut now: u64) -> Vec<usize> {
    let mut order = Vec::new();
    loop {
        let Advance { granted, next } = line.advance(now);
        for (call, (lane, mut hold)) in granted {
            order.push(call.id);
            let mut lanes = lanes.borrow_mut();
            lanes[lane].answered(now, &mut hold);
            lanes[lane].end(now, hold, 1);
        }
        match next {
            None => return order,
            Some(at) => now = at,
        }
    }
}

#[test]
fn flows_share_by_weight_however_many_calls_each_sends() {
    let lanes = lanes(4, Some(3), None);
    let mut line = Line::default();
    for id in 0..400 {
        // The light flow comes first, and with as many calls.
        let (flow, weight) = if id < 200 { (0, 1000) } else { (1, 3000) };
        line.join(rank(flow, weight, 0), call(&lanes, id, 1));
    }
    let order = drain(&mut line, &lanes, 0);
    let light = |calls: &[usize]| calls.iter().filter(|id| **id < 200).count();
    assert_eq!(light(&order[..80]), 20, "one to three");
    assert_eq!(light(&order[..200]), 50);
}

#[test]
fn a_lower_priority_number_is_sooner_and_starves_nobody() {
    let lanes = lanes(1, Some(1), None);
    let mut line = Line::default();
    line.join(rank(1, 1000, 9), call(&lanes, 0, 1));
    (1..20).for_each(|id| {
        line.join(rank(2, 1000, 0), call(&lanes, id, 1));
    });
    let order = drain(&mut line, &lanes, 0);
    let at = order.iter().position(|id| *id == 0).unwrap();
    assert_eq!(at, 3, "the fourth grant goes by fairness alone");
    assert!(order.iter().filter(|id| **id != 0).is_sorted());
}

#[test]
fn a_large_call_is_not_passed_for_ever_by_small_ones() {
    let lanes = lanes(1, None, Some(100));
    let mut line = Line::default();
    let mut first = lanes.borrow_mut()[0].take(0, 60).unwrap();
    lanes.borrow_mut()[0].answered(0, &mut first);
    lanes.borrow_mut()[0].end(0, first, 60);
    line.join(rank(1, 1000, 0), call(&lanes, 0, 90));
    (1..5).for_each(|id| {
        line.join(rank(id as u64 + 1, 1000, 0), call(&lanes, id, 10));
    });
    assert!(line.advance(1).granted.is_empty(), "there is room for the small ones, but it is claimed");
    assert_eq!(drain(&mut line, &lanes, WINDOW)[0], 0);
}

#[test]
fn who_had_a_turn_goes_first_the_next_time() {
    let lanes = lanes(1, Some(1), None);
    let mut line = Line::default();
    (0..3).for_each(|id| {
        line.join(rank(1, 9000, 0), call(&lanes, id, 1));
    });
    line.join(Rank { again: true, ..rank(2, 1, 9) }, call(&lanes, 9, 1));
    assert_eq!(drain(&mut line, &lanes, 0)[0], 9);
}

#[test]
fn the_estimate_is_what_happens() {
    for (keys, rpm, calls) in [(4, 3, 13), (4, 3, 24), (4, 3, 25), (1, 1, 5), (3, 7, 100)] {
        let lanes = lanes(keys, Some(rpm), None);
        let mut line = Line::default();
        (0..calls).for_each(|id| {
            line.join(rank(1, 1000, 0), call(&lanes, id, 1));
        });
        let ahead = line.ahead(rank(1, 1000, 0));
        let need = ahead.plus(Demand { requests: 1, tokens: 1 });
        let room = |then| {
            let lanes = lanes.borrow();
            lanes.iter().fold(Demand::default(), |all, quota| all.plus(quota.room(0, then)))
        };
        let estimate = soonest(0, need, room).unwrap();
        assert_eq!(estimate, calls as u64 / (keys as u64 * rpm) * WINDOW, "{keys} × {rpm}, {calls}");
    }
}

#[test]
fn a_request_counts_until_the_upstream_has_surely_forgotten_it() {
    let mut quota = Quota::new(WINDOW);
    quota.configure(Limits { requests: Some(1), tokens: None }, WINDOW);
    // A quick answer says when it was counted at the latest.
    let mut hold = quota.take(0, 1).unwrap();
    assert_eq!(quota.take(50, 1).unwrap_err(), 50 + WINDOW, "under way: a guess");
    quota.sent(100, &mut hold);
    quota.answered(400, &mut hold);
    quota.end(900, hold, 5);
    assert_eq!(quota.take(1000, 1).unwrap_err(), 400 + WINDOW);
    // A slow one is not waited for.
    let mut hold = quota.take(400 + WINDOW, 1).unwrap();
    quota.sent(100_000, &mut hold);
    quota.answered(155_000, &mut hold);
    quota.end(160_000, hold, 5);
    assert_eq!(quota.take(160_000, 1).unwrap_err(), 102_000 + WINDOW);
    // One that never left takes nothing.
    let hold = quota.take(200_000, 1).unwrap();
    quota.end(200_000, hold, 0);
    assert!(quota.take(200_000, 1).is_ok());
}

#[test]
fn what_the_upstream_says_is_believed_if_it_is_less() {
    let side = |limit, remaining, reset| Side { limit, remaining, reset };
    let heard = |requests| Told { requests, tokens: Side::default() };
    let mut quota = Quota::new(WINDOW);
    quota.configure(Limits { requests: Some(10), tokens: None }, WINDOW);
    // Somebody else took seven.
    quota.heard(0, &heard(side(Some(10), Some(3), Some(20_000))));
    assert_eq!((quota.headroom(0) * 10.0).round(), 3.0);
    quota.heard(0, &heard(side(Some(10), Some(9), Some(20_000))));
    assert_eq!((quota.headroom(0) * 10.0).round(), 3.0, "more is not believed");
    assert_eq!((quota.headroom(20_000) * 10.0).round(), 10.0);
    // The limit is lower than was configured.
    quota.heard(30_000, &heard(side(Some(2), Some(2), None)));
    assert_eq!(quota.limits().requests, Some(2));
    // Nothing is left of a longer period.
    quota.heard(30_000, &heard(side(Some(1000), Some(0), Some(7 * WINDOW))));
    assert_eq!(quota.take(30_000, 1).unwrap_err(), 30_000 + 7 * WINDOW);
    assert_eq!(quota.limits().requests, Some(2), "its limit is another one");
}

#[test]
fn a_refusal_rests_the_key_as_long_as_it_says_or_longer_each_time() {
    let mut quota = Quota::new(WINDOW);
    quota.refused(0, Some(7000));
    assert_eq!(quota.take(1, 1).unwrap_err(), 7000);
    let mut now = 7000;
    let rests = [5000, 10_000, 20_000, 40_000, 60_000, 60_000].map(|_| {
        quota.refused(now, None);
        let until = quota.take(now, 1).unwrap_err();
        let rest = until - now;
        now = until;
        rest
    });
    assert_eq!(rests, [10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
    quota.served();
    quota.refused(now, None);
    assert_eq!(quota.take(now, 1).unwrap_err(), now + 5000);
}

#[test]
fn a_call_larger_than_the_limit_goes_alone_and_one_of_zero_never() {
    let mut quota = Quota::new(WINDOW);
    quota.configure(Limits { requests: None, tokens: Some(100) }, WINDOW);
    let hold = quota.take(0, 5000).unwrap();
    assert!(quota.take(0, 1).is_err());
    quota.end(0, hold, 0);
    quota.configure(Limits { requests: Some(0), tokens: None }, WINDOW);
    assert_eq!(quota.take(0, 1).unwrap_err(), u64::MAX);
}

#[test]
fn a_thousand_requests_a_window_cost_a_bounded_memory_and_are_never_undercounted() {
    let mut quota = Quota::new(WINDOW);
    quota.configure(Limits { requests: Some(1000), tokens: None }, WINDOW);
    let mut sent = Vec::new();
    let mut now = 0;
    while now < 4 * WINDOW {
        match quota.take(now, 1) {
            Ok(mut hold) => {
                quota.answered(now, &mut hold);
                quota.end(now, hold, 1);
                sent.push(now);
                now += 7;
            }
            Err(at) => now = at,
        }
    }
    assert_window(&sent, 1000, WINDOW);
    assert!(sent.len() > 3000, "{} of 4000", sent.len());
}

/// No half-open window of this length holds more than `most` of these moments.
pub(super) fn assert_window(moments: &[u64], most: usize, window: u64) {
    for pair in moments.windows(most + 1) {
        assert!(pair[most] - pair[0] >= window, "more than {most} within {window} ms from {}", pair[0]);
    }
}

/// No window holds more tokens than `most`, unless one call alone has more.
fn assert_tokens(spent: &[(u64, u64)], most: u64) {
    for (at, (from, _)) in spent.iter().enumerate() {
        let within: Vec<u64> = spent[at..]
            .iter()
            .take_while(|(then, _)| then - from < WINDOW)
            .map(|(_, tokens)| *tokens)
            .filter(|tokens| *tokens > 0)
            .collect();
        assert!(within.len() < 2 || within.iter().sum::<u64>() <= most, "{within:?} of {most} from {from}");
    }
}

/// What happens at a moment of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(usize),
    Leaves(usize),
    Sent(usize),
    Answered(usize),
    Ends(usize),
    Wakes,
}

#[derive(Debug)]
struct Plan {
    flow: u64,
    priority: u8,
    tokens: u64,
    really: u64,
    arrives: u64,
    /// When its client leaves, waiting or not.
    leaves: Option<u64>,
    /// How long until it is sent, until its answer begins, until it ends.
    pace: [u64; 3],
    /// Whether the connection fails before it is sent.
    unsent: bool,
    may: Vec<usize>,
}

#[derive(Default)]
struct Fate {
    place: Option<Place>,
    lane: usize,
    hold: Option<Hold>,
    granted: Option<u64>,
    over: bool,
}

struct World {
    lanes: Lanes,
    line: Line<Call>,
    plans: Vec<Plan>,
    fates: Vec<Fate>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    /// When each upstream counted a request.
    counted: Vec<Vec<u64>>,
    /// When it counted how many tokens.
    spent: Vec<Vec<(u64, u64)>>,
    limits: Limits,
    wakes: u64,
}

impl World {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let count = rng.usize(1..=4);
        let requests = rng.bool().then(|| rng.u64(1..=5));
        let tokens = (requests.is_none() || rng.bool()).then(|| rng.u64(50..=500));
        let limits = Limits { requests, tokens };
        let plan = |rng: &mut fastrand::Rng| {
            let tokens = rng.u64(1..=300);
            let may: Vec<usize> = (0..count).filter(|_| rng.u8(..) < 200).collect();
            Plan {
                flow: rng.u64(0..4),
                priority: rng.u8(0..3),
                tokens,
                really: rng.u64(0..=tokens),
                arrives: rng.u64(0..2 * WINDOW),
                leaves: (rng.u8(..) < 50).then(|| rng.u64(0..4 * WINDOW)),
                pace: [rng.u64(0..3000), rng.u64(0..9000), rng.u64(0..30_000)],
                unsent: rng.u8(..) < 25,
                may: if may.is_empty() { vec![0] } else { may },
            }
        };
        let plans: Vec<Plan> = (0..rng.usize(1..30)).map(|_| plan(rng)).collect();
        let mut events = BinaryHeap::new();
        for (id, plan) in plans.iter().enumerate() {
            events.push(Reverse((plan.arrives, Event::Arrives(id))));
            events.extend(plan.leaves.map(|after| Reverse((plan.arrives + after, Event::Leaves(id)))));
        }
        Self {
            lanes: lanes(count, requests, tokens),
            line: Line::default(),
            fates: plans.iter().map(|_| Fate::default()).collect(),
            plans,
            events,
            counted: vec![Vec::new(); count],
            spent: vec![Vec::new(); count],
            limits,
            wakes: u64::MAX,
        }
    }

    fn run(&mut self, rng: &mut fastrand::Rng) -> u64 {
        let mut last = 0;
        while let Some(Reverse((now, event))) = self.events.pop() {
            assert!(now < 1000 * WINDOW, "it never ends");
            last = now;
            self.happen(now, event, rng);
            self.advance(now);
        }
        last
    }

    fn happen(&mut self, now: u64, event: Event, rng: &mut fastrand::Rng) {
        match event {
            Event::Wakes => self.wakes = u64::MAX,
            Event::Arrives(id) => {
                let plan = &self.plans[id];
                let waits =
                    Call { id, lanes: Rc::clone(&self.lanes), may: plan.may.clone(), tokens: plan.tokens };
                let demand = Demand { requests: 1, tokens: plan.tokens };
                let weight = [500, 1000, 1000, 4000][usize::try_from(plan.flow).unwrap()];
                let rank = Rank { demand, ..rank(plan.flow, weight, plan.priority) };
                self.fates[id].place = Some(self.line.join(rank, waits));
            }
            Event::Leaves(id) => {
                let fate = &mut self.fates[id];
                if fate.over {
                    return;
                }
                fate.over = true;
                let waited = fate.place.and_then(|place| self.line.leave(place)).is_some();
                assert_eq!(waited, fate.granted.is_none());
                self.end(now, id, 0);
            }
            Event::Sent(id) => {
                let lane = self.fates[id].lane;
                // It was on its way for a while, and is counted at some moment of that.
                self.counted[lane].push(now + rng.u64(0..1900).min(self.plans[id].pace[1]));
                let fate = &mut self.fates[id];
                if let Some(hold) = &mut fate.hold {
                    self.lanes.borrow_mut()[lane].sent(now, hold);
                    self.events.push(Reverse((now + self.plans[id].pace[1], Event::Answered(id))));
                } else {
                    self.counted[lane].pop();
                }
            }
            Event::Answered(id) => {
                let fate = &mut self.fates[id];
                if let Some(hold) = &mut fate.hold {
                    self.lanes.borrow_mut()[fate.lane].answered(now, hold);
                    self.events.push(Reverse((now + self.plans[id].pace[2], Event::Ends(id))));
                }
            }
            Event::Ends(id) => {
                self.fates[id].over = true;
                // What was never sent took nothing.
                let tokens = if self.plans[id].unsent { 0 } else { self.plans[id].really };
                self.end(now, id, tokens);
            }
        }
    }

    fn end(&mut self, now: u64, id: usize, tokens: u64) {
        let fate = &mut self.fates[id];
        if let Some(hold) = fate.hold.take() {
            self.lanes.borrow_mut()[fate.lane].end(now, hold, tokens);
            self.spent[fate.lane].push((now, tokens));
        }
    }

    fn advance(&mut self, now: u64) {
        let Advance { granted, next } = self.line.advance(now);
        for (call, (lane, hold)) in granted {
            let (fate, plan) = (&mut self.fates[call.id], &self.plans[call.id]);
            assert!(fate.granted.is_none() && !fate.over, "granted twice, or after it left");
            assert!(plan.may.contains(&lane));
            fate.granted = Some(now);
            fate.lane = lane;
            fate.hold = Some(hold);
            let then = now + plan.pace[0];
            let event = if plan.unsent { Event::Ends(call.id) } else { Event::Sent(call.id) };
            self.events.push(Reverse((then, event)));
        }
        if let Some(at) = next.filter(|at| *at < self.wakes) {
            self.wakes = at;
            self.events.push(Reverse((at, Event::Wakes)));
        }
    }
}

/// Ten thousand schedules: no upstream ever counts more than its limit in any window, everybody who stays is served,
/// nobody twice, and nothing stays taken.
#[test]
fn no_schedule_over_grants_starves_or_leaks() {
    for seed in 0..10_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::random(&mut rng);
        let last = world.run(&mut rng);
        assert!(world.line.is_empty(), "seed {seed}: somebody still waits");
        for (fate, plan) in world.fates.iter().zip(&world.plans) {
            assert!(fate.granted.is_some() || plan.leaves.is_some(), "seed {seed}: starved: {plan:?}");
            assert!(fate.over && fate.hold.is_none(), "seed {seed}: left over: {plan:?}");
        }
        for moments in &mut world.counted {
            moments.sort_unstable();
            if let Some(most) = world.limits.requests {
                assert_window(moments, usize::try_from(most).unwrap(), WINDOW);
            }
        }
        for spent in &world.spent {
            world.limits.tokens.into_iter().for_each(|most| assert_tokens(spent, most));
        }
        let then = last + WINDOW + 5000;
        for quota in world.lanes.borrow_mut().iter_mut() {
            assert_eq!(quota.headroom(then), 1.0, "seed {seed}: something stays taken");
        }
    }
}
