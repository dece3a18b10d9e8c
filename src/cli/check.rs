//! `tollgate check`: what becomes of a configuration, without serving it.

use super::output::{FAULTY, FINE, finish};
use super::running;
use super::serve::DEFAULT_CONFIG;
use crate::config::{AuditRow, Compiled, Env, Overrides, Status, load};
use clap::Args;
use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit code of a strict check when some key has no effect.
const NOT_ALL_HONOURED: u8 = 2;

/// What to check.
#[derive(Args)]
pub(super) struct Check {
    /// Configuration file [default: conf/tollgate.yaml]
    file: Option<PathBuf>,
    /// End with 2 if anything is ignored, unsupported or unknown
    #[arg(long)]
    strict: bool,
    /// Ask the process that serves now what a reload of its file would change [default: where the file says it listens]
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with = "strict")]
    against_running: Option<String>,
}

pub(super) fn run(arguments: &Check) -> ExitCode {
    let path = arguments.file.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
    let (text, code) = match &arguments.against_running {
        Some(url) => running::run(&path, url),
        None => checked(&path, arguments.strict, &Env::from_process().with_dotenv_file(Path::new(".env"))),
    };
    finish(&text, code)
}

/// Checks a configuration: the text to print, which holds no secret, and the exit code.
fn checked(path: &Path, strict: bool, env: &Env) -> (String, u8) {
    match load(path, env, &Overrides::default()) {
        Ok(compiled) => {
            let code = if strict && !all_honoured(&compiled) { NOT_ALL_HONOURED } else { FINE };
            (report(&compiled), code)
        }
        Err(faults) => {
            let mut out = String::new();
            faults.iter().for_each(|fault| line(&mut out, &format!("fault: {fault}")));
            line(&mut out, &format!("{}: this configuration cannot be used", counted(faults.len(), "fault")));
            (out, FAULTY)
        }
    }
}

fn all_honoured(compiled: &Compiled) -> bool {
    compiled.audit.iter().all(|row| row.status == Status::Honoured)
}

fn report(compiled: &Compiled) -> String {
    let mut out = String::new();
    let width = compiled.audit.iter().map(|row| row.place.path.chars().count()).max().unwrap_or_default();
    for row in &compiled.audit {
        line(&mut out, &table_row(row, width.min(60)));
    }
    for warning in &compiled.warnings {
        line(&mut out, &format!("warning: {warning}"));
    }
    line(&mut out, &summary(compiled));
    out
}

fn table_row(row: &AuditRow, width: usize) -> String {
    let place = &row.place;
    let position = format!("{}:{}", place.line, place.column);
    let text = format!("{position:>7}  {:11}  {:width$}  {}", row.status.as_str(), place.path, row.note);
    text.trim_end().to_owned()
}

fn summary(compiled: &Compiled) -> String {
    let of = |status: Status| compiled.audit.iter().filter(|row| row.status == status).count();
    let targets = &compiled.config.targets;
    let groups: HashSet<&str> = targets.iter().map(|target| target.group.as_str()).collect();
    let refused = targets.iter().filter(|target| target.unserved.is_some()).count();
    let refused = if refused > 0 { format!(" ({refused} not served yet)") } else { String::new() };
    format!(
        "{}: {} honoured, {} ignored by LiteLLM too, {} unsupported, {} unknown; {}{refused} in {}; {}",
        counted(compiled.audit.len(), "key"),
        of(Status::Honoured),
        of(Status::IgnoredByLiteLlm),
        of(Status::Unsupported),
        of(Status::Unknown),
        counted(targets.len(), "deployment"),
        counted(groups.len(), "group"),
        counted(compiled.warnings.len(), "warning"),
    )
}

fn counted(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

fn line(out: &mut String, text: &str) {
    _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, strict: bool) -> (String, u8) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        std::fs::write(&path, text).unwrap();
        checked(&path, strict, &Env::of(&[("KEY", "sk-canary-0123456789")]))
    }

    const MODEL: &str = "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, api_base: http://x/v1, api_key: os.environ/KEY}\n";

    #[test]
    fn a_fault_exits_1_and_names_its_line() {
        let (out, code) = check("router_settings:\n  routing_strategy: simple-shufle\n", false);
        assert_eq!(code, FAULTY);
        assert!(
            out.contains(
                "c.yaml:2:3: router_settings.routing_strategy: \"simple-shufle\" is not a strategy; did you mean \"simple-shuffle\"?"
            ),
            "{out}"
        );
    }

    #[test]
    fn only_a_strict_check_minds_keys_without_effect() {
        assert_eq!(check(MODEL, true).1, FINE);
        let more = format!("{MODEL}litellm_settings: {{num_retry: 1}}\n");
        let (out, code) = check(&more, false);
        assert_eq!(code, FINE, "{out}");
        assert!(out.contains("unknown") && out.contains("did you mean \"num_retries\"?"), "{out}");
        assert_eq!(check(&more, true).1, NOT_ALL_HONOURED);
        assert!(!out.contains("canary"), "{out}");
    }
}
