//! `tollgate health`: one question, one exit code; small enough for an image without a shell.

use super::arguments;
use super::http::{Client, HttpError};
use crate::config::Env;
use std::process::ExitCode;
use std::time::Duration;

const PORT: &str = "4000";

pub(super) fn run(arguments: &arguments::Health) -> ExitCode {
    let url = arguments.url.clone().unwrap_or_else(|| local(&Env::of_process_alone()));
    let client = Client::new(&url, Duration::from_secs(arguments.timeout));
    match ask(&client, arguments.ready) {
        Ok((words, is_well)) => super::finish(&format!("{words}\n"), u8::from(!is_well)),
        Err(error) => {
            super::complain(&format!("{error}\n"));
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
