//! The environment: the process's variables over those of a `.env` file.
//!
//! It is read once and never written. What `environment_variables:` adds is an overlay.

use super::{Place, Warning, dotenv};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// All variables a configuration may name.
#[derive(Clone, Default)]
pub struct Env {
    vars: HashMap<String, String>,
    warnings: Vec<Warning>,
}

/// Variables that have a value although nobody set them.
const DEFAULTS: [(&str, &str); 1] =
    [("HUAWEI_MAAS_API_BASE", "https://api-ap-southeast-1.modelarts-maas.com/openai/v1")];

/// Variables that are the system's, whatever a configuration says.
const RESERVED: [&str; 12] = [
    "PATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "HOME",
    "USER",
    "SHELL",
    "LOGNAME",
    "NO_PROXY",
    "no_proxy",
];

impl Env {
    /// The process's environment, completed by `.env` in the working directory.
    #[must_use]
    pub fn from_process() -> Self {
        Self::of_process_alone().with_dotenv_file(Path::new(".env"))
    }

    /// The process's environment, without any file.
    #[must_use]
    pub fn of_process_alone() -> Self {
        let process = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::new(process)
    }

    /// An environment of just these variables.
    pub fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { vars: vars.into_iter().collect(), warnings: Vec::new() }
    }

    /// An environment of just these variables.
    #[must_use]
    pub fn of(vars: &[(&str, &str)]) -> Self {
        Self::new(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    /// Adds the variables of a file that are not set yet; a file that does not exist adds none.
    #[must_use]
    pub fn with_dotenv_file(mut self, path: &Path) -> Self {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => self.with_dotenv(&text, &name),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => self,
            Err(fault) => {
                let message = format!("cannot be read: {fault}");
                self.warnings.push(Warning { place: Place::file(&name), message });
                self
            }
        }
    }

    /// Adds the variables of a `.env` text that are not set yet.
    #[must_use]
    pub fn with_dotenv(mut self, text: &str, file: &str) -> Self {
        let (vars, warnings) = dotenv::parse(text, file, |name| self.vars.get(name).cloned());
        for (name, value) in vars {
            self.vars.entry(name).or_insert(value);
        }
        self.warnings.extend(warnings);
        self
    }

    /// This environment with one variable set, whatever it was before.
    pub fn set(&mut self, name: &str, value: String) {
        self.vars.insert(name.to_owned(), value);
    }

    /// A variable as it is, possibly empty, or its built-in default.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let own = self.vars.get(name).map(String::as_str);
        own.filter(|value| !value.trim().is_empty()).or_else(|| default_of(name)).or(own)
    }

    /// Whether somebody set a variable to more than blanks.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.vars.get(name).is_some_and(|value| !value.trim().is_empty())
    }

    /// The variables that hold just this value, in order: for naming a key without showing it.
    #[must_use]
    pub fn names_of(&self, value: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .vars
            .iter()
            .filter(|(_, held)| held.trim() == value)
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// A variable that is set to more than blanks, without the blanks around it.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The first of these variables that is filled, with its name.
    #[must_use]
    pub fn first_filled<'a>(&'a self, names: &[&'a str]) -> Option<(&'a str, &'a str)> {
        names.iter().find_map(|name| Some((*name, self.filled(name)?)))
    }

    /// What was wrong with the `.env` file.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Only the number of variables: any value may be a secret.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Env of {} variables", self.vars.len())
    }
}

fn default_of(name: &str) -> Option<&'static str> {
    DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Whether a configuration may set this variable.
pub(crate) fn may_be_set(name: &str) -> bool {
    !RESERVED.contains(&name) && !name.starts_with("DYLD_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_wins_over_the_file_and_debug_hides_values() {
        let env =
            Env::of(&[("A", "process-canary"), ("E", "")]).with_dotenv("A=file\nB=$A/${A}\nE=x\n", ".env");
        assert_eq!(env.get("A"), Some("process-canary"));
        assert_eq!(env.get("B"), Some("$A/process-canary"), "only ${{}} is expanded, from the process first");
        assert_eq!((env.get("E"), env.filled("E")), (Some(""), None));
        assert!(!format!("{env:?}").contains("canary"));
    }

    #[test]
    fn a_missing_file_is_fine_and_the_maas_base_has_a_default() {
        let env = Env::default().with_dotenv_file(Path::new("/nonexistent/.env"));
        assert!(env.warnings().is_empty());
        assert!(env.get("HUAWEI_MAAS_API_BASE").unwrap().starts_with("https://api-ap-southeast-1"));
    }
}
