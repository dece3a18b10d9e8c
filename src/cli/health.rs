//! `tollgate health`: one question, one exit code; small enough for an image without a shell.

use super::http::{Client, HttpError};
use super::output::{complain, finish};
use crate::config::Env;
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;

const PORT: &str = "4000";

/// Whom to ask.
#[derive(Args)]
pub(super) struct Health {
    /// Where the gateway is [default: http://127.0.0.1:4000, or $PORT there]
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Ask whether it is ready for calls, not just alive
    #[arg(long)]
    ready: bool,
    /// Longest wait, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

pub(super) fn run(arguments: &Health) -> ExitCode {
    let url = arguments.url.clone().unwrap_or_else(|| local(&Env::of_process_alone()));
    let client = Client::new(&url, Duration::from_secs(arguments.timeout));
    match ask(&client, arguments.ready) {
        Ok((words, is_well)) => finish(&format!("{words}\n"), u8::from(!is_well)),
        Err(error) => {
            complain(&format!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The gateway of this machine.
pub(super) fn local(env: &Env) -> String {
    format!("http://127.0.0.1:{}", env.filled("PORT").unwrap_or(PORT))
}

fn ask(client: &Client, is_ready: bool) -> Result<(String, bool), HttpError> {
    let path = if is_ready { "/health/readiness" } else { "/health/liveliness" };
    let answer = client.get(path)?;
    if answer.status != 200 {
        return Ok((answer.complaint(), false));
    }
    let body = answer.json();
    let words = body["status"].as_str().or(body.as_str()).unwrap_or("it answers");
    Ok((words.to_owned(), true))
}
