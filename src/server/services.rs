//! What runs beside the traffic: DNS, probes, and the gauges that show both.

use crate::runtime::{RuntimeHandle, Snapshot};
use crate::store::{Query, Store, TEAMS, USERS};
use crate::telemetry::{Configured, DeploymentState, TargetLabels, Telemetry};
use crate::upstream::{Deployment, Upstreams};
use std::sync::Arc;
use std::time::Duration;

/// Tells the metrics which deployments and names exist.
pub(super) fn publish(telemetry: &Telemetry, snapshot: &Snapshot) {
    let targets = snapshot.deployments.iter().map(|deployment| labels(deployment)).collect();
    let aliases = snapshot.config.aliases.iter().map(|alias| Arc::from(alias.name.as_str())).collect();
    let config = &snapshot.config;
    telemetry.metrics.set_names(Configured {
        targets,
        aliases,
        master: config.server.master_key.is_some().then(|| Arc::clone(snapshot.verifier.bare_hash())),
        end_users: config.telemetry.end_users,
    });
    telemetry.metrics.config_generation(snapshot.generation);
}

fn labels(deployment: &Deployment) -> TargetLabels {
    let target = &deployment.target;
    TargetLabels {
        model_id: target.id.clone(),
        litellm_model_name: Arc::from(target.model.as_str()),
        api_base: Arc::from(target.api_base.as_str()),
        api_provider: Arc::clone(&deployment.traits.words.provider),
        group: Arc::from(target.group.as_str()),
        endpoint: Arc::from(endpoint(deployment.endpoint.origin())),
        tpm_limit: target.weights.tpm,
        rpm_limit: target.weights.rpm,
    }
}

fn endpoint(origin: &crate::domain::HostPort) -> String {
    format!("{}://{origin}", origin.scheme.as_str())
}

/// Keeps addresses and health fresh for ever, and the gauges with them.
pub(super) async fn watch(upstreams: Arc<Upstreams>, runtime: Arc<RuntimeHandle>, telemetry: Arc<Telemetry>) {
    upstreams
        .watch(|origin, up| {
            telemetry.metrics.endpoint_up(&endpoint(origin), up);
            let snapshot = runtime.load();
            for deployment in snapshot.deployments.iter().filter(|d| d.endpoint.origin() == origin) {
                telemetry.metrics.deployment_state(&deployment.target.id, state(deployment, up));
            }
        })
        .await;
}

/// Time between two counts of what the database has.
const COUNT: Duration = Duration::from_secs(5);

/// Shows for ever how many users and teams there are; while the database is away, how many there were.
pub(super) async fn count(store: Store, telemetry: Arc<Telemetry>) {
    let none = Query { limit: 0, ..Query::default() };
    loop {
        if let (Ok(users), Ok(teams)) = (store.list(&USERS, &none).await, store.list(&TEAMS, &none).await) {
            telemetry.metrics.population(users.total, teams.total);
        }
        tokio::time::sleep(COUNT).await;
    }
}

fn state(deployment: &Deployment, up: bool) -> DeploymentState {
    match (deployment.state.cooled().is_some(), up) {
        (true, _) => DeploymentState::Outage,
        (false, false) => DeploymentState::Partial,
        (false, true) => DeploymentState::Healthy,
    }
}
