//! A call whose group does not answer goes to the next one that may.
//!
//! Nothing of this is looked at until a group has failed. A fallback has to be allowed for the caller like any model;
//! what is reserved moves with the call.

use super::admission;
use super::phases::upstream_peer;
use super::stage::{Admitted, Books};
use crate::dialects::openai::{Request, Wanted, Wish, Wishes};
use crate::domain::{ApiError, EndpointKind, unix_ms};
use crate::routing::{Reason, Step, Trail};
use crate::runtime::{Resolution, Snapshot, Standing};
use crate::upstream::Deployment;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

/// A call that left the group it asked for.
pub(super) struct Detour {
    trail: Trail,
    /// What that group said: the client's answer if no other has a better one.
    error: ApiError,
    deployment: Option<Arc<Deployment>>,
    asked: Resolution,
    /// The client's own request, while it is another that is made.
    request: Option<Request>,
    /// The groups that were asked instead, the present one last.
    groups: Vec<Arc<str>>,
}

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
    admitted: &mut Admitted,
    error: ApiError,
    deployment: Option<Arc<Deployment>>,
) -> Result<(), Ended> {
    if admitted.wishes.as_ref().is_some_and(|wishes| wishes.disabled) {
        return Err((error, deployment));
    }
    let is_first = admitted.progress.detour.is_none();
    let next = next(admitted, &names(admitted), Reason::of(error.kind), is_first);
    if is_first && next.is_empty() {
        return Err((error, deployment));
    }
    let mut detour = match admitted.progress.detour.take() {
        Some(detour) => detour,
        None => Box::new(Detour::new(admitted, &error, deployment.as_ref())),
    };
    detour.trail.branch(next);
    while let Some(step) = detour.trail.advance() {
        match enter(admitted, &mut detour, &step) {
            Entry::Taken => {
                detour.groups.push(step.name);
                admitted.progress.begin_again(detour);
                return Ok(());
            }
            Entry::Down(group) => {
                let names = [&*step.name, &*group];
                detour.trail.branch(self::next(admitted, &names, Reason::Failure, false));
            }
            Entry::Closed => {}
        }
    }
    let ended = detour.end(admitted, &error);
    admitted.progress.detour = Some(detour);
    Err(ended)
}

/// Whether a call could go elsewhere if its group failed now, as far as can be told without trying.
pub(super) fn has_next(admitted: &Admitted) -> bool {
    let disabled = admitted.wishes.as_ref().is_some_and(|wishes| wishes.disabled);
    let is_first = admitted.progress.detour.is_none();
    let goes_on = |detour: &Detour| detour.trail.has_left();
    !disabled
        && (admitted.progress.detour.as_deref().is_some_and(goes_on)
            || !next(admitted, &names(admitted), Reason::Failure, is_first).is_empty())
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

fn enter(admitted: &mut Admitted, detour: &mut Detour, step: &Step) -> Entry {
    let Some(resolution) = admitted.snapshot.resolve(&step.name) else { return Entry::Closed };
    let same = Arc::ptr_eq(&resolution.group, &admitted.resolution.group);
    if same || admission::may_call(&admitted.standing, &step.name, Some(&resolution)).is_err() {
        return Entry::Closed;
    }
    if upstream_peer::nobody(admitted, &resolution, &step.name).is_some() {
        return Entry::Down(Arc::clone(&resolution.group.name));
    }
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
            (&step.name, &resolution.group),
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
        (Some(new), None) => detour.request = Some(std::mem::replace(&mut admitted.request, new)),
        (Some(new), own) => (admitted.request, detour.request) = (new, own),
        (None, Some(own)) => admitted.request = own,
        (None, None) => {}
    }
    admitted.called = Arc::clone(&step.name);
    admitted.resolution = resolution;
    Entry::Taken
}

/// What lists of fallbacks may know the present group by.
fn names(admitted: &Admitted) -> [&str; 3] {
    [&admitted.called, admitted.standing.alias(&admitted.called), &admitted.resolution.group.name]
}

/// What a group falls back to: what the client says for the group it asked for, what is said for this kind of error,
/// what is said for all. What a client says takes the place of what is configured.
fn next(admitted: &Admitted, names: &[&str], reason: Reason, is_first: bool) -> Vec<Step> {
    let configured = &admitted.snapshot.config.router.fallbacks;
    let Some(wishes) = &admitted.wishes else {
        return configured.of(names, reason).iter().cloned().map(Step::to).collect();
    };
    let standing = &admitted.standing;
    let mut steps = Vec::new();
    if let (Some(Wanted::These(list)), true) = (&wishes.failure, is_first) {
        steps.extend(list.iter().map(|wish| step(standing, wish)));
    }
    let (wished, special) = match reason {
        Reason::ContextWindow => (&wishes.context_window, configured.context_window.of(names)),
        Reason::ContentPolicy => (&wishes.content_policy, configured.content_policy.of(names)),
        Reason::Failure => (&None, None),
    };
    let before = steps.len();
    match wished {
        Some(wanted) => steps.extend(wanted_of(wanted, names, is_first).map(|wish| step(standing, wish))),
        None => steps.extend(special.unwrap_or_default().iter().cloned().map(Step::to)),
    }
    if steps.len() > before {
        return steps;
    }
    match &wishes.failure {
        Some(Wanted::These(_)) => {}
        Some(wanted) => steps.extend(wanted_of(wanted, names, is_first).map(|wish| step(standing, wish))),
        None => steps.extend(configured.of(names, Reason::Failure).iter().cloned().map(Step::to)),
    }
    steps
}

fn wanted_of<'a>(wanted: &'a Wanted, names: &[&str], is_first: bool) -> impl Iterator<Item = &'a Wish> {
    let list = match wanted {
        Wanted::These(list) if is_first => list.as_slice(),
        Wanted::These(_) => &[],
        Wanted::ByGroup(lists) => {
            let of =
                |name: &str| lists.iter().find(|(group, _)| group == name).map(|(_, list)| list.as_slice());
            names.iter().copied().chain(["*"]).find_map(of).unwrap_or_default()
        }
    };
    list.iter()
}

/// A client's name for a model means what it means when it is asked for.
fn step(standing: &Standing, wish: &Wish) -> Step {
    Step { name: Arc::from(standing.alias(&wish.model)), with: wish.with.clone() }
}

/// What a request says of its fallbacks, all of which the caller may call.
///
/// # Errors
/// It names a model that the caller may not have, or changes what may not be changed.
pub(super) fn wishes(
    snapshot: &Snapshot,
    standing: &Standing,
    kind: EndpointKind,
    request: &Request,
) -> Result<Option<Box<Wishes>>, ApiError> {
    let Some(wishes) = request.wishes()? else { return Ok(None) };
    for wish in wishes.all() {
        let resolution = snapshot.resolve(standing.alias(&wish.model));
        admission::may_call(standing, &wish.model, resolution.as_ref())?;
        if let Some(members) = &wish.with {
            request.with(kind, members)?;
        }
    }
    Ok(Some(wishes))
}
