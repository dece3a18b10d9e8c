//! A call whose group does not answer goes to the next one that may.
//!
//! Nothing of this is looked at until a group has failed. A fallback has to be allowed for the caller like any model;
//! what is reserved moves with the call.

mod course;
mod lists;

pub(super) use lists::wishes;

pub(super) use course::Detour;

use super::Gateway;
use super::admission;
use super::outlook;
use super::stage::{Admitted, Books, MOST_ATTEMPTS};
use crate::domain::{ApiError, ErrorKind, FaultClass, unix_ms};
use crate::routing::{Reason, Step, Trail};
use crate::runtime::{Bar, Group};
use crate::upstream::Deployment;
use lists::{names, next};
use std::fmt::Write as _;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

/// What to tell the client, and whose answer it was.
pub(super) type Ended = (ApiError, Option<Arc<Deployment>>);

impl Detour {
    fn new(admitted: &Admitted, error: &ApiError, deployment: Option<&Arc<Deployment>>) -> Self {
        let most = admitted.snapshot.config.router.fallbacks.max_depth;
        let wished = admitted.wishes.as_ref().and_then(|wishes| wishes.max_depth);
        let max_depth = most.min(admitted.controls.max_fallbacks.or(wished).unwrap_or(most));
        Self {
            trail: Trail::new(&names(admitted), max_depth),
            error: error.clone(),
            deployment: deployment.cloned(),
            asked: admitted.resolution.clone(),
            request: None,
            groups: Vec::new(),
        }
    }

    /// How many groups were asked instead.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.groups.len()).unwrap_or(u32::MAX)
    }

    /// Ends where it began.
    fn end(&mut self, admitted: &mut Admitted, last: &ApiError) -> Ended {
        let mut error = self.error.clone();
        if let Some(request) = self.request.take() {
            admitted.request = request;
        }
        if !self.groups.is_empty() {
            let groups: Vec<String> = self.groups.iter().map(|name| format!("'{name}'")).collect();
            // Writing to a text cannot fail.
            let _ = write!(
                error.message,
                ". Received Model Group={}\nAvailable Model Group Fallbacks=[{}]\nError doing the fallback: {last}",
                admitted.requested,
                groups.join(", "),
            );
        }
        admitted.resolution = self.asked.clone();
        (error, self.deployment.clone())
    }
}

/// Sends a call on whose group ended in an error.
///
/// # Errors
/// No other group may be asked.
pub(super) fn leave(
    gateway: &Gateway,
    admitted: &mut Admitted,
    error: ApiError,
    deployment: Option<Arc<Deployment>>,
) -> Result<(), Ended> {
    let is_first = admitted.progress.detour.is_none();
    let next = next(admitted, &names(admitted), Reason::of(error.kind), is_first);
    if is_first && next.is_empty() {
        return if resort(gateway, admitted, None, &error) { Ok(()) } else { Err((error, deployment)) };
    }
    let mut detour = match admitted.progress.detour.take() {
        Some(detour) => detour,
        None => Box::new(Detour::new(admitted, &error, deployment.as_ref())),
    };
    detour.trail.branch(next);
    while let Some(step) = detour.trail.advance() {
        match enter(gateway, admitted, &mut detour, &step, false) {
            Entry::Taken => {
                detour.groups.push(step.name);
                admitted.progress.begin_again(detour);
                return Ok(());
            }
            Entry::Down(group) => {
                let names = [&*step.name, &*group];
                detour.trail.branch(lists::next(admitted, &names, Reason::Failure, false));
            }
            Entry::Closed => {}
        }
    }
    if resort(gateway, admitted, Some(&mut detour), &error) {
        admitted.progress.detour = Some(detour);
        return Ok(());
    }
    let ended = detour.end(admitted, &error);
    admitted.progress.detour = Some(detour);
    Err(ended)
}

/// Before a client is told that nobody is there, what is out of rotation for faults that may be over is asked, each
/// deployment once; whether there is one.
fn resort(gateway: &Gateway, admitted: &mut Admitted, detour: Option<&mut Detour>, error: &ApiError) -> bool {
    let first = detour.as_deref().map_or(error, |detour| &detour.error);
    let may_pass = match first.kind {
        ErrorKind::NoDeployments => true,
        ErrorKind::Upstream(class) => matches!(class.fault(), FaultClass::Host | FaultClass::Quota),
        _ => false,
    };
    if !may_pass || admitted.progress.attempts.len() >= MOST_ATTEMPTS {
        return false;
    }
    // Without fallbacks a group is asked as often as it may be retried, and no more.
    if (detour.is_some() || admitted.progress.tried.is_empty())
        && let Some(index) = doubtful(admitted, &admitted.resolution.group)
    {
        admitted.progress.last_resort = Some(index);
        return true;
    }
    let Some(detour) = detour else { return false };
    for name in detour.trail.visited().to_vec() {
        let resolution = admitted.snapshot.resolve(admitted.standing.alias(&name));
        let Some(index) = resolution.and_then(|found| doubtful(admitted, &found.group)) else { continue };
        if matches!(enter(gateway, admitted, detour, &Step::to(Arc::clone(&name)), true), Entry::Taken) {
            if *name != *admitted.requested {
                detour.groups.push(name);
            }
            admitted.progress.tried.clear();
            admitted.progress.retries = 0;
            admitted.progress.last_resort = Some(index);
            return true;
        }
    }
    false
}

/// A deployment of a group that was not asked yet, and is out of rotation for faults that may be over.
pub(super) fn doubtful(admitted: &Admitted, group: &Group) -> Option<usize> {
    let attempts = &admitted.progress.attempts;
    group.considered(&admitted.wish()).iter().position(|row| {
        matches!(row.bar, Some(Bar::Cooled(_)))
            && row.deployment.state.may_be_over()
            && !attempts.iter().any(|attempt| attempt.target == row.deployment.target.id)
    })
}

/// Whether a call could go elsewhere if its group failed now, as far as can be told without trying.
pub(super) fn has_next(admitted: &Admitted) -> bool {
    let is_first = admitted.progress.detour.is_none();
    let goes_on = |detour: &Detour| detour.trail.has_left();
    admitted.progress.detour.as_deref().is_some_and(goes_on)
        || !next(admitted, &names(admitted), Reason::Failure, is_first).is_empty()
}

/// What came of trying a group.
enum Entry {
    /// The call is there.
    Taken,
    /// It cannot answer now; what it would fall back to may.
    Down(Arc<str>),
    /// It is nothing for this caller.
    Closed,
}

/// Moves a call to a group, though all of it may be out of rotation if it is `unready`.
fn enter(
    gateway: &Gateway,
    admitted: &mut Admitted,
    detour: &mut Detour,
    step: &Step,
    unready: bool,
) -> Entry {
    let Some(resolution) = admitted.snapshot.resolve(&step.name) else { return Entry::Closed };
    let same = Arc::ptr_eq(&resolution.group, &admitted.resolution.group);
    let asked = Group::asked(&step.name, Some(&resolution.group));
    if same || admitted.standing.may_call(&asked).is_err() {
        return Entry::Closed;
    }
    let name = Arc::clone(&step.name);
    let turn = resolution.group.turn(&admitted.standing, &admitted.request, admitted.turns);
    let before = (
        mem::replace(&mut admitted.resolution, resolution),
        mem::replace(&mut admitted.called, name),
        mem::replace(&mut admitted.turn, turn),
    );
    let entry = if !unready && outlook::nobody(gateway, admitted).is_some() {
        Entry::Down(Arc::clone(&admitted.resolution.group.name))
    } else {
        settle_in(admitted, detour, step)
    };
    if !matches!(entry, Entry::Taken) {
        (admitted.resolution, admitted.called, admitted.turn) = before;
    }
    entry
}

/// Makes the request and what is reserved for it those of the present group.
fn settle_in(admitted: &mut Admitted, detour: &mut Detour, step: &Step) -> Entry {
    let own = detour.request.as_ref().unwrap_or(&admitted.request);
    let request = match &step.with {
        None => None,
        Some(members) => match own.with(admitted.caller.kind, members) {
            Ok(request) => Some(request),
            Err(_) => return Entry::Closed,
        },
    };
    let now = unix_ms(SystemTime::now());
    let asks = request.as_ref().unwrap_or(own);
    let refused = match &mut admitted.books {
        Books::Open(permit) => admission::transfer(
            permit,
            &admission::Buyer { snapshot: &admitted.snapshot, standing: &admitted.standing },
            (&admitted.called, &admitted.resolution.group),
            asks,
            now,
        )
        .is_err(),
        Books::Closed | Books::Written(_) => false,
    };
    if refused {
        return Entry::Closed;
    }
    match (request, detour.request.take()) {
        (Some(new), None) => detour.request = Some(mem::replace(&mut admitted.request, new)),
        (Some(new), own) => (admitted.request, detour.request) = (new, own),
        (None, Some(own)) => admitted.request = own,
        (None, None) => {}
    }
    Entry::Taken
}
