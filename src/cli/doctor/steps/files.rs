//! What lies on this machine: the configuration and `.env`.

use super::counted;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::trouble::Trouble;
use crate::cli::doctor::visit::Visit;
use crate::cli::init::is_open_to_others;
use crate::config::{Env, assignments, is_placeholder};
use std::collections::HashSet;
use std::path::Path;

const DOTENV: &str = ".env";

pub(super) fn configuration(visit: &mut Visit<'_>) -> Finding {
    let Some((path, read)) = &visit.config else {
        return Finding::skip("no conf/tollgate.yaml here; --config names another file");
    };
    let path = path.display();
    match read {
        Ok(compiled) => {
            let targets = &compiled.config.targets;
            let groups: HashSet<&str> = targets.iter().map(|target| target.group.as_str()).collect();
            let warnings = match compiled.warnings.len() {
                0 => String::new(),
                n => format!(", {} (tollgate check {path})", counted(n, "warning")),
            };
            let served =
                format!("{} of {}", counted(targets.len(), "deployment"), counted(groups.len(), "model"));
            Finding::pass(format!("{path}: {served}{warnings}"))
        }
        Err(faults) => {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            let more = match faults.len() {
                0 | 1 => String::new(),
                n => format!(" and {}", counted(n - 1, "other fault")),
            };
            Finding::fail(Trouble::ConfigFaulty, format!("{first}{more}"))
        }
    }
}

pub(super) fn dotenv(_visit: &mut Visit<'_>) -> Finding {
    let file = Path::new(DOTENV);
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Finding::skip("no .env here; variables may come from elsewhere");
        }
        Err(error) => return Finding::fail(Trouble::EnvUnfit, format!(".env cannot be read: {error}")),
    };
    let values = Env::default().with_dotenv(&text, DOTENV);
    let names: Vec<String> = assignments(&text).into_iter().map(|found| found.name).collect();
    let unfit = |name: &&String| values.get(name).is_some_and(is_placeholder);
    let mut placeholders: Vec<&str> = names.iter().filter(unfit).map(String::as_str).collect();
    placeholders.dedup();
    if !placeholders.is_empty() {
        return Finding::fail(Trouble::EnvUnfit, format!("still placeholders: {}", placeholders.join(", ")));
    }
    if let Some(warning) = values.warnings().first() {
        return Finding::fail(Trouble::EnvUnfit, warning.to_string());
    }
    match is_open_to_others(file) {
        Ok(false) => Finding::pass(format!("{}, closed to others", counted(names.len(), "variable"))),
        Ok(true) => Finding::fail(Trouble::EnvOpen, "others can read .env"),
        Err(error) => Finding::fail(Trouble::EnvUnfit, error.to_string()),
    }
}
