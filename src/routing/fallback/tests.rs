use super::*;
use proptest::prelude::{any, prop, prop_assert, proptest};
use std::collections::HashSet;

fn list(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn lists(rows: &[(&str, &[&str])]) -> Lists {
    let mut lists = Lists::default();
    rows.iter().for_each(|(group, names)| lists.add(group, list(names)));
    lists
}

/// All groups a call visits that fails everywhere.
fn walk(book: &Fallbacks, from: &str) -> Vec<String> {
    let mut trail = Trail::new(&[from], book.max_depth);
    let mut at: Arc<str> = Arc::from(from);
    let mut walked = Vec::new();
    loop {
        trail.branch(book.of(&[&at], Reason::Failure).iter().cloned().map(Step::to));
        let Some(step) = trail.advance() else { return walked };
        walked.push(step.name.to_string());
        at = step.name;
    }
}

#[test]
fn a_list_is_found_by_name_without_provider_and_by_star() {
    let found = lists(&[("a", &["1"]), ("openai/b", &["2"]), ("c", &["3"]), ("*", &["4"])]);
    for (names, wanted) in [
        (&["a"][..], "1"),
        (&["alias", "a"], "1"),
        (&["openai/b"], "2"),
        (&["openai/c"], "3"),
        (&["openai/x"], "4"),
        (&["b"], "4"),
    ] {
        assert_eq!(&*found.of(names).unwrap()[0], wanted, "{names:?}");
    }
    assert_eq!(lists(&[("a", &["1"])]).of(&["b"]), None);
}

#[test]
fn of_two_lists_for_a_group_the_first_counts() {
    assert_eq!(lists(&[("a", &["1"]), ("a", &["2"])]).of(&["a"]).unwrap(), list(&["1"]));
}

#[test]
fn a_reason_with_a_list_of_its_own_has_that_one_and_others_the_common_one() {
    let book = Fallbacks {
        failure: lists(&[("a", &["f"]), ("b", &["f"])]),
        context_window: lists(&[("a", &["large"])]),
        content_policy: lists(&[("a", &["lenient"])]),
        ..Fallbacks::default()
    };
    let first = |group, reason| book.of(&[group], reason)[0].to_string();
    assert_eq!(first("a", Reason::ContextWindow), "large");
    assert_eq!(first("a", Reason::ContentPolicy), "lenient");
    assert_eq!(first("a", Reason::Failure), "f");
    assert_eq!(first("b", Reason::ContextWindow), "f");
    assert!(book.of(&["c"], Reason::Failure).is_empty());
}

#[test]
fn only_context_and_policy_errors_have_lists_of_their_own() {
    assert_eq!(Reason::of(ErrorKind::Upstream(UpstreamClass::ContextWindow)), Reason::ContextWindow);
    assert_eq!(Reason::of(ErrorKind::Upstream(UpstreamClass::ContentPolicy)), Reason::ContentPolicy);
    for kind in [ErrorKind::Upstream(UpstreamClass::BadRequest), ErrorKind::NoDeployments] {
        assert_eq!(Reason::of(kind), Reason::Failure);
    }
}

#[test]
fn a_fallback_that_fails_is_followed_by_its_own_before_the_rest() {
    let failure = lists(&[("a", &["b", "c"]), ("b", &["d", "a"]), ("d", &["c", "e"])]);
    let book = Fallbacks { failure, ..Fallbacks::default() };
    assert_eq!(walk(&book, "a"), ["b", "d", "c", "e"]);
}

#[test]
fn the_depth_is_bounded_and_a_long_list_is_not() {
    let failure = lists(&[("0", &["1"]), ("1", &["2"]), ("2", &["3"]), ("3", &["4"])]);
    let book = Fallbacks { failure, max_depth: 2, ..Fallbacks::default() };
    assert_eq!(walk(&book, "0"), ["1", "2"]);
    let failure = lists(&[("0", &["1", "2", "3", "4", "5", "6", "7"])]);
    let book = Fallbacks { failure, max_depth: 1, ..Fallbacks::default() };
    assert_eq!(walk(&book, "0").len(), 7);
    assert_eq!(walk(&Fallbacks { max_depth: 0, ..book }, "0").len(), 0);
}

#[test]
fn a_default_serves_every_group_but_itself() {
    let book = Fallbacks { failure: lists(&[("*", &["d"])]), ..Fallbacks::default() };
    assert_eq!(walk(&book, "a"), ["d"]);
    assert_eq!(walk(&book, "d"), [""; 0]);
}

proptest! {
    /// Whatever the lists are: no group twice, the first not at all, and an end.
    #[test]
    fn a_trail_is_short_and_without_repetition(
        rows in prop::collection::vec((0u8..30, prop::collection::vec(0u8..30, 0..12)), 0..40),
        from in 0u8..30,
        star in any::<bool>(),
        max_depth in 0u32..8,
    ) {
        let mut failure = Lists::default();
        for (group, names) in rows {
            let group = if star && group == 0 { ANY.to_owned() } else { group.to_string() };
            failure.add(&group, names.iter().map(|name| Arc::from(name.to_string())));
        }
        let book = Fallbacks { failure, max_depth, ..Fallbacks::default() };
        let walked = walk(&book, &from.to_string());
        let different: HashSet<&String> = walked.iter().collect();
        prop_assert!(different.len() == walked.len() && walked.len() < MOST_GROUPS);
        prop_assert!(!walked.contains(&from.to_string()));
        prop_assert!(max_depth > 0 || walked.is_empty());
    }
}
