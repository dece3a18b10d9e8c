//! `tollgate ollama`: the models of an Ollama server, and the entries of a configuration file that lead to them.

mod arguments;
mod edit;
mod library;
mod plan;
mod server;
#[cfg(test)]
mod tests;

pub(super) use arguments::Ollama;

use super::init::write;
use super::output::{complain, finish};
use super::serve::DEFAULT_CONFIG;
use super::style::{Style, Tone};
use crate::config::tree::Node;
use crate::config::{ConfigError, Env, Overrides, parse_and_compile, yaml};
use arguments::{Available, Pull, Sync, Work};
use edit::{EditError, Splice};
use plan::Plan;
use server::ServerError;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{0}: {1}")]
    File(String, io::Error),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0} includes other files; name the one that holds the models with --config")]
    Includes(String),
    #[error(
        "the Ollama entries of the file lead to several servers; say with --api-base which of them is meant"
    )]
    Several,
    #[error("{0}: {1}")]
    Edit(String, EditError),
    #[error("{0} could not be served after that; it stays as it is:\n{1}")]
    Breaks(String, String),
    #[error("there is no such kind; there are {0}")]
    Kind(String),
    #[error("{0:?} is no name of a model")]
    Name(String),
}

pub(super) fn run(arguments: &Ollama) -> ExitCode {
    let env = Env::from_process().with_dotenv_file(Path::new(".env"));
    let done = match &arguments.command {
        Work::List(place) => list(&url(place.url.as_deref(), &env)),
        Work::ListAvailable(wish) => available(wish),
        Work::Pull(wish) => pull(wish, &env),
        Work::Sync(wish) => sync(wish, &env),
    };
    match done {
        Ok(text) => finish(&text, 0),
        Err(error) => {
            complain(&format!("{} {error}\n", Style::of_stderr().paint(Tone::Bad, "error:")));
            ExitCode::FAILURE
        }
    }
}

/// Where the server is: as said, else as Ollama's own client and LiteLLM would have it.
fn url(said: Option<&str>, env: &Env) -> String {
    let known = said.or_else(|| env.filled("OLLAMA_HOST")).or_else(|| env.filled("OLLAMA_API_BASE"));
    server::address(known.unwrap_or(server::DEFAULT))
}

fn list(url: &str) -> Result<String, Failure> {
    let models = server::installed(url)?;
    if models.is_empty() {
        return Ok(format!("{url} has no models; get one with tollgate ollama pull\n"));
    }
    let width = models.iter().map(|model| model.name.len()).max().unwrap_or_default().max(4);
    let mut out = format!("{:width$}  {:>9}  {:>10}  {}\n", "name", "size", "parameters", "in memory");
    for model in &models {
        let loaded = if model.loaded { "yes" } else { "" };
        let row =
            format!("{:width$}  {:>9}  {:>10}  {loaded}", model.name, size(model.size), model.parameters);
        _ = writeln!(out, "{}", row.trim_end());
    }
    Ok(out)
}

#[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes >= 1e9 { format!("{:.1} GB", bytes / 1e9) } else { format!("{:.1} MB", bytes / 1e6) }
}

fn available(wish: &Available) -> Result<String, Failure> {
    let kind = wish.category.as_deref();
    if kind.is_some_and(|kind| !library::KINDS.contains(&kind)) {
        return Err(Failure::Kind(library::KINDS.join(", ")));
    }
    let mut out = String::new();
    for model in library::find(kind, wish.search.as_deref()) {
        _ = writeln!(out, "{:24} {:18} {} ({})", model.name, model.kinds.join(","), model.about, model.sizes);
    }
    if out.is_empty() {
        out.push_str("none of the models known here; ");
    }
    out.push_str("all there are: https://ollama.com/library\n");
    Ok(out)
}

fn pull(wish: &Pull, env: &Env) -> Result<String, Failure> {
    if !server::is_name(&wish.model) {
        return Err(Failure::Name(wish.model.clone()));
    }
    let is_live = Style::of_stderr().is_live();
    let (mut last, mut percent) = (String::new(), u64::MAX);
    server::pull(&url(wish.place.url.as_deref(), env), &wish.model, |status, bytes| {
        let status: String = status.chars().filter(|c| !c.is_control()).take(80).collect();
        let now = bytes.map_or(u64::MAX, |(done, all)| done.saturating_mul(100) / all.max(1));
        if status == last && (!is_live || now == percent) {
            return;
        }
        let shown = bytes
            .filter(|_| is_live)
            .map_or_else(String::new, |(_, all)| format!(" {now}% of {}", size(all)));
        let begin = if is_live && status == last { "\x1b[1A\x1b[2K" } else { "" };
        complain(&format!("{begin}{status}{shown}\n"));
        (last, percent) = (status, now);
    })?;
    Ok(format!("{} is there; tollgate ollama sync enters it in the configuration file\n", wish.model))
}

fn sync(wish: &Sync, env: &Env) -> Result<String, Failure> {
    let path = wish.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
    let name = path.display().to_string();
    let fault = |error| Failure::File(name.clone(), error);
    // Whoever else changes files here waits, so that nobody's change is lost.
    let lock = write::Lock::beside(&path).map_err(fault)?;
    let text = fs::read_to_string(&path).map_err(fault)?;
    let root = yaml::parse(&text, &name)?;
    if root.get("include").is_some() {
        return Err(Failure::Includes(name));
    }
    let (plan, url) = planned(wish, &root, env)?;
    let mut out = told(&plan, &root, &url, &name);
    if plan.is_idle() {
        return Ok(out);
    }
    let (new, splices) =
        edit::edit(&text, &root, &plan).map_err(|error| Failure::Edit(name.clone(), error))?;
    still_served(&text, &new, env).map_err(|faults| Failure::Breaks(name.clone(), faults))?;
    if wish.dry_run {
        shown(&mut out, &text, &splices);
        out.push_str("nothing was written\n");
        return Ok(out);
    }
    let copy = write::back_up_dated(&path, &lock).map_err(fault)?;
    write::replace(&path, &new, &lock).map_err(fault)?;
    _ = writeln!(out, "the file as it was: {}", copy.display());
    out.push_str("a running tollgate takes it up by SIGHUP or POST /config/reload\n");
    Ok(out)
}

/// What to change, and which server says so.
fn planned(wish: &Sync, root: &Node, env: &Env) -> Result<(Plan, String), Failure> {
    let held = plan::held(root, env);
    let sole = plan::sole_base(&held);
    let said = wish.url.as_deref().or_else(|| env.filled("OLLAMA_HOST"));
    let known = said.map(str::to_owned).or_else(|| wish.api_base.clone()).or_else(|| sole.clone());
    let url = url(known.as_deref(), env);
    let base = match (&wish.api_base, sole) {
        (Some(base), _) => server::address(base),
        (None, Some(sole)) => sole,
        (None, None) if held.is_empty() || held.iter().any(|entry| entry.base == url) => url.clone(),
        (None, None) => return Err(Failure::Several),
    };
    let has = server::installed(&url)?;
    Ok((plan::plan(root, &held, &base, &has, &wish.group), url))
}

/// A file that could be served must be one that can.
fn still_served(old: &str, new: &str, env: &Env) -> Result<(), String> {
    let overrides = Overrides::default();
    if parse_and_compile(old, env, &overrides).is_err() {
        return Ok(());
    }
    parse_and_compile(new, env, &overrides)
        .map(drop)
        .map_err(|faults| faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n"))
}

fn told(plan: &Plan, root: &Node, url: &str, name: &str) -> String {
    let mut out = String::new();
    let entries = root.get("model_list").map_or(&[][..], |list| list.node.items());
    for entry in plan.removed.iter().filter_map(|index| entries.get(*index)) {
        let word = |node: &Node, name: &str| {
            node.get(name).and_then(|entry| entry.node.text()).unwrap_or_default().to_owned()
        };
        let model = entry.get("litellm_params").map(|params| word(&params.node, "model")).unwrap_or_default();
        _ = writeln!(out, "- {} ({model})", word(entry, "model_name"));
    }
    for entry in &plan.added {
        _ = writeln!(out, "+ {} ({})", entry.group, entry.model);
    }
    for alias in &plan.aliases {
        let members =
            if alias.members.is_empty() { "nothing, and goes".to_owned() } else { alias.members.join(", ") };
        _ = writeln!(out, "  {} stands for {members}", alias.name);
    }
    for note in &plan.notes {
        _ = writeln!(out, "note: {note}");
    }
    let (added, removed) = (plan.added.len(), plan.removed.len());
    _ = writeln!(out, "{url} and {name}: {added} added, {removed} removed, {} kept", plan.kept);
    out
}

/// The lines that go and those that come.
fn shown(out: &mut String, text: &str, splices: &[Splice]) {
    let lines: Vec<&str> = text.lines().collect();
    for splice in splices {
        _ = writeln!(out, "@ line {}", splice.at + 1);
        for line in lines.get(splice.at..splice.until).unwrap_or_default() {
            _ = writeln!(out, "-{line}");
        }
        for line in splice.text.lines() {
            _ = writeln!(out, "+{line}");
        }
    }
}
