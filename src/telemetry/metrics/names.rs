//! The names of one configuration.

use super::label::{Label, LabelSet, OTHER};
use super::series::Level;
use crate::domain::TargetId;
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// What metrics say about a deployment. Built once for each deployment of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetLabels {
    /// `model_id`.
    pub model_id: TargetId,
    /// `litellm_model_name` and `model`: the upstream's model without the provider's prefix; may hold `*`.
    pub litellm_model_name: Arc<str>,
    /// `api_base` as configured, without credentials.
    pub api_base: Arc<str>,
    /// `api_provider` (`openai`).
    pub api_provider: Arc<str>,
    /// `model_group`: the public name or pattern.
    pub group: Arc<str>,
    /// The origin it is served by (`https://host:443`), as given to [`super::Metrics::endpoint_up`].
    pub endpoint: Arc<str>,
    /// The configured `tpm`.
    pub tpm_limit: Option<u64>,
    /// The configured `rpm`.
    pub rpm_limit: Option<u64>,
}

impl TargetLabels {
    /// `base` with this deployment's values.
    pub(super) fn fill<'a>(&'a self, base: LabelSet<'a>) -> LabelSet<'a> {
        base.with(Label::ModelId, self.model_id.as_str())
            .with(Label::LitellmModelName, &self.litellm_model_name)
            .with(Label::Model, &self.litellm_model_name)
            .with(Label::ApiBase, &self.api_base)
            .with(Label::ApiProvider, &self.api_provider)
            .with(Label::ModelGroup, &self.group)
    }

    /// `openai/glm-5.1`.
    pub(super) fn prefixed_model(&self) -> String {
        format!("{}/{}", self.api_provider, self.litellm_model_name)
    }
}

/// A deployment and its gauges that are set on every answer (`None` if there was no room for one).
pub(super) struct Deployment {
    pub(super) labels: TargetLabels,
    pub(super) remaining_requests: OnceLock<Option<Level>>,
    pub(super) remaining_tokens: OnceLock<Option<Level>>,
}

/// The end users that get labels of their own, if any do; the others are one.
const MOST_END_USERS: usize = 500;

/// What a configuration says of names.
#[derive(Clone, Debug, Default)]
pub struct Configured {
    /// All deployments.
    pub targets: Vec<TargetLabels>,
    /// Other names of groups.
    pub aliases: Vec<Arc<str>>,
    /// The digest of the master key, in hex, if there is one.
    pub master: Option<Arc<str>>,
    /// Whether end users are told apart (`enable_end_user_cost_tracking_prometheus_only`).
    pub end_users: bool,
}

/// Numbers the generations.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// The names of one configuration.
pub(super) struct Names {
    /// No other generation of this process has it; never 0.
    pub(super) number: u64,
    pub(super) targets: HashMap<TargetId, Deployment, RandomState>,
    aliases: HashSet<Arc<str>>,
    master: Option<Arc<str>>,
    /// Those seen so far, if they are told apart.
    end_users: Option<RwLock<HashSet<Arc<str>>>>,
}

impl Names {
    pub(super) fn new(configured: Configured) -> Self {
        let Configured { targets, aliases, master, end_users } = configured;
        let deployment = |labels: TargetLabels| {
            let id = labels.model_id.clone();
            let (remaining_requests, remaining_tokens) = (OnceLock::new(), OnceLock::new());
            (id, Deployment { labels, remaining_requests, remaining_tokens })
        };
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            targets: targets.into_iter().map(deployment).collect(),
            aliases: aliases.into_iter().collect(),
            master,
            end_users: end_users.then(RwLock::default),
        }
    }

    /// Whether calls are told apart by nothing that changes from call to call.
    pub(super) const fn are_few(&self) -> bool {
        self.end_users.is_none()
    }

    pub(super) fn is_master(&self, key: &str) -> bool {
        self.master.as_deref() == Some(key)
    }

    /// What the label of an end user says, if they are told apart.
    pub(super) fn end_user<'a>(&self, id: &'a Arc<str>) -> Option<&'a str> {
        let seen = self.end_users.as_ref()?;
        if seen.read().unwrap_or_else(PoisonError::into_inner).contains(id) {
            return Some(id);
        }
        let mut seen = seen.write().unwrap_or_else(PoisonError::into_inner);
        let own = seen.len() < MOST_END_USERS && seen.insert(Arc::clone(id)) || seen.contains(id);
        Some(if own { id } else { OTHER })
    }

    pub(super) fn is_alias(&self, name: &str) -> bool {
        self.aliases.contains(name)
    }

    pub(super) fn labels(&self, target: &TargetId) -> Option<&TargetLabels> {
        self.targets.get(target).map(|deployment| &deployment.labels)
    }

    /// Whether a deployment of this id exists, and has not got other labels since `old`.
    pub(super) fn same(&self, old: &Self, id: &str) -> bool {
        let id = TargetId::new(id);
        match (self.labels(&id), old.labels(&id)) {
            (Some(now), Some(before)) => now == before,
            (now, _) => now.is_some(),
        }
    }
}
