//! The keys that a thread saw lately, each with everybody behind it.
//!
//! What all threads share they wait for, if only for a count that goes up and down: a lock of the table, a bit that
//! says that an entry is in use. So a thread keeps what it met twice lately, as its own copy, and believes it until
//! anything changed that it could be about. A key that is seen once in a while costs no copy.

use super::circle::Circle;
use crate::domain::KeyDigest;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A digest is looked for among so many, and there are so many of these sets.
const WAYS: usize = 4;
const SETS: usize = 512;
/// Of so many digests a thread remembers that it saw them.
const SEEN: usize = 8192;
/// That somebody has no row is believed for so long.
const ABSENT_FOR: Duration = Duration::from_secs(1);
/// After so many uses the directory is told that an entry is in use.
const TOLD_AFTER: u32 = 1024;
/// Changes to keys are counted apart in so many groups: keys are made all the time.
const GROUPS: usize = 64;
/// How far apart the counts of two directories begin.
const APART: u64 = 1 << 40;

/// How much changed that is known of keys.
pub(super) struct Changes {
    keys: [AtomicU64; GROUPS],
    /// Of all else. It begins elsewhere in each directory, so that one thread can use several.
    others: AtomicU64,
}

/// What had changed when a key was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64);

impl Changes {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let others = AtomicU64::new(NEXT.fetch_add(APART, Ordering::Relaxed));
        Self { keys: [const { AtomicU64::new(0) }; GROUPS], others }
    }

    /// What has changed by now. It is to be taken before anything is looked up.
    pub(super) fn stamp(&self, digest: &KeyDigest) -> Stamp {
        let keys = self.group(digest).load(Ordering::Acquire);
        Stamp(self.others.load(Ordering::Acquire).wrapping_add(keys))
    }

    /// A key changed; what was known of it is forgotten already.
    pub(super) fn of_key(&self, digest: &KeyDigest) {
        self.group(digest).fetch_add(1, Ordering::AcqRel);
    }

    /// Something else changed; what was known of it is forgotten already.
    pub(super) fn of_others(&self) {
        self.others.fetch_add(1, Ordering::AcqRel);
    }

    fn group(&self, digest: &KeyDigest) -> &AtomicU64 {
        &self.keys[usize::from(digest.bytes()[31]) % GROUPS]
    }
}

/// What was found of a key.
pub(super) struct Kept {
    pub(super) circle: Arc<Circle>,
    /// The directory is to be told that it is in use.
    pub(super) tell: bool,
}

struct Place {
    digest: KeyDigest,
    stamp: Stamp,
    /// If somebody behind the key has no row.
    until: Option<Instant>,
    uses: u32,
    circle: Arc<Circle>,
}

struct Near {
    /// Each fills up to [`WAYS`].
    sets: Vec<Vec<Place>>,
    seen: Vec<u16>,
    /// Which one goes when a set is full.
    turn: usize,
}

thread_local! {
    static NUMBER: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
    static NEAR: RefCell<Near> = const { RefCell::new(Near::new()) };
}

/// The circle for this thread alone.
pub(super) fn apart(circle: &Circle) -> Circle {
    circle.apart(NUMBER.with(|number| *number))
}

/// What this thread keeps of a key, if that is still true.
pub(super) fn find(digest: &KeyDigest, stamp: Stamp) -> Option<Kept> {
    NEAR.with_borrow_mut(|near| near.find(digest, stamp))
}

/// Takes note of who is behind a key, at the time of `stamp`; what the caller is to have of it.
pub(super) fn keep(digest: &KeyDigest, stamp: Stamp, circle: Circle) -> Arc<Circle> {
    NEAR.with_borrow_mut(|near| near.keep(digest, stamp, circle))
}

impl Near {
    const fn new() -> Self {
        Self { sets: Vec::new(), seen: Vec::new(), turn: 0 }
    }

    fn find(&mut self, digest: &KeyDigest, stamp: Stamp) -> Option<Kept> {
        let set = self.sets.get_mut(place_of(digest, 0, SETS))?;
        let place = set.iter_mut().find(|place| place.digest == *digest)?;
        if place.stamp != stamp || place.until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        place.uses = place.uses.wrapping_add(1);
        Some(Kept { circle: Arc::clone(&place.circle), tell: place.uses % TOLD_AFTER == 0 })
    }

    fn keep(&mut self, digest: &KeyDigest, stamp: Stamp, circle: Circle) -> Arc<Circle> {
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Vec::new);
            self.seen.resize(SEEN, 0);
        }
        let Some(set) = self.sets.get_mut(place_of(digest, 0, SETS)) else { return Arc::new(circle) };
        let old = set.iter().position(|place| place.digest == *digest);
        if old.is_none() && !is_seen(&mut self.seen, digest) {
            return Arc::new(circle);
        }
        let until = circle.lacks_somebody().then(|| Instant::now() + ABSENT_FOR);
        let circle = Arc::new(apart(&circle));
        let place = Place { digest: *digest, stamp, until, uses: 0, circle: Arc::clone(&circle) };
        self.turn = self.turn.wrapping_add(1);
        let taken = old.or_else(|| (set.len() >= WAYS).then_some(self.turn % WAYS));
        match taken.and_then(|at| set.get_mut(at)) {
            Some(taken) => *taken = place,
            None => set.push(place),
        }
        circle
    }
}

/// Whether a digest was seen lately; from now on it was.
fn is_seen(seen: &mut [u16], digest: &KeyDigest) -> bool {
    let [.., tag_high, tag_low] = digest.bytes();
    // Zero says that nothing was seen.
    let tag = u16::from_be_bytes([*tag_high, *tag_low]) | 1;
    let Some(last) = seen.get_mut(place_of(digest, 4, SEEN)) else { return false };
    std::mem::replace(last, tag) == tag
}

/// A place among so many, by four bytes of a digest: these are as good as drawn.
fn place_of(digest: &KeyDigest, from: usize, places: usize) -> usize {
    let bytes = digest.bytes().iter().skip(from).take(4);
    bytes.fold(0, |number, byte| number << 8 | usize::from(*byte)) % places
}

#[cfg(test)]
mod tests;
