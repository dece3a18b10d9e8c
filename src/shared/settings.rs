//! Where the Redis is, and what becomes of limits without it.

use crate::domain::Secret;
use crate::limits::Together;
use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use std::fmt;
use std::time::Duration;

/// What becomes of limits while Redis is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Each process holds them by what it counts itself, with what it last knew of others.
    #[default]
    Local,
    /// Whoever has limits is refused.
    Refuse,
}

impl OnLoss {
    pub(super) const fn mode(self) -> Together {
        match self {
            Self::Local => Together::Alone,
            Self::Refuse => Together::Closed,
        }
    }
}

/// An address that is none of a Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wants an address as in redis://user:password@host:6379/0, or rediss:// for TLS")]
pub struct InvalidAddress;

/// A Redis, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The number of the database in it.
    pub database: u32,
    /// As whom to log in; the default user if `None`.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// What all keys begin with.
    pub namespace: String,
    /// What becomes of limits without it.
    pub on_loss: OnLoss,
    /// It is away when it has not answered for so long.
    pub patience: Duration,
}

impl Settings {
    /// A Redis on its usual port, without a password.
    #[must_use]
    pub fn at(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: 6379,
            database: 0,
            username: None,
            password: None,
            tls: false,
            namespace: "tollgate".to_owned(),
            on_loss: OnLoss::Local,
            patience: Duration::from_millis(100),
        }
    }

    /// The Redis of a `redis://` or `rediss://` address.
    ///
    /// # Errors
    /// It is none; what it says is not repeated, as it may hold a password.
    pub fn from_url(url: &str) -> Result<Self, InvalidAddress> {
        let info = url.into_connection_info().map_err(|_| InvalidAddress)?;
        let (host, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host, *port, false),
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => (host, *port, true),
            _ => return Err(InvalidAddress),
        };
        let login = info.redis_settings();
        Ok(Self {
            port,
            tls,
            database: u32::try_from(login.db()).map_err(|_| InvalidAddress)?,
            username: login.username().map(str::to_owned),
            password: login.password().and_then(Secret::new),
            ..Self::at(host)
        })
    }

    /// What the client library wants.
    pub(super) fn client(&self) -> redis::RedisResult<redis::Client> {
        let (host, port) = (self.host.clone(), self.port);
        let address = match self.tls {
            true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host, port),
        };
        let mut login = RedisConnectionInfo::default().set_db(i64::from(self.database));
        if let Some(name) = &self.username {
            login = login.set_username(name);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password.expose());
        }
        redis::Client::open(address.into_connection_info()?.set_redis_settings(login))
    }
}

/// Where it is, without the password.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        if host.contains(':') {
            write!(f, "[{host}]:{}", self.port)
        } else {
            write!(f, "{host}:{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_used_and_the_password_is_not_shown() {
        let password = Secret::new("p@ss/word");
        let all = Settings { username: Some("u".into()), password, database: 3, ..Settings::at("::1") };
        let client = all.client().unwrap();
        let login = client.get_connection_info().redis_settings();
        assert_eq!((login.username(), login.password(), login.db()), (Some("u"), Some("p@ss/word"), 3));
        assert_eq!(all.to_string(), "[::1]:6379");
        assert!(!format!("{all:?}").contains("ss/word"));
        assert!(Settings { tls: true, ..all }.client().is_ok());
    }
}
