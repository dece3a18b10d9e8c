//! From the file's tree and the environment to a [`Config`]: pure, and every fault at once.

mod aliases;
mod database;
mod deployment;
mod environment;
mod fallbacks;
mod groups;
mod hedge;
mod key_terms;
mod master_key;
mod params;
mod passages;
mod policies;
mod pool;
mod prices;
mod provider;
mod queue;
mod realtime;
mod router;
mod search;
mod server;
mod shared;
mod shown;
mod sinks;
mod spending;
mod stored;
mod strategy;
mod targets;
mod telemetry;
mod vendors;

use super::audit::{self, AuditRow};
use super::field::{Report, Section};
use super::resolve::{Unset, resolve};
use super::tree::{Entry, Node, Value};
use super::{AccessLogTarget, Config, ConfigError, ConfigFile, Env, Settings, Warning};
use std::net::IpAddr;
use std::path::PathBuf;

#[cfg(test)]
pub(crate) use passages::is_own as is_own_path;
pub(in crate::config) use shown::is_credential;
pub use stored::StoredModels;

/// What the command line says; it wins over file and environment.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Where to listen.
    pub host: Option<IpAddr>,
    /// The port to listen on.
    pub port: Option<u16>,
    /// Data-plane runtimes; 0 means one per core.
    pub workers: Option<usize>,
    /// Listen on a public address even with a missing or sample master key.
    pub allow_insecure: bool,
    /// Where the access log goes.
    pub access_log: Option<AccessLogTarget>,
    /// The folder for this process's own files.
    pub data_dir: Option<PathBuf>,
}

/// A configuration that can be used, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The configuration.
    pub config: Config,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
    /// One row for each key of the file.
    pub audit: Vec<AuditRow>,
}

/// Compiles a configuration.
///
/// # Errors
/// Every fault there is, in file order. None holds a secret.
pub fn compile(file: &ConfigFile, env: &Env, overrides: &Overrides) -> Result<Compiled, Vec<ConfigError>> {
    let mut report = Report::default();
    env.warnings().iter().for_each(|warning| report.warn(warning.place.clone(), &warning.message));
    let env = environment::overlaid(&file.root, env, &mut report);
    let root = resolved_settings(&file.root, &env, &mut report);
    let sections = Sections {
        litellm: Section::of(&root, "", "litellm_settings", &mut report),
        router: Section::of(&root, "", "router_settings", &mut report),
        general: Section::of(&root, "", "general_settings", &mut report),
        tollgate: Section::of(&root, "", "tollgate", &mut report),
    };
    let server = server::compile(&sections, &env, overrides, &mut report);
    let telemetry = telemetry::compile(&sections, &env, &mut report);
    let spending = spending::compile(&sections, &mut report);
    let router = router::compile(&sections, &env, &mut report);
    let queue = queue::compile(&sections, &mut report);
    let realtime = realtime::compile(&sections.tollgate, &mut report);
    let targets = targets::compile(&file.root, &sections, &env, &file.catalog, &mut report);
    let mut passages = passages::compile(&sections.general, &env, &mut report);
    vendors::add(&mut passages, &targets, &env, &file.catalog);
    let search_tools = search::compile(&file.root, &env, &mut report);
    let search_loop = search::compile_loop(&sections.tollgate, &mut report);
    let aliases = aliases::compile(&sections.router, &targets, &mut report);
    fallbacks::check(&sections, &router.fallbacks, &targets, &aliases, &mut report);
    let groups = groups::compile(&sections, &router, &queue, (&targets, &aliases), &mut report);
    let stored = stored::compile(&sections, &env, &file.catalog, server.master_key.as_ref(), &mut report);
    if !report.errors.is_empty() {
        report.errors.sort_by(|a, b| a.place.position().cmp(&b.place.position()));
        return Err(report.errors);
    }
    let settings = Settings::of(&root);
    let config = Config {
        server,
        telemetry,
        spending,
        router,
        queue,
        realtime,
        groups,
        targets,
        passages,
        search_tools,
        search_loop,
        aliases,
        stored,
        settings,
    };
    Ok(Compiled { config, warnings: report.warnings, audit: audit::audit(file) })
}

/// Parses a text and compiles it.
///
/// # Errors
/// As [`ConfigFile::parse`] and [`compile`].
pub fn parse_and_compile(text: &str, env: &Env, overrides: &Overrides) -> Result<Compiled, Vec<ConfigError>> {
    let file = ConfigFile::parse(text, "config.yaml").map_err(|fault| vec![fault])?;
    compile(&file, env, overrides)
}

/// The sections that hold settings.
struct Sections<'a> {
    litellm: Section<'a>,
    router: Section<'a>,
    general: Section<'a>,
    tollgate: Section<'a>,
}

/// Everything but the models, with references to the environment replaced. The models keep theirs,
/// because which variable a key comes from decides whether it is a pool.
fn resolved_settings(root: &Node, env: &Env, report: &mut Report) -> Node {
    let resolved = |entry: &Entry| {
        let node = resolve(&entry.node, &entry.key, env, &mut |unset| warn_unset(&unset, report));
        Entry { node, ..entry.clone() }
    };
    let others = |entry: &&Entry| {
        !matches!(entry.key.as_str(), "model_list" | "search_tools" | "environment_variables")
    };
    let entries = root.entries().iter().filter(others).map(resolved).collect();
    Node { mark: root.mark.clone(), value: Value::Map(entries) }
}

fn warn_unset(unset: &Unset<'_>, report: &mut Report) {
    report.warn(unset.place.clone(), format!("the variable {} is not set", unset.variable));
}

/// Whether a credential is one that documentation shows.
#[must_use]
pub fn is_placeholder(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let shown =
        ["change-me", "changeme", "change_me", "your-", "your_", "placeholder", "replace-me", "replace_me"];
    (value.starts_with('<') && value.ends_with('>')) || shown.iter().any(|word| value.contains(word))
}

#[cfg(test)]
mod tests;
