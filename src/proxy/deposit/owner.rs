//! Whose a thing is, and who has it: what stands in the ids that clients are given.

use crate::auth::receipt::{self, Name, Receipt};
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use crate::runtime::{Resolution, Snapshot, Standing};
use crate::upstream::Deployment;

/// The stand-in for a deployment's name is of this kind.
const DEPLOYMENT: &str = "deployment";

/// Whose what is made by this caller will be: its team's, else its key's.
pub(super) fn of(standing: &Standing) -> Name {
    let team = standing.key().and_then(|key| key.team_id.as_deref());
    team.map_or_else(|| of_key(standing), |team| receipt::name("team", team))
}

fn of_key(standing: &Standing) -> Name {
    receipt::name("key", &standing.key_hash)
}

/// The master key may see what anybody has.
fn may_use(standing: &Standing, owner: Name) -> bool {
    standing.key().is_none() || owner == of(standing) || owner == of_key(standing)
}

/// The stand-in for a deployment.
pub(super) fn deployment(target: &Deployment) -> Name {
    receipt::name(DEPLOYMENT, target.target.id.as_str())
}

/// What an id says, and the deployment that it means.
///
/// # Errors
/// Nothing of the caller's has this id, or its deployment is gone.
pub(super) fn open(
    snapshot: &Snapshot,
    standing: &Standing,
    id: &str,
    kind: EndpointKind,
) -> Result<(Receipt, Resolution), ApiError> {
    let what = if kind == EndpointKind::Files { "File" } else { "Batch" };
    // Somebody else's is not told apart from none.
    let missing =
        || ApiError::new(ErrorKind::Missing, format!("No such {what} object: {id}")).with_param("id");
    let receipt = snapshot.seal.open(id).filter(|own| may_use(standing, own.owner)).ok_or_else(missing)?;
    let given = snapshot.single(|own| deployment(own) == receipt.deployment).ok_or_else(|| {
        let words = format!("The deployment that has {id} is no longer configured.");
        ApiError::new(ErrorKind::Missing, words)
    })?;
    Ok((receipt, given))
}
