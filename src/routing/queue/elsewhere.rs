//! Two groups in virtual time, each with its line: who gets no turn in time at the first goes to the second.

use super::tests::{Call, Lanes, WINDOW, assert_window, lanes, rank};
use super::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

const GROUPS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ends(usize),
    Arrives(usize),
    /// Its time at this group is over.
    GivesUp(usize, usize),
    /// Its client leaves.
    Leaves(usize),
    Wakes(usize),
}

#[derive(Debug)]
enum At {
    Nowhere,
    Waits { group: usize, place: Place, since: u64 },
    Runs { group: usize, lane: usize, hold: Hold },
    Served,
    Refused,
    Left,
}

#[derive(Debug)]
struct Plan {
    patience: [u64; GROUPS],
    /// How long its upstream takes.
    takes: u64,
    flow: u64,
    /// Whether the first group answers it with a failure.
    fails: bool,
}

struct World {
    lanes: [Lanes; GROUPS],
    lines: [Line<Call>; GROUPS],
    wakes: [u64; GROUPS],
    plans: Vec<Plan>,
    calls: Vec<At>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    /// When each lane of each group was asked.
    asked: [Vec<Vec<u64>>; GROUPS],
}

impl World {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let size = [rng.usize(1..=3), rng.usize(1..=3)];
        let plan = |rng: &mut fastrand::Rng| Plan {
            patience: [rng.u64(0..2 * WINDOW), rng.u64(0..3 * WINDOW)],
            takes: rng.u64(1..2000),
            flow: rng.u64(0..3),
            fails: rng.u8(..) < 40,
        };
        let plans: Vec<Plan> = (0..rng.usize(1..40)).map(|_| plan(rng)).collect();
        let mut events = BinaryHeap::new();
        for id in 0..plans.len() {
            let at = rng.u64(0..WINDOW);
            events.push(Reverse((at, Event::Arrives(id))));
            if rng.u8(..) < 30 {
                events.push(Reverse((at + rng.u64(0..3 * WINDOW), Event::Leaves(id))));
            }
        }
        Self {
            lanes: size.map(|count| lanes(count, Some(rng.u64(1..=3)), None)),
            lines: [Line::default(), Line::default()],
            wakes: [u64::MAX; GROUPS],
            calls: plans.iter().map(|_| At::Nowhere).collect(),
            plans,
            events,
            asked: size.map(|count| vec![Vec::new(); count]),
        }
    }

    /// Joins a group's line, if its turn there comes in time, or else that of the next group.
    fn join(&mut self, now: u64, id: usize, from: usize) {
        let plan = &self.plans[id];
        for group in from..GROUPS {
            let rank = rank(plan.flow, 1000, 0);
            let need = self.lines[group].ahead(rank).plus(rank.demand);
            let room = |then| {
                let lanes = self.lanes[group].borrow();
                lanes.iter().fold(Demand::default(), |all, quota| all.plus(quota.room(now, then)))
            };
            let until = now + plan.patience[group];
            if soonest(now, need, room).is_some_and(|at| at <= until) {
                let may = (0..self.asked[group].len()).collect();
                let waits = Call { id, lanes: Rc::clone(&self.lanes[group]), may, tokens: 1 };
                let place = self.lines[group].join(rank, waits);
                self.calls[id] = At::Waits { group, place, since: now };
                self.events.push(Reverse((until, Event::GivesUp(id, group))));
                return self.advance(now, group);
            }
        }
        self.calls[id] = At::Refused;
    }

    fn advance(&mut self, now: u64, group: usize) {
        let Advance { granted, next } = self.lines[group].advance(now);
        for (call, (lane, mut hold)) in granted {
            let At::Waits { group: at, since, .. } = self.calls[call.id] else {
                panic!("a turn for {:?}", self.calls[call.id]);
            };
            let plan = &self.plans[call.id];
            assert!(at == group && now <= since + plan.patience[group], "too late, or elsewhere");
            self.asked[group][lane].push(now);
            self.lanes[group].borrow_mut()[lane].answered(now, &mut hold);
            self.calls[call.id] = At::Runs { group, lane, hold };
            self.events.push(Reverse((now + plan.takes, Event::Ends(call.id))));
        }
        if let Some(at) = next.filter(|at| *at < self.wakes[group]) {
            self.wakes[group] = at;
            self.events.push(Reverse((at, Event::Wakes(group))));
        }
    }

    /// Ends whatever a call does now; where it did it.
    fn stop(&mut self, now: u64, id: usize) -> Option<usize> {
        match std::mem::replace(&mut self.calls[id], At::Nowhere) {
            At::Waits { group, place, .. } => {
                assert!(self.lines[group].leave(place).is_some(), "its place is gone");
                Some(group)
            }
            At::Runs { group, lane, hold } => {
                self.lanes[group].borrow_mut()[lane].end(now, hold, 1);
                Some(group)
            }
            other => {
                self.calls[id] = other;
                None
            }
        }
    }

    fn happen(&mut self, now: u64, event: Event) {
        match event {
            Event::Arrives(id) if matches!(self.calls[id], At::Nowhere) => self.join(now, id, 0),
            Event::Arrives(_) => {}
            Event::GivesUp(id, group) => {
                if matches!(self.calls[id], At::Waits { group: at, .. } if at == group) {
                    self.stop(now, id);
                    self.join(now, id, group + 1);
                }
            }
            Event::Leaves(id) => {
                if self.stop(now, id).is_some() || matches!(self.calls[id], At::Nowhere) {
                    self.calls[id] = At::Left;
                }
            }
            Event::Ends(id) => {
                if matches!(self.calls[id], At::Runs { .. }) {
                    let fell = self.stop(now, id) == Some(0) && self.plans[id].fails;
                    self.calls[id] = At::Served;
                    if fell {
                        self.join(now, id, 1);
                    }
                }
            }
            Event::Wakes(group) => self.wakes[group] = u64::MAX,
        }
        (0..GROUPS).for_each(|group| self.advance(now, group));
    }
}

/// Five thousand schedules of calls that go from one line to the other: nobody waits longer than it may or has two turns
/// at once, every call comes to an end, no upstream is asked too often, and neither line nor quota keeps anything.
#[test]
fn who_goes_from_line_to_line_leaves_nothing_behind_and_is_not_forgotten() {
    let mut ends = [0; 3];
    for seed in 0..5_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::random(&mut rng);
        let mut last = 0;
        while let Some(Reverse((now, event))) = world.events.pop() {
            assert!(now < 1000 * WINDOW, "seed {seed}: it never ends");
            last = now;
            world.happen(now, event);
        }
        for (call, plan) in world.calls.iter().zip(&world.plans) {
            match call {
                At::Served => ends[0] += 1,
                At::Refused => ends[1] += 1,
                At::Left => ends[2] += 1,
                other => panic!("seed {seed}: {other:?} of {plan:?}"),
            }
        }
        for group in 0..GROUPS {
            assert!(world.lines[group].is_empty(), "seed {seed}: somebody still waits");
            for (quota, asked) in world.lanes[group].borrow_mut().iter_mut().zip(&world.asked[group]) {
                let most = quota.limits().requests.map(|most| usize::try_from(most).unwrap()).unwrap();
                assert_window(asked, most, WINDOW);
                assert_eq!(quota.headroom(last + WINDOW + 5000), 1.0, "seed {seed}: something stays taken");
            }
        }
    }
    assert!(ends.iter().all(|count| *count > 5_000), "served, refused, left: {ends:?}");
}
