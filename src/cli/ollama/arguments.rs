//! The arguments of `tollgate ollama`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with the models of an Ollama server.
#[derive(Args)]
pub(in crate::cli) struct Ollama {
    #[command(subcommand)]
    pub(super) command: Work,
}

#[derive(Subcommand)]
pub(super) enum Work {
    /// List the models that the server has, and which of them are loaded
    List(Place),
    /// List models that could be pulled
    ListAvailable(Available),
    /// Have the server download a model
    Pull(Pull),
    /// Make the Ollama entries of the configuration file those that the server has
    #[command(visible_alias = "sync-litellm")]
    Sync(Sync),
}

/// Where the server is.
#[derive(Args)]
pub(super) struct Place {
    /// The server [default: $OLLAMA_HOST, $OLLAMA_API_BASE, or http://localhost:11434]
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
}

/// Which models to name.
#[derive(Args)]
pub(super) struct Available {
    /// Only those of a kind: chat, code, embedding, reasoning, vision
    #[arg(long, value_name = "KIND")]
    pub(super) category: Option<String>,
    /// Only those whose name or description has this in it
    #[arg(long, value_name = "TEXT")]
    pub(super) search: Option<String>,
}

/// What to download.
#[derive(Args)]
pub(super) struct Pull {
    /// The model, as in codellama:7b
    #[arg(value_name = "MODEL")]
    pub(super) model: String,
    #[command(flatten)]
    pub(super) place: Place,
}

/// What to bring in line with what.
#[derive(Args)]
pub(super) struct Sync {
    /// The file to change
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    pub(super) config: Option<PathBuf>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Under which api_base the file knows the server [default: the one of its Ollama entries, else the server's URL]
    #[arg(long, value_name = "URL")]
    pub(super) api_base: Option<String>,
    /// The alias in router_settings.model_group_alias that stands for all models of the server that chat, if the file has it
    #[arg(long, value_name = "ALIAS", default_value = "ollama-group")]
    pub(super) group: String,
    /// The server [default: $OLLAMA_HOST, the api_base of the file's entries, $OLLAMA_API_BASE, or http://localhost:11434]
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
}
