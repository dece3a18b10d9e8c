//! `tollgate demo`: the whole gateway without any key, against three simulated ones.

mod client;
mod config;
mod page;

use super::logging;
use super::style::Style;
use crate::config::{AccessLogTarget, Config, ConfigError, Env, Overrides, Place};
use crate::server::{self, Startup};
use crate::simulator::Simulator;
use clap::Args;
use page::Page;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long the gateway may take to answer for the first time.
const START: Duration = Duration::from_secs(20);
/// How long the answer may take to be counted.
const COUNTED: Duration = Duration::from_secs(2);

/// How to demonstrate.
#[derive(Args)]
pub(super) struct Demo {
    /// Port to listen on
    #[arg(long, value_name = "PORT", default_value_t = 4000)]
    port: u16,
    /// Stop after the first answer instead of serving on
    #[arg(long)]
    once: bool,
}

/// What there is to read again.
fn no_file() -> Result<Config, Vec<ConfigError>> {
    Err(vec![ConfigError::new(Place::default(), "the demo has no file")])
}

/// What can go wrong in a demonstration.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the built-in configuration is at fault: {0:?}")]
    Config(Vec<ConfigError>),
    #[error("{0}")]
    Serve(#[from] server::ServeError),
    #[error("the gateway did not come up")]
    NotUp,
}

pub(super) fn run(arguments: &Demo) -> ExitCode {
    logging::quiet();
    let folder = std::env::temp_dir().join(format!("tollgate-demo-{}", uuid::Uuid::new_v4().simple()));
    let shown = demonstrate(arguments, &folder, &mut io::stdout());
    // Whether or not it was made.
    drop(std::fs::remove_dir_all(&folder));
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate(arguments: &Demo, folder: &Path, out: &mut impl Write) -> Result<(), DemoError> {
    let simulator = Simulator::start_thread(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), config::script())?;
    let address = free_address(arguments.port)?;
    let key = format!("sk-demo-{}", uuid::Uuid::new_v4().simple());
    let config = compile(&config::yaml(&simulator.base_url(), &key), address, folder)?;
    let server = thread::spawn(move || server::run(config, Arc::new(no_file), &Startup::default()));
    if !client::wait_until_up(address, START, || server.is_finished()) {
        return match server.join() {
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(())) | Err(_) => Err(DemoError::NotUp),
        };
    }
    introduce(out, address, &key)?;
    let mut page = Page::new(out, Style::of_stdout());
    let answer = client::stream(&mut page, address, &key, config::MODEL, QUESTION)?;
    conclude(out, address, &answer)?;
    if arguments.once {
        return Ok(());
    }
    invite(out, address, &key)?;
    match server.join() {
        Ok(ended) => Ok(ended?),
        Err(_) => Err(DemoError::NotUp),
    }
}

/// The port asked for, or any other if that is taken.
fn free_address(port: u16) -> io::Result<SocketAddr> {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    taken.or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?.local_addr()
}

fn compile(yaml: &str, address: SocketAddr, folder: &Path) -> Result<Config, DemoError> {
    let overrides = Overrides {
        host: Some(address.ip()),
        port: Some(address.port()),
        access_log: Some(AccessLogTarget::Off),
        data_dir: Some(folder.to_owned()),
        ..Overrides::default()
    };
    let compiled = crate::config::parse_and_compile(yaml, &Env::of(&[]), &overrides);
    compiled.map(|compiled| compiled.config).map_err(DemoError::Config)
}

fn introduce(out: &mut impl Write, address: SocketAddr, key: &str) -> io::Result<()> {
    writeln!(out, "tollgate is up with three simulated upstream keys; the third fails now and then.")?;
    writeln!(out, "  endpoint  http://{address}/v1\n  key       {key}\n  model     {}\n", config::MODEL)?;
    writeln!(out, "you> {QUESTION}")?;
    write!(out, " ai> ")?;
    out.flush()
}

fn conclude(out: &mut impl Write, address: SocketAddr, answer: &client::Answer) -> io::Result<()> {
    let spent = client::counted(address, "litellm_spend_metric_total", COUNTED);
    let first = answer.first_token.as_millis();
    writeln!(out, "\n")?;
    writeln!(out, "  served by {} after {} retries", answer.served_by, answer.retries)?;
    writeln!(
        out,
        "  tokens    {} in, {} out, the first after {first} ms",
        answer.prompt_tokens, answer.completion_tokens
    )?;
    writeln!(out, "  cost      ${spent:.9}\n")?;
    out.flush()
}

/// Fits a screen of 80 columns and, with what was told before, of 24 lines.
fn invite(out: &mut impl Write, address: SocketAddr, key: &str) -> io::Result<()> {
    let model = config::MODEL;
    writeln!(out, "Now you:")?;
    writeln!(out, "  curl -N http://{address}/v1/chat/completions \\")?;
    writeln!(out, "    -H 'Authorization: Bearer {key}' \\")?;
    writeln!(out, "    -H 'Content-Type: application/json' \\")?;
    writeln!(out, "    -d '{{\"model\":\"{model}\",\"stream\":true,")?;
    writeln!(out, "         \"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}]}}'")?;
    writeln!(out, "or any OpenAI SDK:")?;
    writeln!(out, "  export OPENAI_BASE_URL=http://{address}/v1")?;
    writeln!(out, "  export OPENAI_API_KEY={key}")?;
    writeln!(out, "or watch it: tollgate top http://{address}")?;
    writeln!(out, "Ctrl-C ends it.")?;
    out.flush()
}

const QUESTION: &str = "What does a toll gate do?";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_fits_a_screen_of_80_columns_and_24_lines() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 65_535));
        let key = format!("sk-demo-{}", uuid::Uuid::new_v4().simple());
        let mut out = Vec::new();
        introduce(&mut out, address, &key).unwrap();
        // The answer's other line, and what it cost.
        out.extend_from_slice(b"\n\n\n\n\n\n\n");
        invite(&mut out, address, &key).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.lines().count() <= 24, "{} lines: {text}", text.lines().count());
    }
}
