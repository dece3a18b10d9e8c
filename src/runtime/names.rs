//! From the name a client asks for to a group, in LiteLLM's order: exact name, deployment id, alias,
//! wildcard (the most specific first), and, where no wildcard exists, a provider's own model string.

use super::Group;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// A resolved name.
#[derive(Clone)]
pub struct Resolution {
    /// The group.
    pub group: Arc<Group>,
    /// What the stars of the group's pattern stood for.
    captures: Vec<String>,
}

/// All names of a snapshot.
#[derive(Default)]
pub(super) struct Names {
    exact: HashMap<String, Arc<Group>>,
    patterns: Vec<Arc<Group>>,
}

impl Names {
    pub(super) fn new(groups: &[Arc<Group>], aliases: Vec<(String, Arc<Group>)>) -> Self {
        let mut exact: HashMap<String, Arc<Group>> = aliases.into_iter().collect();
        let (mut patterns, plain): (Vec<_>, Vec<_>) =
            groups.iter().cloned().partition(|group| group.name.contains('*'));
        exact.extend(plain.into_iter().map(|group| (group.name.to_string(), group)));
        patterns.sort_by_key(|group| std::cmp::Reverse(group.name.len()));
        Self { exact, patterns }
    }

    /// The groups of names without a star, those of aliases included.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.exact.values()
    }

    /// Whether some name has a star.
    pub(super) fn has_wildcard(&self) -> bool {
        !self.patterns.is_empty()
    }

    pub(super) fn find(&self, name: &str) -> Option<Resolution> {
        if let Some(group) = self.exact.get(name) {
            return Some(Resolution { group: Arc::clone(group), captures: Vec::new() });
        }
        self.find_pattern(name).or_else(|| self.find_pattern(&format!("openai/{name}")))
    }

    fn find_pattern(&self, name: &str) -> Option<Resolution> {
        self.patterns.iter().find_map(|group| {
            let captures = capture(&group.name, name)?;
            Some(Resolution { group: Arc::clone(group), captures })
        })
    }
}

impl Resolution {
    /// A group that was found by other means than its name.
    pub(super) fn of(group: Group) -> Self {
        Self { group: Arc::new(group), captures: Vec::new() }
    }

    /// The model to ask an upstream for: each star of its model is replaced by what the pattern's
    /// star stood for; when there are fewer of them than in the pattern, the whole name is used.
    #[must_use]
    pub fn upstream_model<'a>(&self, model: &'a str, requested: &'a str) -> Cow<'a, str> {
        let stars = memchr::memchr_iter(b'*', model.as_bytes()).count();
        if stars == 0 {
            return Cow::Borrowed(model);
        }
        if stars < self.captures.len() || self.captures.is_empty() {
            return Cow::Borrowed(requested);
        }
        let mut pieces = model.split('*');
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for (i, piece) in pieces.enumerate() {
            out.push_str(self.captures.get(i).map_or("", String::as_str));
            out.push_str(piece);
        }
        Cow::Owned(out)
    }
}

/// The public name of a model that an upstream has, where both patterns have one star.
pub(super) fn public_name(group: &str, pattern: &str, model: &str) -> Option<String> {
    let stars = capture(pattern, model)?;
    match stars.as_slice() {
        [star] if group.matches('*').count() == 1 => Some(group.replacen('*', star, 1)),
        _ => None,
    }
}

/// What the stars of `pattern` stand for in `name`, greedily from the left; `None` if it does not fit.
fn capture(pattern: &str, name: &str) -> Option<Vec<String>> {
    let mut pieces = pattern.split('*');
    let mut rest = name.strip_prefix(pieces.next()?)?;
    let pieces: Vec<&str> = pieces.collect();
    let mut captures = Vec::with_capacity(pieces.len());
    for (i, piece) in pieces.iter().enumerate() {
        let last = i + 1 == pieces.len();
        let end = if last { rest.len().checked_sub(piece.len())? } else { rest.find(piece)? };
        let (star, tail) = (rest.get(..end)?, rest.get(end..)?);
        rest = tail.strip_prefix(piece)?;
        captures.push(star.to_owned());
    }
    rest.is_empty().then_some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Terms;

    fn resolution(captures: &[&str]) -> Resolution {
        let captures = captures.iter().map(|c| (*c).to_owned()).collect();
        Resolution { group: Arc::new(Group::new("x", Vec::new(), &Terms::default())), captures }
    }

    #[test]
    fn stars_capture_and_substitute() {
        assert_eq!(capture("e/*", "e/foo"), Some(vec!["foo".to_owned()]));
        assert_eq!(capture("*", "anthropic/claude"), Some(vec!["anthropic/claude".to_owned()]));
        assert_eq!(capture("a*b*c", "a1b2c"), Some(vec!["1".to_owned(), "2".to_owned()]));
        assert_eq!(capture("e/*", "f/foo"), None);
        assert_eq!(capture("a*a", "a"), None);
        assert_eq!(public_name("e/*", "*", "foo"), Some("e/foo".to_owned()));
        assert_eq!(public_name("*", "x-*", "x-foo"), Some("foo".to_owned()));
        assert_eq!((public_name("*", "x-*", "foo"), public_name("*-*", "*", "foo")), (None, None));
        assert_eq!(resolution(&["foo"]).upstream_model("*", "e/foo"), "foo");
        assert_eq!(resolution(&["1", "2"]).upstream_model("x-*", "a1b2c"), "a1b2c");
        assert_eq!(resolution(&[]).upstream_model("plain", "asked"), "plain");
    }

    #[test]
    fn the_longest_pattern_wins_and_exact_names_beat_it() {
        let group = |name: &str| Arc::new(Group::new(name, Vec::new(), &Terms::default()));
        let names = Names::new(&[group("*"), group("e/*"), group("e/known")], Vec::new());
        for (asked, found) in [("e/x", "e/*"), ("e/known", "e/known"), ("else", "*")] {
            assert_eq!(&*names.find(asked).unwrap().group.name, found);
        }
        let narrow = Names::new(&[group("openai/*")], Vec::new());
        assert_eq!(&*narrow.find("gpt-4o").unwrap().group.name, "openai/*");
        assert!(Names::new(&[group("a")], Vec::new()).find("b").is_none());
    }
}
