//! Which database, and how many connections to it.

use crate::domain::Secret;
use percent_encoding::percent_decode_str;
use std::path::PathBuf;
use std::time::Duration;

/// Where the data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// The database.
    pub target: Target,
    /// Most connections at one time.
    pub connections: u32,
    /// Longest wait for a free connection.
    pub pool_timeout: Duration,
}

/// One of the two kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file, made when it is missing.
    Sqlite(PathBuf),
    /// A server.
    Postgres {
        /// The URL without the arguments that only LiteLLM's own client knows.
        url: Secret,
        /// The schema to work in, from `?schema=`.
        schema: Option<String>,
        /// Whether a pooler that gives each transaction another connection stands before it, from `?pgbouncer=true`;
        /// most are found out without.
        pooled: bool,
    },
}

/// A database URL that cannot be used. It never repeats the URL, which holds a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Another scheme, or none.
    #[error("wants a URL that begins with postgresql:// or postgres://")]
    Scheme,
    /// `connection_limit` or `pool_timeout` is no number above zero.
    #[error("{0} wants a number above zero")]
    Number(&'static str),
    /// `schema` is not a plain name.
    #[error("schema wants letters, digits and _ only")]
    Schema,
}

const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 10;
const POOL_TIMEOUT: Duration = Duration::from_secs(10);
/// Arguments of a LiteLLM-style URL that a Postgres driver does not know.
const FOREIGN: [&str; 7] = [
    "schema",
    "connection_limit",
    "pool_timeout",
    "connect_timeout",
    "socket_timeout",
    "statement_cache_size",
    "sslaccept",
];

impl DatabaseSettings {
    /// A SQLite file.
    #[must_use]
    pub const fn sqlite(file: PathBuf) -> Self {
        Self { target: Target::Sqlite(file), connections: SQLITE_CONNECTIONS, pool_timeout: POOL_TIMEOUT }
    }

    /// Reads a URL as LiteLLM's users write it: `postgresql://…?schema=x&connection_limit=5&pool_timeout=10`.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn postgres(url: &str) -> Result<Self, InvalidUrl> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(InvalidUrl::Scheme);
        }
        let (base, arguments) = url.split_once('?').unwrap_or((url, ""));
        let mut settings = Self {
            target: Target::Postgres {
                url: Secret::new(base).ok_or(InvalidUrl::Scheme)?,
                schema: None,
                pooled: false,
            },
            connections: POSTGRES_CONNECTIONS,
            pool_timeout: POOL_TIMEOUT,
        };
        let mut kept = Vec::new();
        let (mut named, mut pooled) = (None, false);
        for argument in arguments.split('&').filter(|argument| !argument.is_empty()) {
            let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
            match name {
                "schema" => named = Some(schema_name(value)?),
                "connection_limit" => settings.connections = number(value, "connection_limit")?,
                "pool_timeout" => {
                    settings.pool_timeout = Duration::from_secs(number(value, "pool_timeout")?.into());
                }
                "pgbouncer" => pooled = value == "true",
                _ if FOREIGN.contains(&name) => {}
                _ => kept.push(argument),
            }
        }
        let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        settings.target =
            Target::Postgres { url: Secret::new(&url).ok_or(InvalidUrl::Scheme)?, schema: named, pooled };
        Ok(settings)
    }
}

fn number(value: &str, name: &'static str) -> Result<u32, InvalidUrl> {
    value.parse().ok().filter(|n| *n > 0).ok_or(InvalidUrl::Number(name))
}

fn schema_name(value: &str) -> Result<String, InvalidUrl> {
    let name = percent_decode_str(value).decode_utf8().map_err(|_| InvalidUrl::Schema)?;
    let plain =
        !name.is_empty() && name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { Ok(name.into_owned()) } else { Err(InvalidUrl::Schema) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litellms_arguments_are_understood_and_not_handed_on() {
        let url = "postgresql://u:p%40ss@db:5432/litellm?schema=litellm&connection_limit=7&pool_timeout=3&sslmode=disable&pgbouncer=true";
        let settings = DatabaseSettings::postgres(url).unwrap();
        assert_eq!((settings.connections, settings.pool_timeout), (7, Duration::from_secs(3)));
        let Target::Postgres { url, schema, pooled } = settings.target else { panic!("a server is meant") };
        assert_eq!(url.expose(), "postgresql://u:p%40ss@db:5432/litellm?sslmode=disable");
        assert_eq!((schema.as_deref(), pooled), (Some("litellm"), true));
    }

    #[test]
    fn a_bad_url_is_refused_without_repeating_it() {
        for (url, fault) in [
            ("mysql://u:canary@db/x", InvalidUrl::Scheme),
            ("postgres://u:canary@db/x?connection_limit=0", InvalidUrl::Number("connection_limit")),
            ("postgres://u:canary@db/x?schema=a;drop", InvalidUrl::Schema),
        ] {
            let error = DatabaseSettings::postgres(url).unwrap_err();
            assert_eq!(error, fault);
            assert!(!error.to_string().contains("canary"));
        }
    }
}
