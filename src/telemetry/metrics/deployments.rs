//! Upstream attempts, and the state of deployments.

use super::call::{AttemptShape, exception_class};
use super::family::{Builder, Family};
use super::label::{Label as L, LabelSet};
use super::latency::GROUP;
use super::names::{Deployment, Names, TargetLabels};
use super::series::{Count, Level};
use crate::domain::ErrorKind;
use prometheus::Error;

const COOLED: &[L] = &[L::LitellmModelName, L::ModelId, L::ApiBase, L::ApiProvider, L::ExceptionStatus];

/// The same without what went wrong.
const STATE: &[L] = COOLED.split_at(COOLED.len() - 1).0;

const FAILURE: &[L] = &[
    L::RequestedModel,
    L::LitellmModelName,
    L::ModelId,
    L::ApiBase,
    L::ApiProvider,
    L::HashedApiKey,
    L::ApiKeyAlias,
    L::Team,
    L::TeamAlias,
    L::ClientIp,
    L::UserAgent,
    L::ExceptionStatus,
    L::ExceptionClass,
];

/// The same without what went wrong.
const ATTEMPT: &[L] = FAILURE.split_at(FAILURE.len() - 2).0;

const API_FAILED: &[L] =
    &[L::EndUser, L::HashedApiKey, L::ApiKeyAlias, L::Model, L::Team, L::TeamAlias, L::User, L::ModelId];

/// How a deployment is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    /// 0: it takes calls.
    Healthy,
    /// 1: it failed lately and still takes calls.
    Partial,
    /// 2: it is cooling down.
    Outage,
}

/// Families about deployments.
pub(super) struct Deployments {
    /// 0 healthy, 1 failing, 2 cooling down.
    state: Family<Level>,
    /// Attempts.
    total: Family<Count>,
    /// Attempts that answered.
    success: Family<Count>,
    /// Attempts that failed, or broke off.
    failure: Family<Count>,
    /// Attempts that failed, by client labels.
    api_failed: Family<Count>,
    /// Times it was taken out of rotation.
    cooled_down: Family<Count>,
    /// Requests left of the upstream's quota, as it last said.
    remaining_requests: Family<Level>,
    /// Tokens left of the upstream's quota, as it last said.
    remaining_tokens: Family<Level>,
    /// Configured tokens a minute.
    tpm_limit: Family<Level>,
    /// Configured requests a minute.
    rpm_limit: Family<Level>,
}

/// One attempt's series.
pub(super) struct AttemptHandles {
    total: Count,
    success: Option<Count>,
    failure: Option<[Count; 2]>,
}

impl Deployments {
    pub(super) fn register(to: &mut Builder) -> Result<Self, Error> {
        Ok(Self {
            state: to.family("litellm_deployment_state", "0 healthy, 1 failing, 2 cooling down", STATE)?,
            total: to.family("litellm_deployment_total_requests_total", "Upstream attempts", ATTEMPT)?,
            success: to.family(
                "litellm_deployment_success_responses_total",
                "Upstream attempts that answered",
                ATTEMPT,
            )?,
            failure: to.family(
                "litellm_deployment_failure_responses_total",
                "Upstream attempts that failed or broke off",
                FAILURE,
            )?,
            api_failed: to.family(
                "litellm_llm_api_failed_requests_metric_total",
                "Upstream attempts that failed or broke off, by client",
                API_FAILED,
            )?,
            cooled_down: to.family(
                "litellm_deployment_cooled_down_total",
                "Times a deployment was taken out of rotation",
                COOLED,
            )?,
            remaining_requests: to.family(
                "litellm_remaining_requests_metric",
                "Requests left of the upstream's quota",
                GROUP,
            )?,
            remaining_tokens: to.family(
                "litellm_remaining_tokens_metric",
                "Tokens left of the upstream's quota",
                GROUP,
            )?,
            tpm_limit: to.family("litellm_deployment_tpm_limit", "Configured tokens a minute", STATE)?,
            rpm_limit: to.family("litellm_deployment_rpm_limit", "Configured requests a minute", STATE)?,
        })
    }

    pub(super) fn resolve(&self, labels: &LabelSet<'_>, shape: AttemptShape) -> AttemptHandles {
        let failure = shape.failure.map(|class| {
            // An attempt without an answer is counted under the status its class stands for.
            let answered = shape.failure.is_some() && shape.status >= 400;
            let status = if answered { shape.status } else { ErrorKind::Upstream(class).row().status };
            let (status, provider) = (status.to_string(), labels.get(L::ApiProvider));
            let class = exception_class(class.word(), Some(provider));
            let labels = labels.clone().with(L::ExceptionStatus, &status).with(L::ExceptionClass, &class);
            [self.failure.get(&labels), self.api_failed.get(&labels)]
        });
        // Neither answered nor failed: the client left first.
        let answered = failure.is_none() && (200..300).contains(&shape.status);
        let success = answered.then(|| self.success.get(labels));
        AttemptHandles { total: self.total.get(labels), success, failure }
    }

    pub(super) fn set_state(&self, target: &TargetLabels, state: DeploymentState) {
        let value = match state {
            DeploymentState::Healthy => 0.0,
            DeploymentState::Partial => 1.0,
            DeploymentState::Outage => 2.0,
        };
        if let Some(gauge) = self.state.own(&target.fill(LabelSet::new())) {
            gauge.set(value);
        }
    }

    pub(super) fn cool_down(&self, target: &TargetLabels, status: u16) {
        let status = status.to_string();
        self.cooled_down.get(&target.fill(LabelSet::new()).with(L::ExceptionStatus, &status)).inc();
    }

    pub(super) fn set_remaining(&self, target: &Deployment, requests: Option<f64>, tokens: Option<f64>) {
        let gauges = [
            (requests, &target.remaining_requests, &self.remaining_requests),
            (tokens, &target.remaining_tokens, &self.remaining_tokens),
        ];
        for (left, known, family) in gauges {
            let gauge = || known.get_or_init(|| family.own(&target.labels.fill(LabelSet::new())));
            if let Some(left) = left
                && let Some(gauge) = gauge()
            {
                gauge.set(left);
            }
        }
    }

    /// Forgets the gauges of deployments that are gone, and shows those that are there.
    pub(super) fn reconcile(&self, now: &Names, old: &Names) {
        let keep = |id: &str| now.same(old, id);
        self.state.retain(L::ModelId, &keep);
        self.remaining_requests.retain(L::ModelId, &keep);
        self.remaining_tokens.retain(L::ModelId, &keep);
        self.tpm_limit.retain(L::ModelId, &keep);
        self.rpm_limit.retain(L::ModelId, &keep);
        for deployment in now.targets.values() {
            let labels = deployment.labels.fill(LabelSet::new());
            // Made here so that a deployment shows as healthy before its first call; an old value stays.
            self.state.own(&labels);
            set_limit(&self.tpm_limit, &labels, deployment.labels.tpm_limit);
            set_limit(&self.rpm_limit, &labels, deployment.labels.rpm_limit);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a limit is far below 2^52")]
fn set_limit(family: &Family<Level>, labels: &LabelSet<'_>, limit: Option<u64>) {
    if let Some(limit) = limit
        && let Some(gauge) = family.own(labels)
    {
        gauge.set(limit as f64);
    }
}

impl AttemptHandles {
    /// Counts so many attempts.
    pub(super) fn count(&self, attempts: u64) {
        let answered = std::iter::once(&self.total).chain(&self.success);
        answered.chain(self.failure.iter().flatten()).for_each(|series| series.inc_by(attempts));
    }
}
