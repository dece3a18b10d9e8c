//! The only error a client can be shown, and the one table of statuses, types and class words.
//!
//! The values are LiteLLM 1.83.14's, because clients branch on them. `code` is a string, and `type`
//! and `param` can be the literal word `None`. Adding an error is a variant and a row.

use super::{Failure, UpstreamClass};
use std::time::Duration;

/// What went wrong, as far as the client is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No credential was sent.
    NoKey,
    /// A credential was sent in a form that is none.
    MalformedKey,
    /// A credential that does not begin with `sk-`.
    NotAVirtualKey,
    /// A key nobody knows.
    UnknownKey,
    /// The key may not call this route.
    AdminOnly,
    /// The key was switched off.
    BlockedKey,
    /// The key's time is over.
    ExpiredKey,
    /// The key is of a kind, or has a list of routes, that excludes this route.
    RouteDenied,
    /// The caller may not see or change this thing of somebody else.
    Forbidden,
    /// The key's own list of models excludes this one.
    KeyModelDenied,
    /// Its team's list does.
    TeamModelDenied,
    /// Its user's list does.
    UserModelDenied,
    /// Its organization's list does.
    OrganizationModelDenied,
    /// Money is used up.
    BudgetExceeded,
    /// A limit of requests, tokens or slots of a key or of whom it belongs to.
    RateLimited,
    /// What is asked for is not there.
    Missing,
    /// A name is taken that must be unique.
    Conflict,
    /// The body of an admin call has a field of the wrong type, or lacks one.
    Unprocessable,
    /// The database cannot be asked.
    DatabaseAway,
    /// Spending cannot be written down, so nothing may be spent.
    LedgerFull,
    /// The counters that all gateways share cannot be reached, and no limit may be passed.
    SharedAway,
    /// The body names a destination or credential of its own.
    BannedParam,
    /// The model is not configured.
    UnknownModel,
    /// The model matches a group whose provider is not served.
    UnservedProvider,
    /// The body is not JSON.
    InvalidJson,
    /// The body is JSON but not of the form this API takes.
    InvalidRequest,
    /// A parameter the deployment does not take.
    UnsupportedParams,
    /// The body is over the limit.
    TooLarge,
    /// The body does not come, or too slowly.
    SlowBody,
    /// No deployment can take the call now.
    NoDeployments,
    /// The call's tags fit no deployment.
    TagsDenied,
    /// The gateway is going away.
    ShuttingDown,
    /// No such path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// A fault of the gateway itself.
    Internal,
    /// The upstream failed.
    Upstream(UpstreamClass),
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRow {
    /// The HTTP status.
    pub status: u16,
    /// `error.type`; `None` is JSON null, `Some("None")` the word.
    pub kind: Option<&'static str>,
    /// `error.param`, likewise.
    pub param: Option<&'static str>,
    /// The class word: what messages begin with and metrics count.
    pub class: &'static str,
}

const fn row(
    status: u16,
    kind: Option<&'static str>,
    param: Option<&'static str>,
    class: &'static str,
) -> ErrorRow {
    ErrorRow { status, kind, param, class }
}

const NONE: Option<&str> = Some("None");

impl ErrorKind {
    /// This kind's row.
    #[must_use]
    pub const fn row(self) -> ErrorRow {
        match self {
            Self::NoKey | Self::MalformedKey | Self::NotAVirtualKey | Self::AdminOnly => {
                row(401, Some("auth_error"), NONE, "ProxyException")
            }
            Self::BlockedKey => row(401, Some("auth_error"), NONE, "ProxyException"),
            Self::ExpiredKey => row(400, Some("expired_key"), NONE, "ProxyException"),
            Self::RouteDenied => row(403, Some("auth_error"), NONE, "ProxyException"),
            Self::Forbidden => row(403, Some("auth_error"), NONE, "ProxyException"),
            Self::KeyModelDenied => {
                row(401, Some("key_model_access_denied"), Some("model"), "ProxyException")
            }
            Self::TeamModelDenied => {
                row(401, Some("team_model_access_denied"), Some("model"), "ProxyException")
            }
            Self::UserModelDenied => {
                row(401, Some("user_model_access_denied"), Some("model"), "ProxyException")
            }
            Self::OrganizationModelDenied => {
                row(401, Some("org_model_access_denied"), Some("model"), "ProxyException")
            }
            Self::BudgetExceeded => row(400, Some("budget_exceeded"), None, "BudgetExceededError"),
            Self::RateLimited => row(429, NONE, NONE, "RateLimitError"),
            Self::Missing => row(404, Some("not_found_error"), None, "NotFound"),
            Self::Conflict => row(409, Some("bad_request_error"), None, "Conflict"),
            Self::Unprocessable => row(422, Some("invalid_request_error"), None, "UnprocessableEntity"),
            Self::DatabaseAway => row(503, Some("no_db_connection"), None, "ServiceUnavailableError"),
            Self::SharedAway => row(503, Some("service_unavailable"), None, "ServiceUnavailableError"),
            Self::LedgerFull => row(503, Some("service_unavailable"), None, "ServiceUnavailableError"),
            Self::UnknownKey => row(401, Some("token_not_found_in_db"), Some("key"), "ProxyException"),
            Self::BannedParam => row(401, Some("auth_error"), NONE, "ProxyException"),
            Self::UnknownModel => row(400, NONE, NONE, "BadRequestError"),
            Self::UnservedProvider => row(400, NONE, NONE, "BadRequestError"),
            Self::InvalidJson => {
                row(400, Some("invalid_request_error"), Some("request_body"), "BadRequestError")
            }
            Self::InvalidRequest => row(400, Some("invalid_request_error"), None, "BadRequestError"),
            Self::UnsupportedParams => row(400, None, None, "UnsupportedParamsError"),
            Self::TooLarge => {
                row(413, Some("invalid_request_error"), Some("request_body"), "BadRequestError")
            }
            Self::SlowBody => row(408, Some("timeout_error"), Some("request_body"), "Timeout"),
            Self::TagsDenied => row(401, NONE, NONE, "AuthenticationError"),
            Self::NoDeployments => row(429, NONE, NONE, "RateLimitError"),
            Self::ShuttingDown => row(503, Some("service_unavailable"), None, "ServiceUnavailableError"),
            Self::NotFound => row(404, None, None, "NotFound"),
            Self::MethodNotAllowed => row(405, None, None, "MethodNotAllowed"),
            Self::Internal => row(500, Some("internal_server_error"), None, "InternalServerError"),
            Self::Upstream(class) => upstream_row(class),
        }
    }
}

const fn upstream_row(class: UpstreamClass) -> ErrorRow {
    use UpstreamClass as C;
    match class {
        C::BadRequest => row(400, Some("invalid_request_error"), None, "BadRequestError"),
        C::ContextWindow => row(400, None, None, "ContextWindowExceededError"),
        C::ContentPolicy => row(400, None, None, "ContentPolicyViolationError"),
        C::Authentication => row(401, None, None, "AuthenticationError"),
        C::PermissionDenied => row(403, None, None, "BadRequestError"),
        C::NotFound => row(404, None, None, "NotFoundError"),
        C::Timeout => row(408, None, None, "Timeout"),
        C::Conflict => row(409, None, None, "APIError"),
        C::Unprocessable => row(422, None, None, "BadRequestError"),
        C::RateLimit => row(429, Some("throttling_error"), None, "RateLimitError"),
        C::Internal => row(500, None, None, "InternalServerError"),
        C::BadGateway => row(502, None, None, "BadGatewayError"),
        C::Unavailable => row(503, None, None, "ServiceUnavailableError"),
        C::Connection => row(500, None, None, "InternalServerError"),
    }
}

impl UpstreamClass {
    /// The class word of its row.
    #[must_use]
    pub const fn word(self) -> &'static str {
        ErrorKind::Upstream(self).row().class
    }
}

/// What begins the message of an upstream failure, before the provider's own words.
const fn upstream_prefix(class: UpstreamClass) -> &'static str {
    use UpstreamClass as C;
    match class {
        C::BadRequest | C::PermissionDenied | C::Unprocessable => "litellm.BadRequestError: ",
        C::ContextWindow => {
            "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: "
        }
        C::ContentPolicy => {
            "litellm.BadRequestError: litellm.ContentPolicyViolationError: ContentPolicyViolationError: "
        }
        C::Authentication => "litellm.AuthenticationError: AuthenticationError: ",
        C::NotFound => "litellm.NotFoundError: ",
        C::Timeout => "litellm.Timeout: Timeout Error: ",
        C::Conflict => "litellm.APIError: APIError: ",
        C::RateLimit => "litellm.RateLimitError: RateLimitError: ",
        C::Internal | C::Connection => "litellm.InternalServerError: InternalServerError: ",
        C::BadGateway => "litellm.BadGatewayError: BadGatewayError: ",
        C::Unavailable => "litellm.ServiceUnavailableError: ServiceUnavailableError: ",
    }
}

/// The error a client is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The row it is rendered from.
    pub kind: ErrorKind,
    /// What to say.
    pub message: String,
    /// `error.type`, where it differs from the row (the upstream's own).
    pub kind_word: Option<String>,
    /// `error.param`, where it differs from the row.
    pub param: Option<String>,
    /// When to come back; sent as `retry-after`, in whole seconds rounded up.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error with the words for it.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), kind_word: None, param: None, retry_after: None }
    }

    /// For a call that was not sent to an upstream before the process ends; another one takes it.
    #[must_use]
    pub fn shutting_down() -> Self {
        let words = "The gateway is going away, and it was not this call's turn yet. Send it again.";
        Self::new(ErrorKind::ShuttingDown, words).with_retry_after(Some(Duration::from_secs(1)))
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// The upstream's failure in the client's words. `provider` is the provider's prefix (`openai`).
    #[must_use]
    pub fn upstream(failure: &Failure, provider: &str) -> Self {
        let prefix = upstream_prefix(failure.class);
        let exception = exception_word(provider);
        let own_words = matches!(
            failure.class,
            UpstreamClass::BadRequest | UpstreamClass::PermissionDenied | UpstreamClass::Unprocessable
        );
        Self {
            kind: ErrorKind::Upstream(failure.class),
            message: format!("{prefix}{exception} - {}", failure.message),
            kind_word: failure.kind.clone().filter(|_| own_words),
            param: failure.param.clone().filter(|_| own_words),
            retry_after: failure.retry_after,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.kind.row().status
    }

    /// The class word.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        self.kind.row().class
    }

    /// The JSON body of LiteLLM's OpenAI-shaped routes; 404 and 405 have its `detail` shape.
    #[must_use]
    pub fn to_json(&self) -> String {
        if matches!(self.kind, ErrorKind::NotFound | ErrorKind::MethodNotAllowed) {
            return serde_json::json!({ "detail": self.message }).to_string();
        }
        let row = self.kind.row();
        let error = serde_json::json!({
            "message": self.message,
            "type": self.kind_word.as_deref().or(row.kind),
            "param": self.param.as_deref().or(row.param),
            "code": row.status.to_string(),
        });
        serde_json::json!({ "error": error }).to_string()
    }
}

/// LiteLLM's word for a provider's errors: `openai` and what speaks its format is `OpenAIException`.
fn exception_word(provider: &str) -> String {
    match provider {
        "openai" | "" => "OpenAIException".to_owned(),
        "hosted_vllm" => "Hosted_vllmException".to_owned(),
        other => {
            let mut letters = other.chars();
            let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            format!("{first}{}Exception", letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_a_string_and_none_is_a_word() {
        let body = ApiError::new(ErrorKind::NoKey, "Authentication Error, No api key passed in.").to_json();
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["error"]["code"], "401");
        assert_eq!(value["error"]["param"], "None");
        assert_eq!(value["error"]["type"], "auth_error");
    }

    #[test]
    fn an_upstream_failure_keeps_its_class_word() {
        let mut failure = Failure::without_answer(UpstreamClass::RateLimit, "slow down");
        failure.retry_after = Some(Duration::from_secs(7));
        let error = ApiError::upstream(&failure, "openai");
        assert_eq!(error.status(), 429);
        assert!(error.message.starts_with("litellm.RateLimitError: RateLimitError: OpenAIException - slow"));
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn unknown_paths_answer_in_the_detail_shape() {
        assert_eq!(ApiError::new(ErrorKind::NotFound, "Not Found").to_json(), r#"{"detail":"Not Found"}"#);
    }
}
