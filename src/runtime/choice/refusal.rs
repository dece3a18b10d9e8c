//! What a client is told when every deployment is barred, in LiteLLM's words.

use super::{Bar, Wish};
use crate::domain::{ApiError, ErrorKind, UpstreamClass};
use crate::runtime::Group;
use crate::upstream::NoTurn;
use std::collections::BTreeSet;
use std::time::Duration;

impl Group {
    /// The refusal of a call that asked for `requested`.
    #[must_use]
    pub fn refusal(&self, bar: Bar, requested: &str, wish: &Wish<'_>) -> ApiError {
        match bar {
            Bar::Cooled(left) | Bar::Quota(left) => self.none_available(requested, left),
            Bar::Budget => self.exhausted(requested),
            Bar::Unserved => {
                let reason = self.deployments.iter().find_map(|d| d.target.unserved.as_deref());
                let words = reason.unwrap_or("this model is not served");
                ApiError::new(ErrorKind::UnservedProvider, format!("litellm.BadRequestError: {words}"))
            }
            Bar::Surface => self.no_surface(requested, wish.kind.upstream_path()),
            Bar::Context(most) => {
                let words = format!(
                    "litellm.ContextWindowExceededError: litellm.BadRequestError: litellm._pre_call_checks: \
                     Context Window exceeded for given call. No models have context window large enough for \
                     this call.\nModel={requested}, Max Input Tokens={most}, Got={}",
                    wish.prompt
                );
                ApiError::new(ErrorKind::Upstream(UpstreamClass::ContextWindow), words)
            }
            Bar::Tags => {
                let words = format!(
                    "litellm.AuthenticationError: Not allowed to access model due to tags configuration. Passed \
                     model={requested} and tags={:?}",
                    wish.tags
                );
                ApiError::new(ErrorKind::TagsDenied, words)
            }
        }
    }

    fn no_surface(&self, requested: &str, path: &str) -> ApiError {
        let providers: BTreeSet<&str> =
            self.deployments.iter().map(|deployment| deployment.target.provider.as_str()).collect();
        let words = format!(
            "litellm.BadRequestError: {} has no {path}: it is asked of upstreams that speak OpenAI's format{}. Passed \
             model={requested}",
            providers.into_iter().collect::<Vec<_>>().join(", "),
            if path == "/rerank" { ", or Cohere's" } else { "" },
        );
        ApiError::new(ErrorKind::InvalidRequest, words).with_param("model")
    }

    /// The refusal of a call that gets no turn.
    #[must_use]
    pub fn no_turn(&self, why: NoTurn, requested: &str) -> ApiError {
        let reason = match why {
            NoTurn::Full(_) => "too many calls wait for it already",
            NoTurn::TooLate(_) => "its keys have no quota left, and none in the time that this call may wait",
            NoTurn::TimedOut(_) => "its keys had no quota left for as long as this call could wait",
            NoTurn::Closed => return ApiError::shutting_down(),
        };
        let again = why.retry_after().map(|after| after.as_millis().div_ceil(1000).max(1));
        let again = again.map(|seconds| format!(", Try again in {seconds} seconds")).unwrap_or_default();
        let words = format!(
            "No deployments available for selected model{again}. Passed model={requested}: {reason}."
        );
        ApiError::new(ErrorKind::NoDeployments, words).with_retry_after(why.retry_after())
    }

    fn none_available(&self, requested: &str, left: Duration) -> ApiError {
        let seconds = left.as_millis().div_ceil(1000).max(1);
        let checks = if self.filters.context { "True" } else { "False" };
        let words = format!(
            "No deployments available for selected model, Try again in {seconds} seconds. Passed \
             model={requested}. pre-call-checks={checks}"
        );
        ApiError::new(ErrorKind::NoDeployments, words).with_retry_after(Some(left))
    }

    fn exhausted(&self, requested: &str) -> ApiError {
        let providers: BTreeSet<&str> =
            self.deployments.iter().map(|deployment| deployment.target.provider.as_str()).collect();
        let words = format!(
            "No deployments available - crossed budget: Exceeded budget for provider {}. Passed \
             model={requested}",
            providers.into_iter().collect::<Vec<_>>().join(", ")
        );
        ApiError::new(ErrorKind::BudgetExceeded, words)
    }
}
