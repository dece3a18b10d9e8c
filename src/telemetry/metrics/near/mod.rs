//! The tallies of this thread, by what calls have in common: a call that is like one before it finds its numbers by some
//! addresses, and nobody looks at its names.

#[cfg(test)]
mod tests;

use super::pending::Pending;
use super::tokens;
use crate::domain::{Outcome, TargetId, UsageRecord};
use foldhash::fast::FixedState;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// So many tallies a thread has at most.
const MOST: usize = 4096;
/// One in so many calls that find no room makes some.
const PATIENCE: u64 = 16;

thread_local! {
    static NEAR: RefCell<Near> = RefCell::default();
}

#[derive(Default)]
struct Near {
    generation: u64,
    callers: HashMap<u64, Caller, FixedState>,
    tallies: usize,
    refused: u64,
}

/// Calls of the same kind by the same.
struct Caller {
    like: Like,
    /// By the address of the id, which is nobody else's while the id is kept here.
    targets: HashMap<usize, (TargetId, Arc<Pending>), FixedState>,
}

/// What the labels of a call come from, besides its deployment.
struct Like {
    key_hash: Word,
    whose: Option<[Word; 7]>,
    requested: Arc<str>,
    group: Word,
    route: Arc<str>,
    stream: bool,
    details: u8,
}

type Word = Option<Arc<str>>;

/// The deployment of a call that was answered at once and in full, as most calls are.
pub(super) fn answered_at_once(record: &UsageRecord) -> Option<&TargetId> {
    let [only] = record.attempts.as_slice() else { return None };
    let at_once =
        only.failure.is_none() && only.status == 200 && record.target.as_ref() == Some(&only.target);
    (at_once && record.status == 200 && record.outcome == Outcome::Completed).then_some(&only.target)
}

/// Counts in the tally of calls like this one, which `make` makes; false if there is no room for one.
pub(super) fn count(
    generation: u64,
    target: &TargetId,
    record: &UsageRecord,
    make: impl FnOnce() -> Arc<Pending>,
    count: impl FnOnce(&Pending),
) -> bool {
    NEAR.with_borrow_mut(|near| {
        if near.generation != generation {
            *near = Near { generation, ..Near::default() };
        }
        let (caller, address) = (number(record), target.as_str().as_ptr().addr());
        if let Some(pending) = near.known(caller, address, record) {
            count(pending);
            return true;
        }
        near.admit(caller, target, record, make).inspect(|pending| count(pending)).is_some()
    })
}

impl Near {
    fn known(&self, caller: u64, address: usize, record: &UsageRecord) -> Option<&Pending> {
        let caller = self.callers.get(&caller)?;
        let (_, pending) = caller.targets.get(&address)?;
        caller.like.is(record).then_some(pending)
    }

    fn admit(
        &mut self,
        caller: u64,
        target: &TargetId,
        record: &UsageRecord,
        make: impl FnOnce() -> Arc<Pending>,
    ) -> Option<&Pending> {
        let is_other = self.callers.get(&caller).is_some_and(|known| !known.like.is(record));
        if is_other || self.tallies >= MOST {
            self.refuse(caller);
            return None;
        }
        self.tallies += 1;
        let new = || Caller { like: Like::of(record), targets: HashMap::default() };
        let targets = &mut self.callers.entry(caller).or_insert_with(new).targets;
        let address = target.as_str().as_ptr().addr();
        Some(&targets.entry(address).or_insert_with(|| (target.clone(), make())).1)
    }

    /// Lets a tally go at times: others call now.
    fn refuse(&mut self, caller: u64) {
        self.refused += 1;
        if !self.refused.is_multiple_of(PATIENCE) {
            return;
        }
        let own = Some(caller).filter(|caller| self.callers.contains_key(caller));
        let Some(from) = own.or_else(|| self.callers.keys().next().copied()) else { return };
        let Some(targets) = self.callers.get_mut(&from).map(|caller| &mut caller.targets) else { return };
        let gone = targets.keys().next().copied().and_then(|address| targets.remove(&address));
        self.tallies -= usize::from(gone.is_some());
        if targets.is_empty() {
            self.callers.remove(&from);
        }
    }
}

/// A number that calls of the same kind by the same have in common, and others hardly.
fn number(record: &UsageRecord) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    // A digest, of which a part is enough.
    let digest = record.key_hash.as_ref().and_then(|hash| hash.as_bytes().first_chunk::<16>());
    hasher.write(digest.map_or(&[], |digest| digest.as_slice()));
    hasher.write(record.requested_model.as_bytes());
    hasher.write_usize(record.route.len() << 16 | usize::from(tokens::details(&record.usage)) << 1);
    hasher.write_u8(u8::from(record.stream));
    hasher.finish()
}

impl Like {
    fn of(record: &UsageRecord) -> Self {
        Self {
            key_hash: record.key_hash.clone(),
            whose: record.attribution.as_ref().map(|known| {
                [
                    &known.key_alias,
                    &known.team_id,
                    &known.team_alias,
                    &known.user_id,
                    &known.user_email,
                    &known.organization_id,
                    &known.organization_alias,
                ]
                .map(Clone::clone)
            }),
            requested: Arc::clone(&record.requested_model),
            group: record.group.clone(),
            route: Arc::clone(&record.route),
            stream: record.stream,
            details: tokens::details(&record.usage),
        }
    }

    fn is(&self, record: &UsageRecord) -> bool {
        let whose = match (&self.whose, &record.attribution) {
            (Some([alias, team, team_alias, user, email, organization, organization_alias]), Some(known)) => {
                *alias == known.key_alias
                    && *team == known.team_id
                    && *team_alias == known.team_alias
                    && *user == known.user_id
                    && *email == known.user_email
                    && *organization == known.organization_id
                    && *organization_alias == known.organization_alias
            }
            (None, None) => true,
            _ => false,
        };
        whose
            && self.key_hash == record.key_hash
            && self.requested == record.requested_model
            && self.group == record.group
            && self.route == record.route
            && self.stream == record.stream
            && self.details == tokens::details(&record.usage)
    }
}
