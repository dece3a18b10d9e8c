use super::*;
use crate::limits::{Descriptor, Gate};

fn digest(number: u32) -> KeyDigest {
    crate::auth::digest(&format!("sk-{number}"))
}

fn circle(name: &str) -> Circle {
    Circle::bare(Arc::from(name), &Arc::new(Gate::new(Descriptor::ApiKey, Arc::from(name))))
}

fn name_of(kept: Option<Kept>) -> Option<String> {
    kept.map(|kept| kept.circle.key_hash.to_string())
}

#[test]
fn a_key_is_kept_when_it_comes_again_and_until_something_changes() {
    let (changes, others) = (Changes::new(), Changes::new());
    let one = digest(1);
    let stamp = changes.stamp(&one);
    let mut near = Near::new();
    near.keep(&one, stamp, circle("first"));
    assert!(near.find(&one, stamp).is_none());
    near.keep(&one, stamp, circle("second"));
    assert_eq!(name_of(near.find(&one, stamp)).as_deref(), Some("second"));
    assert!(near.find(&digest(2), changes.stamp(&digest(2))).is_none());
    assert!(near.find(&one, others.stamp(&one)).is_none(), "what another directory said");
    changes.of_key(&one);
    assert!(near.find(&one, changes.stamp(&one)).is_none());
    near.keep(&one, changes.stamp(&one), circle("third"));
    assert_eq!(name_of(near.find(&one, changes.stamp(&one))).as_deref(), Some("third"));
    changes.of_others();
    assert!(near.find(&one, changes.stamp(&one)).is_none());
}

#[test]
fn a_change_of_one_key_leaves_most_others() {
    let changes = Changes::new();
    let stamps = || (0..1000).map(|number| changes.stamp(&digest(number))).collect::<Vec<_>>();
    let before = stamps();
    changes.of_key(&digest(7));
    let after = stamps();
    assert_ne!(before[7], after[7]);
    let same = before.iter().zip(&after).filter(|(before, after)| before == after).count();
    assert!(same > 900, "{same}");
}

#[test]
fn however_many_keys_there_are_each_finds_itself_and_few_are_kept() {
    let changes = Changes::new();
    let mut near = Near::new();
    let mut found = 0;
    for _ in 0..3 {
        for number in 0..3000 {
            let (digest, name) = (digest(number), format!("key {number}"));
            let stamp = changes.stamp(&digest);
            match name_of(near.find(&digest, stamp)) {
                Some(kept) => {
                    assert_eq!(kept, name);
                    found += 1;
                }
                None => drop(near.keep(&digest, stamp, circle(&name))),
            }
        }
    }
    assert!(found > 0);
    let kept: usize = near.sets.iter().map(Vec::len).sum();
    assert!(kept <= WAYS * SETS, "{kept}");
    assert!(near.sets.iter().all(|set| set.len() <= WAYS));
}

#[test]
fn what_is_used_is_told_now_and_then() {
    let changes = Changes::new();
    let one = digest(1);
    let stamp = changes.stamp(&one);
    let mut near = Near::new();
    near.keep(&one, stamp, circle("one"));
    near.keep(&one, stamp, circle("one"));
    let told = (0..2 * TOLD_AFTER).filter(|_| near.find(&one, stamp).unwrap().tell).count();
    assert_eq!(told, 2);
}

#[test]
fn a_copy_counts_where_the_first_one_does() {
    let first = circle("one");
    let copy = apart(&first);
    let gates = |circle: &Circle| circle.gates(&[]).cloned().collect::<Vec<_>>();
    let (own, copied) = (gates(&first), gates(&copy));
    assert_eq!((own.len(), copied.len()), (1, 1));
    assert!(!Arc::ptr_eq(&own[0], &copied[0]));
    assert_eq!(own[0].id(), copied[0].id());
    assert!(!Arc::ptr_eq(&first.key_hash, &copy.key_hash));
}
