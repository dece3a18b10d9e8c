//! What the steps share: where to ask, with what, and what earlier steps learnt.

use super::arguments::Doctor;
use crate::cli::http::Client;
use crate::cli::serve::DEFAULT_CONFIG;
use crate::config::{self, Compiled, ConfigError, Env, Overrides};
use crate::domain::Secret;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One look over a deployment.
pub(super) struct Visit<'a> {
    pub(super) arguments: &'a Doctor,
    /// The environment, `.env` included.
    pub(super) env: Env,
    /// The configuration file, if there is one here, and what it says.
    pub(super) config: Option<(PathBuf, Result<Compiled, Vec<ConfigError>>)>,
    /// Asks the gateway without a key.
    pub(super) gateway: Client,
    /// Asks it as the admin, once it is known to answer and to take the key.
    pub(super) admin: Option<Client>,
    /// The model that calls are made to.
    pub(super) model: Option<String>,
    /// The key that was made.
    pub(super) minted: Option<Secret>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(arguments: &'a Doctor, url: &str) -> Self {
        let env = Env::from_process();
        let named = arguments.config.clone();
        let path =
            named.or_else(|| Path::new(DEFAULT_CONFIG).exists().then(|| PathBuf::from(DEFAULT_CONFIG)));
        let config = path.map(|path| {
            let read = config::load(&path, &env, &Overrides::default());
            (path, read)
        });
        let gateway = Client::new(url, Duration::from_secs(arguments.timeout));
        Self { arguments, env, config, gateway, admin: None, model: arguments.model.clone(), minted: None }
    }

    /// The configuration, if it can be used.
    pub(super) fn compiled(&self) -> Option<&Compiled> {
        self.config.as_ref().and_then(|(_, read)| read.as_ref().ok())
    }

    /// The admin's key: of the configuration, else of the environment.
    pub(super) fn master_key(&self) -> Option<Secret> {
        let configured = self.compiled().and_then(|compiled| compiled.config.server.master_key.clone());
        configured.or_else(|| self.env.filled("LITELLM_MASTER_KEY").and_then(Secret::new))
    }

    /// All secrets that could come back in an answer.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let targets = self.compiled().map(|compiled| compiled.config.targets.as_slice()).unwrap_or_default();
        let upstream = targets.iter().filter_map(|target| target.api_key.clone());
        let mut secrets: Vec<Secret> = upstream.chain(self.master_key()).chain(self.minted.clone()).collect();
        // A short one is part of ordinary words.
        secrets.retain(|secret| secret.expose().len() >= 8);
        secrets
    }

    /// Another server of the deployment: as named, else at the usual port of the gateway's host.
    pub(super) fn beside(&self, named: Option<&String>, port: u16) -> (Client, bool) {
        let timeout = Duration::from_secs(self.arguments.timeout);
        if let Some(url) = named {
            return (Client::new(url, timeout), true);
        }
        let base = self.gateway.base();
        let host = base.split_once("://").map_or(base, |(_, rest)| rest);
        let host = host.split(['/', '?']).next().unwrap_or(host);
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        (Client::new(&format!("http://{host}:{port}"), timeout), false)
    }
}
