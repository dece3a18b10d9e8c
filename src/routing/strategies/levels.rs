//! `order`: the deployments of a group by level, each level with a strategy of its own; a later level is for
//! when none of the earlier ones is usable.

use super::{Candidate, Choice, Look, Sight, Strategy};

/// Chooses among all deployments of a group.
pub struct Chooser {
    levels: Vec<Level>,
    /// What it was made from.
    pub choice: Choice,
}

struct Level {
    /// The members' indices in the group, rising; empty when they are all there are.
    members: Vec<usize>,
    strategy: Box<dyn Strategy>,
}

impl Chooser {
    /// Prepares a strategy for a group.
    #[must_use]
    pub fn new(choice: Choice, candidates: &[Candidate]) -> Self {
        let mut orders: Vec<i64> = candidates.iter().map(|c| c.order).collect();
        orders.sort_unstable();
        orders.dedup();
        let build = |of: &[Candidate]| (choice.entry.build)(of, &choice.args);
        let level = |order: i64| {
            let members: Vec<usize> =
                (0..candidates.len()).filter(|at| candidates[*at].order == order).collect();
            let own: Vec<Candidate> = members.iter().map(|at| candidates[*at]).collect();
            Level { strategy: build(&own), members }
        };
        let levels = if orders.len() > 1 {
            orders.into_iter().map(level).collect()
        } else {
            vec![Level { members: Vec::new(), strategy: build(candidates) }]
        };
        Self { levels, choice }
    }

    /// The next deployment to try; `None` if none is usable.
    #[must_use]
    pub fn pick(&self, look: &Look<'_>) -> Option<usize> {
        self.levels.iter().find_map(|level| {
            if level.members.is_empty() {
                return level.strategy.pick(look);
            }
            let part = Part { members: &level.members, whole: look.sight };
            let found = level.strategy.pick(&Look { sight: &part, ..*look })?;
            level.members.get(found).copied()
        })
    }

    /// The number by which a deployment is judged.
    #[must_use]
    pub fn score(&self, look: &Look<'_>, at: usize) -> f64 {
        let scored = |level: &Level| {
            if level.members.is_empty() {
                return Some(level.strategy.score(look, at));
            }
            let part = Part { members: &level.members, whole: look.sight };
            let own = level.members.binary_search(&at).ok()?;
            Some(level.strategy.score(&Look { sight: &part, ..*look }, own))
        };
        self.levels.iter().find_map(scored).unwrap_or_default()
    }
}

/// The members of one level, by their index in it.
struct Part<'a> {
    members: &'a [usize],
    whole: &'a dyn Sight,
}

impl Part<'_> {
    fn of<T: Default>(&self, at: usize, ask: impl Fn(&dyn Sight, usize) -> T) -> T {
        self.members.get(at).map(|at| ask(self.whole, *at)).unwrap_or_default()
    }
}

impl Sight for Part<'_> {
    fn usable(&self, at: usize) -> bool {
        self.of(at, |sight, at| sight.usable(at))
    }

    fn in_flight(&self, at: usize) -> u64 {
        self.of(at, |sight, at| sight.in_flight(at))
    }

    fn latency(&self, at: usize) -> Option<f64> {
        self.of(at, |sight, at| sight.latency(at))
    }

    fn tokens(&self, at: usize) -> f64 {
        self.of(at, |sight, at| sight.tokens(at))
    }

    fn headroom(&self, at: usize) -> f64 {
        self.of(at, |sight, at| sight.headroom(at))
    }
}
