//! What a step found.

use super::trouble::Trouble;
use crate::cli::http::HttpError;
use serde::Serialize;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// It works.
    Pass,
    /// It works, but somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
    /// It was not tried.
    Skip,
}

/// What a step found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) detail: String,
    pub(super) trouble: Option<Trouble>,
}

impl Finding {
    pub(super) fn pass(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, detail: detail.into(), trouble: None }
    }

    pub(super) fn skip(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skip, detail: detail.into(), trouble: None }
    }

    pub(super) fn warn(trouble: Trouble, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, detail: detail.into(), trouble: Some(trouble) }
    }

    pub(super) fn fail(trouble: Trouble, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, detail: detail.into(), trouble: Some(trouble) }
    }

    /// Nobody answered.
    pub(super) fn unanswered(error: &HttpError) -> Self {
        let trouble = match error {
            HttpError::Refused(_) => Trouble::NotRunning,
            HttpError::NoHost(_) => Trouble::NoHost,
            HttpError::Late(_) => Trouble::Late,
            HttpError::Other(..) => Trouble::Odd,
        };
        Self::fail(trouble, error.to_string())
    }
}
