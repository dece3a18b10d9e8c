//! Which deployments a caller may know of.

use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::Refusal;
use crate::providers::Target;
use crate::runtime::Snapshot;
use serde_json::Value;
use std::sync::Arc;

/// The deployments whose groups both the key's list and its team's allow, in order.
pub(super) async fn visible(
    control: &Control,
    snapshot: &Snapshot,
    principal: &Principal,
) -> Result<Vec<Arc<Target>>, Refusal> {
    let mut lists: Vec<Vec<Arc<str>>> = Vec::new();
    if let Some(key) = &principal.key {
        let team = match &key.team_id {
            Some(team) => control.directory.team(team).await?,
            None => None,
        };
        lists.extend(team.map(|team| team.models.clone()));
        if lists.is_empty()
            && let Some(user) = &key.user_id
        {
            lists.extend(control.directory.user(user).await?.map(|user| user.models.clone()));
        }
        if !key.models.iter().any(|name| &**name == "all-team-models") {
            lists.push(key.models.clone());
        }
    }
    let targets = snapshot.deployments.iter().map(|deployment| &deployment.target);
    Ok(targets.filter(|target| lists.iter().all(|list| allows(list, target))).cloned().collect())
}

/// An empty list allows all.
fn allows(list: &[Arc<str>], target: &Target) -> bool {
    let groups = target.info.raw.get("access_groups").and_then(Value::as_array);
    let in_group = |name: &str| groups.is_some_and(|groups| groups.iter().any(|group| group == name));
    list.is_empty()
        || list.iter().any(|name| {
            let starts = name.strip_suffix('*').is_some_and(|start| target.group.starts_with(start));
            &**name == "all-proxy-models" || **name == *target.group || starts || in_group(name)
        })
}
