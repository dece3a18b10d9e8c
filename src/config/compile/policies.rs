//! Numbers by class of errors: `retry_policy`, `model_group_retry_policy` and `allowed_fails_policy`.

use super::super::field::{Report, Section};
use crate::routing::ByClass;
use std::collections::HashMap;

/// The mapping `key`; its members end in `suffix` (`TimeoutErrorRetries`).
pub(super) fn by_class(section: &Section<'_>, key: &str, suffix: &str, report: &mut Report) -> ByClass {
    let policy = section.field(key).and_then(|field| field.map(report));
    policy.map(|policy| read(&policy, suffix, report)).unwrap_or_default()
}

/// `model_group_retry_policy`.
pub(super) fn by_group(section: &Section<'_>, report: &mut Report) -> HashMap<String, ByClass> {
    let Some(groups) = section.field("model_group_retry_policy").and_then(|field| field.map(report)) else {
        return HashMap::new();
    };
    let policies = groups.fields().filter_map(|field| {
        let policy = read(&field.map(report)?, "Retries", report);
        Some((field.key().to_owned(), policy))
    });
    policies.collect()
}

fn read(policy: &Section<'_>, suffix: &str, report: &mut Report) -> ByClass {
    let mut number =
        |class: &str| policy.field(&format!("{class}Error{suffix}")).and_then(|f| f.count(report));
    ByClass {
        bad_request: number("BadRequest"),
        authentication: number("Authentication"),
        timeout: number("Timeout"),
        rate_limit: number("RateLimit"),
        content_policy: number("ContentPolicyViolation"),
        internal: number("InternalServer"),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Env, Overrides, parse_and_compile};
    use crate::routing::ByClass;

    #[test]
    fn policies_are_numbers_by_class_of_error() {
        let text = "router_settings:\n  retry_policy: {TimeoutErrorRetries: 4, BadRequestErrorRetries: null, max_retries: 9}\n  \
                    model_group_retry_policy: {a: {RateLimitErrorRetries: 0}}\n  \
                    allowed_fails_policy: {InternalServerErrorAllowedFails: '7'}\n";
        let router = parse_and_compile(text, &Env::of(&[]), &Overrides::default()).unwrap().config.router;
        assert_eq!(router.retry_policy, ByClass { timeout: Some(4), ..ByClass::default() });
        assert_eq!(router.group_retry_policies["a"].rate_limit, Some(0));
        assert_eq!(router.allowed_fails_policy.internal, Some(7));
    }
}
