//! The arguments of `tollgate init`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// How to make or change `.env`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Init {
    #[command(subcommand)]
    pub(in crate::cli) command: Option<Change>,
    #[command(flatten)]
    pub(in crate::cli) make: Make,
}

/// How to make it. What the environment holds under the names of `.env` is taken from there.
#[derive(Args)]
pub(in crate::cli) struct Make {
    /// Make every secret and ask for the upstream key only, if nothing else gives it
    #[arg(long)]
    pub(super) auto: bool,
    /// Ask nothing: take what the environment holds and make the other secrets
    #[arg(long, conflicts_with = "auto")]
    pub(super) ci: bool,
    /// Read the upstream keys from standard input, one a line
    #[arg(long)]
    pub(super) stdin: bool,
    /// Write over a file that is there, keeping its secrets and a copy of it
    #[arg(long)]
    pub(super) force: bool,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = ".env")]
    pub(super) file: PathBuf,
}

#[derive(Subcommand)]
pub(in crate::cli) enum Change {
    /// Add one more upstream key, asked for unseen or read from standard input
    AddKey(AddKey),
    /// Remove an upstream key; those after it move up
    RemoveKey(RemoveKey),
}

/// Where to add a key.
#[derive(Args)]
pub(in crate::cli) struct AddKey {
    /// The file to change
    #[arg(long, value_name = "FILE", default_value = ".env")]
    pub(super) file: PathBuf,
}

/// What to remove, and where.
#[derive(Args)]
pub(in crate::cli) struct RemoveKey {
    /// The number of the key, as in HUAWEI_MAAS_API_KEY_N
    #[arg(value_name = "N")]
    pub(super) number: usize,
    /// The file to change
    #[arg(long, value_name = "FILE", default_value = ".env")]
    pub(super) file: PathBuf,
}
