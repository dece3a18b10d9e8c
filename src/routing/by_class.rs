//! A number for each class of errors: LiteLLM's `retry_policy` and `allowed_fails_policy`.

use crate::domain::UpstreamClass;

/// Numbers by class; where none is set, what counts otherwise does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByClass {
    /// `BadRequestError…`: 400, 403, 422, and a prompt that does not fit.
    pub bad_request: Option<u32>,
    /// `AuthenticationError…`: 401.
    pub authentication: Option<u32>,
    /// `TimeoutError…`: 408, and silence.
    pub timeout: Option<u32>,
    /// `RateLimitError…`: 429.
    pub rate_limit: Option<u32>,
    /// `ContentPolicyViolationError…`; a bad request where nothing is said of it.
    pub content_policy: Option<u32>,
    /// `InternalServerError…`: 5xx, and connections that fail.
    pub internal: Option<u32>,
}

impl ByClass {
    /// The number for a class.
    #[must_use]
    pub const fn of(&self, class: UpstreamClass) -> Option<u32> {
        use UpstreamClass as C;
        match class {
            C::BadRequest | C::ContextWindow | C::PermissionDenied | C::Unprocessable => self.bad_request,
            C::ContentPolicy if self.content_policy.is_some() => self.content_policy,
            C::ContentPolicy => self.bad_request,
            C::Authentication => self.authentication,
            C::Timeout => self.timeout,
            C::RateLimit => self.rate_limit,
            C::Internal | C::BadGateway | C::Unavailable | C::Connection => self.internal,
            C::NotFound | C::Conflict => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_number_and_policy_refusals_are_bad_requests_too() {
        let all = ByClass {
            bad_request: Some(1),
            authentication: Some(2),
            timeout: Some(3),
            rate_limit: Some(4),
            content_policy: Some(5),
            internal: Some(6),
        };
        use UpstreamClass as C;
        for (class, number) in [
            (C::BadRequest, Some(1)),
            (C::Authentication, Some(2)),
            (C::Timeout, Some(3)),
            (C::RateLimit, Some(4)),
            (C::ContentPolicy, Some(5)),
            (C::Unavailable, Some(6)),
            (C::NotFound, None),
        ] {
            assert_eq!(all.of(class), number, "{class:?}");
        }
        assert_eq!(ByClass { content_policy: None, ..all }.of(C::ContentPolicy), Some(1));
        assert_eq!(ByClass::default().of(C::Timeout), None);
    }
}
