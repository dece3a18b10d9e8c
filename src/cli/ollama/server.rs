//! What an Ollama server says: `/api/tags`, `/api/ps`, `/api/pull`.

use crate::cli::http::{Client, HttpError};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// Where a server listens when nobody says.
pub(super) const DEFAULT: &str = "http://localhost:11434";
const PORT: u16 = 11434;
/// Longest wait for a list.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest download.
const PULL: Duration = Duration::from_secs(24 * 3600);
/// More models than this are not looked at.
const MOST: usize = 10_000;
/// Longest name that is taken.
const LONGEST: usize = 256;

/// A model that a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installed {
    /// With its tag: `llama2:latest`.
    pub(super) name: String,
    /// Bytes on the disk.
    pub(super) size: u64,
    /// `7B`, or nothing.
    pub(super) parameters: String,
    /// Whether it makes vectors instead of text.
    pub(super) embeds: bool,
    /// Whether it is in memory.
    pub(super) loaded: bool,
}

/// Why a server did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServerError {
    #[error("Ollama: {0}")]
    Http(#[from] HttpError),
    #[error("Ollama at {0} answers {1}")]
    Refused(String, String),
    #[error("what answers at {0} is no Ollama server")]
    Strange(String),
    #[error("Ollama could not pull {0}: {1}")]
    Pull(String, String),
}

/// The address of a server from what people write: `host`, `host:port`, `0.0.0.0:11434`, a URL.
pub(super) fn address(written: &str) -> String {
    let written = written.trim().trim_end_matches('/');
    let written = written.strip_suffix("/v1").unwrap_or(written);
    let (scheme, rest) = written.split_once("://").unwrap_or(("http", written));
    let rest =
        rest.strip_prefix("0.0.0.0").map_or_else(|| rest.to_owned(), |port| format!("127.0.0.1{port}"));
    let has_scheme = written.contains("://");
    let (host, path) = rest.split_once('/').map_or((rest.as_str(), ""), |(host, path)| (host, path));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if has_port || has_scheme { String::new() } else { format!(":{PORT}") };
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    format!("{scheme}://{host}{port}{path}")
}

/// What the server has, in its order. Names that no configuration could hold are left out.
pub(super) fn installed(url: &str) -> Result<Vec<Installed>, ServerError> {
    let client = Client::new(url, PATIENCE);
    let tags = ask(&client, "/api/tags")?;
    let Some(rows) = tags["models"].as_array() else { return Err(ServerError::Strange(url.to_owned())) };
    // Old servers have no such list; it is only shown.
    let running = ask(&client, "/api/ps").unwrap_or_default();
    let running = running["models"].as_array().map(Vec::as_slice).unwrap_or_default();
    let loaded: HashSet<&str> = running.iter().filter_map(name).collect();
    let model = |row: &Value| {
        let name = name(row).filter(|name| is_name(name))?;
        let family = row["details"]["family"].as_str().unwrap_or_default();
        Some(Installed {
            name: name.to_owned(),
            size: row["size"].as_u64().unwrap_or_default(),
            parameters: row["details"]["parameter_size"].as_str().unwrap_or_default().to_owned(),
            embeds: family.ends_with("bert") || name.contains("embed"),
            loaded: loaded.contains(name),
        })
    };
    Ok(rows.iter().take(MOST).filter_map(model).collect())
}

fn name(row: &Value) -> Option<&str> {
    row["model"].as_str().or(row["name"].as_str())
}

/// Whether this can be the name of a model: it goes into a configuration file.
pub(super) fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "._/:@-".contains(c);
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(known)
        && !name.starts_with("os.environ/")
}

/// Has the server download a model, and tells each step: what, bytes done, bytes in all.
pub(super) fn pull(
    url: &str,
    model: &str,
    mut each: impl FnMut(&str, Option<(u64, u64)>),
) -> Result<(), ServerError> {
    let (mut done, mut complaint) = (false, None);
    let body = json!({ "model": model, "name": model, "stream": true });
    let answer = Client::new(url, PULL).lines("/api/pull", &body, |line| {
        let step: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(why) = step["error"].as_str() {
            complaint = Some(why.chars().take(300).collect::<String>());
            return;
        }
        let status = step["status"].as_str().unwrap_or_default();
        done = status == "success";
        let bytes =
            step["total"].as_u64().map(|total| (step["completed"].as_u64().unwrap_or_default(), total));
        each(status, bytes);
    })?;
    let failed = |why: String| Err(ServerError::Pull(model.to_owned(), why));
    match complaint {
        Some(why) => failed(why),
        None if answer.status != 200 => failed(answer.complaint()),
        None if !done => failed("it stopped before the end".to_owned()),
        None => Ok(()),
    }
}

fn ask(client: &Client, path: &str) -> Result<Value, ServerError> {
    let answer = client.get(path)?;
    if answer.status != 200 {
        return Err(ServerError::Refused(client.base().to_owned(), answer.complaint()));
    }
    Ok(answer.json())
}
