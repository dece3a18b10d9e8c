//! One configuration made ready to serve.

use super::known::CustomerTerms;
use super::names::Names;
use super::queue::{self, Queues};
use super::{Directory, Group, House, Resolution, Standing, Terms};
use crate::auth::Verifier;
use crate::auth::receipt::Seal;
use crate::config::{Config, GroupConfig};
use crate::domain::{ApiError, EndpointKind, ErrorKind, HostPort, TargetId};
use crate::limits::Zone;
use crate::providers::Passage;
use crate::upstream::{Deployment, Endpoint, Searcher, Uncallable, Upstreams};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Everything a request needs to know, immutable.
pub struct Snapshot {
    /// What it was made from.
    pub config: Config,
    /// Counts the snapshots of this process, from 1.
    pub generation: u64,
    /// Knows the master key.
    pub verifier: Verifier,
    /// What every call passes.
    pub house: House,
    /// All deployments, in file order.
    pub deployments: Vec<Arc<Deployment>>,
    /// All groups, in order of appearance.
    pub groups: Vec<Arc<Group>>,
    /// Whether any group wants to know what calls have in common.
    pub wants_affinity: bool,
    /// Whether calls of some group may have to wait for their turn.
    pub has_queues: bool,
    /// Whether some deployment answers with a text of the configuration.
    pub has_mocks: bool,
    /// Seals the ids of what upstreams keep.
    pub seal: Seal,
    by_id: HashMap<TargetId, usize>,
    names: Names,
    /// By name.
    searchers: HashMap<String, Arc<Searcher>>,
    /// The longest paths first.
    passages: Vec<(Arc<Passage>, Arc<Endpoint>)>,
}

/// Why a configuration cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A deployment has a header, key or path that cannot stand in a request.
    #[error("a deployment cannot be called: {0}")]
    Deployment(#[from] Uncallable),
}

impl Snapshot {
    /// Makes a configuration ready; names are resolved by DNS here and not later.
    ///
    /// # Errors
    /// [`PrepareError`]; whatever was serving goes on serving.
    pub async fn prepare(
        config: Config,
        upstreams: &Upstreams,
        directory: &Directory,
        generation: u64,
    ) -> Result<Self, PrepareError> {
        let passed = config.passages.iter().map(|passage| &passage.origin);
        let searched = config.search_tools.iter().map(|tool| &tool.origin);
        let origins: Vec<&HostPort> = passed.chain(searched).collect();
        let (deployments, mut endpoints) = upstreams.prepare(&config.targets, &origins).await?;
        let of_tools = endpoints.split_off(config.passages.len());
        let passages = config.passages.iter().cloned().zip(endpoints).collect();
        let tools = config.search_tools.iter().cloned().zip(of_tools);
        let searchers =
            tools.map(|(tool, at)| (tool.name.clone(), Arc::new(Searcher::new(tool, at)))).collect();
        queue::configure(&deployments, &config);
        let mut queues = Queues::new(&config, upstreams);
        let groups = groups(&deployments, &config, &mut queues);
        let by_name: HashMap<&str, &Arc<Group>> = groups.iter().map(|g| (&*g.name, g)).collect();
        let aliases = config.aliases.iter().filter_map(|alias| {
            let members: Vec<&Arc<Group>> =
                alias.groups.iter().filter_map(|name| by_name.get(name.as_str()).copied()).collect();
            let group = match members.as_slice() {
                [] => return None,
                [one] => Arc::clone(one),
                many => Arc::new(union(&alias.name, many, &config, &mut queues)),
            };
            Some((alias.name.clone(), group))
        });
        let names = Names::new(&groups, aliases.collect());
        let verifier = Verifier::new(config.server.master_key.clone());
        directory.set_zone(zone(config.spending.time_zone.as_deref()));
        directory.set_customer_terms(CustomerTerms {
            budget: config.spending.customer_budget,
            budget_id: config.spending.customer_budget_id.clone(),
        });
        let house = House::prepare(&config, directory, verifier.bare_hash()).await;
        upstreams.watch_stations(&told_about(&groups, names.groups()));
        let has_queues = groups.iter().any(|group| group.queue.is_some());
        let wants_affinity = groups.iter().any(|group| group.choice().entry.by_affinity);
        let has_mocks = deployments.iter().any(|d| d.target.params.mock_response.is_some());
        let seal = Seal::new(config.stored.salt.as_ref());
        Ok(Self {
            config,
            generation,
            verifier,
            house,
            by_id: (0..).zip(&deployments).map(|(at, d)| (d.target.id.clone(), at)).collect(),
            deployments,
            groups,
            wants_affinity,
            has_queues,
            has_mocks,
            seal,
            names,
            searchers,
            passages,
        })
    }

    /// Finds the group that a name stands for.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Resolution> {
        self.names.find(name).or_else(|| self.resolve_single(name))
    }

    /// The deployment of this id.
    #[must_use]
    pub fn deployment(&self, id: &TargetId) -> Option<&Arc<Deployment>> {
        self.deployments.get(*self.by_id.get(id)?)
    }

    /// The search tool of that name.
    #[must_use]
    pub fn searcher(&self, name: &str) -> Option<&Arc<Searcher>> {
        self.searchers.get(name)
    }

    /// Finds the pass-through endpoint that a path leads to, with what follows its own path.
    #[must_use]
    pub fn passage<'a>(&self, path: &'a str) -> Option<(&Arc<Passage>, &Arc<Endpoint>, &'a str)> {
        self.passages.iter().find_map(|(passage, endpoint)| Some((passage, endpoint, passage.below(path)?)))
    }

    /// The group that a name stands for when this caller says it, if the lists of models let it through.
    ///
    /// # Errors
    /// The first list that does not, or that nothing has this name, in LiteLLM's words.
    pub fn resolve_for(
        &self,
        standing: &Standing,
        kind: EndpointKind,
        requested: &str,
    ) -> Result<Resolution, ApiError> {
        let resolution = self.resolve(standing.alias(requested)).filter(|_| !requested.is_empty());
        standing.may_call(&Group::asked(requested, resolution.as_ref().map(|found| &*found.group)))?;
        resolution.ok_or_else(|| unknown_model(self, kind, requested))
    }

    /// Whether a caller's name for a model stands for something.
    #[must_use]
    pub fn knows(&self, standing: &Standing, requested: &str) -> bool {
        !requested.is_empty() && self.resolve(standing.alias(requested)).is_some()
    }

    /// Whether some public name has a star: an unknown name is then told apart differently.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.names.has_wildcard()
    }

    /// Learns what the groups of another snapshot have learned, by name.
    pub(super) fn take_over(&self, other: &Self) {
        let known: HashMap<&str, &Arc<Group>> =
            other.groups.iter().map(|group| (&*group.name, group)).collect();
        for group in &self.groups {
            if let Some(known) = known.get(&*group.name) {
                group.learned.take_over(&known.learned);
                if let (Some(hedge), Some(known)) = (&group.hedge, &known.hedge) {
                    hedge.take_over(known);
                }
            }
        }
    }

    /// The names that clients may see: aliases first, then groups.
    pub fn public_names(&self) -> impl Iterator<Item = &str> {
        let aliases = self.config.aliases.iter().filter(|alias| !alias.hidden).map(|a| a.name.as_str());
        aliases.chain(self.groups.iter().map(|group| &*group.name))
    }

    /// The one deployment that is meant, whatever its name would stand for.
    #[must_use]
    pub fn single(&self, wanted: impl Fn(&Deployment) -> bool) -> Option<Resolution> {
        let found = self.deployments.iter().find(|deployment| wanted(deployment))?;
        let name = &found.target.group;
        let whole = self.groups.iter().find(|group| *group.name == **name);
        let only = vec![Arc::clone(found)];
        let queue = whole.and_then(|group| Some(group.queue.as_ref()?.among(&only)));
        let terms = terms(&self.config, name);
        Some(Resolution::of(Group::new(name, only, &terms).with_queue(queue)))
    }

    /// The same, where a name with a star gives way to those of the models that its servers have, as far as
    /// they told.
    #[must_use]
    pub fn listed_names(&self) -> Vec<Cow<'_, str>> {
        let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
        let mut names = Vec::new();
        for name in self.public_names() {
            let group = self.groups.iter().find(|group| *group.name == *name && name.contains('*'));
            let found = match group.and_then(|group| group.models_there()) {
                Some(models) => models.into_iter().map(Cow::Owned).collect(),
                None => vec![Cow::Borrowed(name)],
            };
            names.extend(found.into_iter().filter(|name| seen.insert(name.clone())));
        }
        names
    }

    /// The deployments that stand for whatever models their servers have.
    #[must_use]
    pub fn listing(&self) -> Vec<Arc<Deployment>> {
        let lists = |deployment: &&Arc<Deployment>| {
            deployment.station.is_some()
                && deployment.target.lists_models()
                && deployment.target.unserved.is_none()
        };
        self.deployments.iter().filter(lists).cloned().collect()
    }

    fn resolve_single(&self, name: &str) -> Option<Resolution> {
        let provider_names = !self.has_wildcard();
        let found: Vec<Arc<Deployment>> = self
            .deployments
            .iter()
            .filter(|d| {
                let target = &d.target;
                target.id.as_str() == name
                    || (provider_names
                        && name
                            .strip_prefix(target.provider.as_str())
                            .and_then(|rest| rest.strip_prefix('/'))
                            .is_some_and(|model| model == target.model))
            })
            .cloned()
            .collect();
        let first = found.first()?.target.group.clone();
        let whole = self.groups.iter().find(|group| *group.name == *first);
        let queue = whole.and_then(|group| Some(group.queue.as_ref()?.among(&found)));
        let terms = terms(&self.config, &first);
        Some(Resolution::of(Group::new(&first, found, &terms).with_queue(queue)))
    }
}

/// The deployments of groups that have a choice, where it matters how servers are doing.
fn told_about<'a>(
    groups: &'a [Arc<Group>],
    aliases: impl Iterator<Item = &'a Arc<Group>>,
) -> Vec<Arc<Deployment>> {
    let choosing = groups.iter().chain(aliases).filter(|group| group.has_stations);
    let mut found: Vec<Arc<Deployment>> = Vec::new();
    let mut known: HashSet<*const Deployment> = HashSet::new();
    for deployment in choosing.flat_map(|group| &group.deployments) {
        if known.insert(Arc::as_ptr(deployment)) {
            found.push(Arc::clone(deployment));
        }
    }
    found
}

fn unknown_model(snapshot: &Snapshot, kind: EndpointKind, requested: &str) -> ApiError {
    let name = if requested.is_empty() { "None" } else { requested };
    let words = if snapshot.has_wildcard() {
        format!(
            "litellm.BadRequestError: You passed in model={name}. There are no healthy deployments for this \
             model. Received Model Group={name}\nAvailable Model Group Fallbacks=None"
        )
    } else {
        format!(
            "{}: Invalid model name passed in model={name}. Call `/v1/models` to view available models for \
             your key.",
            kind.upstream_path()
        )
    };
    ApiError::new(ErrorKind::UnknownModel, words)
}

/// Unknown names were refused with the configuration.
pub(crate) fn zone(name: Option<&str>) -> Zone {
    name.and_then(|name| Zone::named(name).ok()).unwrap_or(Zone::UTC)
}

/// How the group of that name is served.
fn terms(config: &Config, name: &str) -> Terms {
    let router = &config.router;
    let own = |group: Option<&GroupConfig>| group.and_then(|group| group.strategy);
    let all = config.groups.0.iter().filter_map(|(_, group)| group.strategy);
    Terms {
        num_retries: router.num_retries,
        choice: own(config.groups.of(name)).unwrap_or(router.strategy),
        filters: router.filters,
        hedge: config.groups.of(name).and_then(|group| group.hedge),
        notes: all.fold(router.strategy.entry.notes, |notes, choice| notes.or(choice.entry.notes)),
    }
}

fn groups(deployments: &[Arc<Deployment>], config: &Config, queues: &mut Queues<'_>) -> Vec<Arc<Group>> {
    let mut order: Vec<&str> = Vec::new();
    let mut members: HashMap<&str, Vec<Arc<Deployment>>> = HashMap::new();
    for deployment in deployments {
        let name = deployment.target.group.as_str();
        members.entry(name).or_insert_with(|| {
            order.push(name);
            Vec::new()
        });
        if let Some(list) = members.get_mut(name) {
            list.push(Arc::clone(deployment));
        }
    }
    let mut groups = Vec::with_capacity(order.len());
    for name in order {
        let list = members.remove(name).unwrap_or_default();
        let queue = queues.of(name, &list);
        groups.push(Arc::new(Group::new(name, list, &terms(config, name)).with_queue(queue)));
    }
    groups
}

fn union(name: &str, groups: &[&Arc<Group>], config: &Config, queues: &mut Queues<'_>) -> Group {
    let deployments: Vec<_> = groups.iter().flat_map(|group| group.deployments.iter().cloned()).collect();
    let num_retries = groups.iter().map(|group| group.num_retries).max().unwrap_or_default();
    let queue = queues.of(name, &deployments);
    Group::new(name, deployments, &Terms { num_retries, ..terms(config, name) }).with_queue(queue)
}
