//! DNS as a Pingora service discovery: off the data plane, with a deadline, old answers kept on failure.

use crate::domain::HostPort;
use async_trait::async_trait;
use pingora::prelude::{Error, ErrorType, OrErr, Result};
use pingora_load_balancing::Backend;
use pingora_load_balancing::discovery::ServiceDiscovery;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(5);

/// Resolves one origin's host.
pub(super) struct Dns(pub(super) HostPort);

#[async_trait]
impl ServiceDiscovery for Dns {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let lookup = tokio::net::lookup_host((self.0.host.as_str(), self.0.port));
        let found = tokio::time::timeout(DEADLINE, lookup)
            .await
            .or_err(ErrorType::ConnectTimedout, "resolving the host name")?
            .or_err(ErrorType::ConnectError, "resolving the host name")?;
        let backends = found.map(|addr| Backend::new(&addr.to_string())).collect::<Result<BTreeSet<_>>>()?;
        if backends.is_empty() {
            return Error::e_explain(ErrorType::ConnectError, "the host name has no address");
        }
        Ok((backends, HashMap::new()))
    }
}
