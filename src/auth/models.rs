//! Which models a list of models lets a caller have.

use std::sync::Arc;

/// A model as it is asked for, under every name that a list may know it by.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The name the client sent.
    pub name: &'a str,
    /// The group it stands for.
    pub group: &'a str,
    /// The upstream's model with the provider's prefix (`openai/gpt-4o`).
    pub upstream: Option<&'a str>,
    /// `model_info.access_groups` of the group.
    pub access_groups: &'a [String],
}

/// Whether a list lets its owner have this model. An empty list lets everything through.
#[must_use]
pub fn lets_through(list: &[Arc<str>], asked: &Asked<'_>) -> bool {
    list.is_empty() || list.iter().any(|entry| covers(entry, asked))
}

/// A team's list decides where this stands in the key's own.
const DEFERRING: &str = "all-team-models";
const EVERYTHING: [&str; 3] = ["*", "all-proxy-models", DEFERRING];

fn covers(entry: &str, asked: &Asked<'_>) -> bool {
    if EVERYTHING.contains(&entry) || entry == asked.name || entry == asked.group {
        return true;
    }
    if asked.access_groups.iter().any(|group| group == entry) {
        return true;
    }
    entry.contains('*')
        && [Some(asked.name), Some(asked.group), asked.upstream]
            .into_iter()
            .flatten()
            .any(|name| fits(entry, name))
}

/// Whether a name fits a pattern in which each `*` stands for anything.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn a_list_names_models_groups_access_groups_and_patterns() {
        let groups = ["beta".to_owned()];
        let asked =
            Asked { name: "alias", group: "gpt-4o", upstream: Some("openai/gpt-4o"), access_groups: &groups };
        for names in [
            &[][..],
            &["*"],
            &["all-proxy-models"],
            &["all-team-models"],
            &["gpt-4o"],
            &["alias"],
            &["beta"],
            &["openai/*"],
            &["gpt-*"],
            &["x", "g*4*"],
        ] {
            assert!(lets_through(&list(names), &asked), "{names:?}");
        }
        for names in [&["no-default-models"][..], &["gpt-4"], &["anthropic/*"], &["gpt-*-mini"], &["alias*x"]]
        {
            assert!(!lets_through(&list(names), &asked), "{names:?}");
        }
    }

    #[test]
    fn stars_do_not_overlap() {
        assert!(fits("a*a", "aa"));
        assert!(!fits("a*a", "a"));
        assert!(fits("*", ""));
        assert!(!fits("a", "ab"));
        assert!(fits("*b*", "abc"));
    }
}
