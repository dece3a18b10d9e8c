//! How far one call got through its fallbacks.

use serde_json::{Map, Value};
use std::sync::Arc;

/// A call visits no more groups than this, the one it asked for included.
pub const MOST_GROUPS: usize = 16;

/// A group that may be tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name, as it would be asked for.
    pub name: Arc<str>,
    /// What the client wants changed of the request for it.
    pub with: Option<Map<String, Value>>,
}

/// What one call has left to try.
#[derive(Clone, Debug)]
pub struct Trail {
    visited: Vec<Arc<str>>,
    /// The next one is the last.
    left: Vec<(u32, Step)>,
    depth: u32,
    max_depth: u32,
}

impl Step {
    /// A group that is asked what the client asked.
    #[must_use]
    pub const fn to(name: Arc<str>) -> Self {
        Self { name, with: None }
    }
}

impl Trail {
    /// A trail that begins at a group, which goes by these names.
    #[must_use]
    pub fn new(names: &[&str], max_depth: u32) -> Self {
        let visited = names.iter().map(|name| Arc::from(*name)).collect();
        Self { visited, left: Vec::new(), depth: 0, max_depth }
    }

    /// The group where the trail stands failed: these are tried next, in their order.
    pub fn branch(&mut self, list: impl IntoIterator<Item = Step>) {
        if self.depth >= self.max_depth {
            return;
        }
        let at = self.left.len();
        let room = MOST_GROUPS.saturating_sub(self.visited.len());
        self.left.extend(list.into_iter().take(room).map(|step| (self.depth + 1, step)));
        if let Some(new) = self.left.get_mut(at..) {
            new.reverse();
        }
    }

    /// The names of all groups so far, the first one's before the others.
    #[must_use]
    pub fn visited(&self) -> &[Arc<str>] {
        &self.visited
    }

    /// Whether anything may be left to try.
    #[must_use]
    pub const fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// Goes on to the next group, if there is one.
    pub fn advance(&mut self) -> Option<Step> {
        while let Some((depth, step)) = self.left.pop() {
            if self.visited.len() >= MOST_GROUPS {
                return None;
            }
            if self.visited.contains(&step.name) {
                continue;
            }
            self.visited.push(Arc::clone(&step.name));
            self.depth = depth;
            return Some(step);
        }
        None
    }
}
