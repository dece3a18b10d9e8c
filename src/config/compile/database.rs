//! Which database, and where this process keeps its own files.

use super::super::field::Report;
use super::super::{Env, Place};
use super::{Overrides, Sections};
use crate::store::{DatabaseSettings, InvalidUrl};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "tollgate.db";

/// `--data-dir`, else what systemd's `StateDirectory=` made, else the platform's place for a user's data.
pub(super) fn folder(overrides: &Overrides, env: &Env) -> PathBuf {
    let given = overrides.data_dir.clone().or_else(|| env.filled("TOLLGATE_DATA_DIR").map(PathBuf::from));
    // systemd joins several folders by colons.
    let state = env.filled("STATE_DIRECTORY").and_then(|list| list.split(':').next()).map(PathBuf::from);
    let data = env.filled("XDG_DATA_HOME").map(PathBuf::from);
    let home = || env.filled("HOME").map(|home| Path::new(home).join(".local/share"));
    given
        .or(state)
        .or_else(|| data.or_else(home).map(|base| base.join("tollgate")))
        .unwrap_or_else(|| PathBuf::from("tollgate-data"))
}

/// `general_settings.database_url`, else `DATABASE_URL` or its parts, else a file in the data folder.
pub(super) fn compile(
    sections: &Sections<'_>,
    env: &Env,
    data_dir: &Path,
    report: &mut Report,
) -> DatabaseSettings {
    let general = &sections.general;
    let configured = general.field("database_url").and_then(|f| Some((f.place(), f.text(report)?)));
    let named = configured
        .filter(|(_, url)| !url.is_empty())
        .or_else(|| env.filled("DATABASE_URL").map(|url| (Place::named("DATABASE_URL"), url.to_owned())))
        .or_else(|| from_parts(env).map(|url| (Place::named("DATABASE_HOST"), url)));
    let mut settings = match named {
        None => DatabaseSettings::sqlite(data_dir.join(FILE)),
        Some((place, url)) => match of_url(&url) {
            Ok(settings) => settings,
            Err(fault) => {
                report.fault(place, fault.to_string());
                DatabaseSettings::sqlite(data_dir.join(FILE))
            }
        },
    };
    let limit = general.field("database_connection_pool_limit").and_then(|f| f.count::<u32>(report));
    if let Some(limit) = limit.filter(|limit| *limit > 0) {
        settings.connections = limit;
    }
    if let Some(wait) = general.field("database_connection_timeout").and_then(|f| f.timeout(report)) {
        settings.pool_timeout = wait.max(Duration::from_millis(100));
    }
    settings
}

fn of_url(url: &str) -> Result<DatabaseSettings, InvalidUrl> {
    let file = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    match file.or_else(|| url.strip_prefix("file:")) {
        Some(path) => Ok(DatabaseSettings::sqlite(PathBuf::from(path))),
        None => DatabaseSettings::postgres(url),
    }
}

fn from_parts(env: &Env) -> Option<String> {
    let host = env.filled("DATABASE_HOST")?;
    let part = |name| env.filled(name).map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    let (user, name) = (part("DATABASE_USERNAME")?, part("DATABASE_NAME")?);
    let password = part("DATABASE_PASSWORD").map(|word| format!(":{word}")).unwrap_or_default();
    Some(format!("postgresql://{user}{password}@{host}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_what_was_asked_for_else_the_platforms() {
        let none = Overrides::default();
        let given = Overrides { data_dir: Some(PathBuf::from("/d")), ..Overrides::default() };
        let all =
            Env::of(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")]);
        assert_eq!(folder(&given, &all), Path::new("/d"));
        assert_eq!(folder(&none, &all), Path::new("/var/lib/a"));
        assert_eq!(folder(&none, &Env::of(&[("HOME", "/h")])), Path::new("/h/.local/share/tollgate"));
        assert_eq!(folder(&none, &Env::of(&[])), Path::new("tollgate-data"));
    }

    #[test]
    fn the_parts_make_a_url_whatever_the_password_holds() {
        let env = Env::of(&[
            ("DATABASE_HOST", "db:5433"),
            ("DATABASE_USERNAME", "u"),
            ("DATABASE_PASSWORD", "p@s/s"),
            ("DATABASE_NAME", "litellm"),
        ]);
        assert_eq!(from_parts(&env).as_deref(), Some("postgresql://u:p%40s%2Fs@db:5433/litellm"));
        assert!(of_url("mysql://x").is_err());
    }
}
