//! Asking an upstream for its model list with a deployment's key: reachability without a token.

use super::station::from_root;
use super::{Deployment, Patience};
use crate::providers::LocalServer;
use http::{Method, StatusCode};
use pingora::connectors::http::Connector;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// No answer.
    Unreachable,
    /// An answer with this status.
    Status(u16),
}

impl Asked {
    /// What is wrong; a server without a model list is a healthy one.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::Unreachable => Some("the upstream cannot be reached".to_owned()),
            Self::Status(401 | 403) => {
                Some(format!("the upstream refuses the key (status {})", self.status()))
            }
            Self::Status(status @ 500..) => Some(format!("the upstream is in trouble (status {status})")),
            Self::Status(_) => None,
        }
    }

    /// The status, 0 when there was none.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Unreachable => 0,
            Self::Status(status) => *status,
        }
    }
}

/// Asks once, within ten seconds.
pub async fn ask_for_models(deployment: &Deployment) -> Asked {
    match tokio::time::timeout(DEADLINE, ask(deployment)).await {
        Ok(Ok(status)) => Asked::Status(status.as_u16()),
        Ok(Err(_)) | Err(_) => Asked::Unreachable,
    }
}

async fn ask(deployment: &Deployment) -> pingora::Result<StatusCode> {
    let unresolved = || pingora::Error::explain(pingora::ErrorType::ConnectError, "not resolved");
    let patience = Patience { connect: DEADLINE, read: DEADLINE, write: None };
    let peer = deployment.endpoint.peer(patience).ok_or_else(unresolved)?;
    let connector: Connector = Connector::new(None);
    let (mut session, _) = connector.get_http_session(&*peer).await?;
    let target = &deployment.target;
    // Servers that load models on demand have a place where they say so without loading any.
    let path = match (target.server.and_then(LocalServer::loaded_path), target.dialect.models()) {
        (Some(path), _) => from_root(deployment, path),
        (None, Some(models)) => format!("{}{models}{}", target.base_path, target.query),
        (None, None) => return Ok(StatusCode::OK),
    };
    let mut head = deployment.bare_head();
    head.set_method(Method::GET);
    head.set_raw_path(path.as_bytes())?;
    session.write_request_header(Box::new(head)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let missing = || pingora::Error::explain(pingora::ErrorType::ReadError, "no answer");
    session.response_header().map(|head| head.status).ok_or_else(missing)
}
