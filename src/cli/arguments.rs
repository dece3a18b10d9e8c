//! The commands by name; the arguments of each stand with it, under LiteLLM's names where both have them.

use super::backup::Backup;
use super::check::Check;
use super::demo::Demo;
use super::doctor::Doctor;
use super::health::Health;
use super::import::Import;
use super::init::Init;
use super::ledger::Ledger;
use super::manual::{Completions, Man};
use super::ollama::Ollama;
use super::serve::Serve;
use super::top::Top;
use clap::{Parser, Subcommand};

/// An AI gateway: many upstream keys behind one OpenAI-compatible endpoint.
#[derive(Parser)]
#[command(name = "tollgate", version, about, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Serve (the default)
    Serve(Serve),
    /// Make .env with all secrets, or add and remove upstream keys in it
    Init(Init),
    /// Read a configuration and say what is honoured, ignored and unsupported
    Check(Check),
    /// Look over a running deployment: what works, what does not, and what to do about it
    Doctor(Doctor),
    /// Watch a running gateway: calls, tokens, deployments, the ledger
    Top(Top),
    /// Ask a running gateway whether it lives, for a container's health check
    Health(Health),
    /// The spend ledger
    Ledger(Ledger),
    /// Try it without any key: simulated upstreams, one streamed answer, then serve on
    Demo(Demo),
    /// The models of an Ollama server, and the configuration's entries for them
    Ollama(Ollama),
    /// Copy the SQLite database to a file, also while it is in use
    Backup(Backup),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page, or write one for each command into a folder
    Man(Man),
    /// Move in from another gateway
    #[command(subcommand)]
    Import(Import),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound_and_serve_is_the_default() {
        Arguments::command().debug_assert();
        let bare = Arguments::try_parse_from(["tollgate", "-c", "x.yaml", "--port", "1"]).unwrap();
        assert!(bare.command.is_none() && bare.serve.port == Some(1));
        let named = Arguments::try_parse_from(["tollgate", "serve", "--host", "::1"]).unwrap();
        assert!(matches!(named.command, Some(Command::Serve(serve)) if serve.host.is_some()));
        assert!(Arguments::try_parse_from(["tollgate", "demo", "--port", "70000"]).is_err());
    }
}
