//! How an upstream call can fail, and whose fault that is.

use super::Secret;
use std::time::Duration;

/// The class of an upstream failure; each has one row in [`crate::domain::ErrorKind`]'s table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamClass {
    /// 400 and other unlisted 4xx.
    BadRequest,
    /// 400: the prompt does not fit.
    ContextWindow,
    /// 400: refused by the provider's content policy.
    ContentPolicy,
    /// 401.
    Authentication,
    /// 403.
    PermissionDenied,
    /// 404.
    NotFound,
    /// 408, or no byte within the timeout.
    Timeout,
    /// 409.
    Conflict,
    /// 422.
    Unprocessable,
    /// 429.
    RateLimit,
    /// 500 and unlisted 5xx, or an answer that is none.
    Internal,
    /// 502.
    BadGateway,
    /// 503.
    Unavailable,
    /// No connection, or it broke before an answer.
    Connection,
}

/// What a fault says about the deployment, for cooldown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// The request's own fault: says nothing about the deployment.
    Request,
    /// The upstream key is refused.
    Key,
    /// The key's quota is used up until a known or assumed time.
    Quota,
    /// The server behind the deployment is in trouble.
    Host,
}

impl UpstreamClass {
    /// The class of an upstream status; `None` for a status that is not a failure.
    #[must_use]
    pub const fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            100..=399 => return None,
            401 => Self::Authentication,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            408 => Self::Timeout,
            409 => Self::Conflict,
            422 => Self::Unprocessable,
            429 => Self::RateLimit,
            402 | 405..=407 | 410..=421 | 423..=428 | 430..=499 | 400 => Self::BadRequest,
            502 => Self::BadGateway,
            503 => Self::Unavailable,
            _ => Self::Internal,
        })
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> FaultClass {
        match self {
            Self::BadRequest | Self::ContextWindow | Self::ContentPolicy | Self::Unprocessable => {
                FaultClass::Request
            }
            Self::Authentication | Self::PermissionDenied => FaultClass::Key,
            Self::RateLimit => FaultClass::Quota,
            // 404 is a deployment that does not have the model; 409 is contention on the server.
            Self::NotFound
            | Self::Timeout
            | Self::Conflict
            | Self::Internal
            | Self::BadGateway
            | Self::Unavailable
            | Self::Connection => FaultClass::Host,
        }
    }

    /// Whether another deployment (or the same one later) may well answer.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        !matches!(self.fault(), FaultClass::Request)
    }
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub class: UpstreamClass,
    /// The upstream's status, if it sent one.
    pub status: Option<u16>,
    /// The upstream's own words, cut and without secrets; or ours when it sent none.
    pub message: String,
    /// The upstream's `error.type`.
    pub kind: Option<String>,
    /// The upstream's `error.param`.
    pub param: Option<String>,
    /// The upstream's `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without an upstream answer.
    #[must_use]
    pub fn without_answer(class: UpstreamClass, message: &str) -> Self {
        Self { class, status: None, message: message.to_owned(), kind: None, param: None, retry_after: None }
    }

    /// Takes a credential out of the upstream's words, wherever it stands in them.
    pub fn hide(&mut self, secret: &Secret) {
        let words = [Some(&mut self.message), self.kind.as_mut(), self.param.as_mut()];
        for word in words.into_iter().flatten().filter(|word| word.contains(secret.expose())) {
            *word = word.replace(secret.expose(), "***");
        }
    }
}
