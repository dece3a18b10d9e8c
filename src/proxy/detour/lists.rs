//! Where a call may go: what the client and the configuration say.

use crate::dialects::openai::{Request, Wanted, Wish, Wishes};
use crate::domain::{ApiError, EndpointKind};
use crate::proxy::stage::Admitted;
use crate::routing::{Reason, Step};
use crate::runtime::{Group, Snapshot, Standing};
use std::sync::Arc;

/// What lists of fallbacks may know the present group by.
pub(super) fn names(admitted: &Admitted) -> [&str; 3] {
    [&admitted.called, admitted.standing.alias(&admitted.called), &admitted.resolution.group.name]
}

/// What a group falls back to: what the client says for the group it asked for, what is said for this kind of error,
/// what is said for all. What a client says takes the place of what is configured.
pub(super) fn next(admitted: &Admitted, names: &[&str], reason: Reason, is_first: bool) -> Vec<Step> {
    // What one upstream keeps no other has.
    if admitted.errand.as_ref().is_some_and(|errand| errand.is_bound()) {
        return Vec::new();
    }
    let configured = &admitted.snapshot.config.router.fallbacks;
    let Some(wishes) = &admitted.wishes else {
        return configured.of(names, reason).iter().cloned().map(Step::to).collect();
    };
    if wishes.disabled {
        return Vec::new();
    }
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
pub(in crate::proxy) fn wishes(
    snapshot: &Snapshot,
    standing: &Standing,
    kind: EndpointKind,
    request: &Request,
) -> Result<Option<Box<Wishes>>, ApiError> {
    let Some(wishes) = request.wishes()? else { return Ok(None) };
    for wish in wishes.all() {
        let resolution = snapshot.resolve(standing.alias(&wish.model));
        standing.may_call(&Group::asked(&wish.model, resolution.as_ref().map(|found| &*found.group)))?;
        if let Some(members) = &wish.with {
            request.with(kind, members)?;
        }
    }
    Ok(Some(wishes))
}
