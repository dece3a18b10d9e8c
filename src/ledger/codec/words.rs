//! The numbers that stand for the words of `domain`. A number never changes its meaning; a new word gets the
//! next one, and the `match` makes the compiler ask for it.

use crate::domain::{EndpointKind, Outcome, Scope, UpstreamClass, UsageSource};

/// Class words of refusals, in no order that matters: they are written as text.
const REFUSALS: &[&str] = &[
    "ProxyException",
    "BadRequestError",
    "RateLimitError",
    "BudgetExceededError",
    "ServiceUnavailableError",
    "UnsupportedParamsError",
    "InternalServerError",
    "AuthenticationError",
    "NotFoundError",
    "NotFound",
    "Timeout",
    "APIError",
    "BadGatewayError",
    "ContextWindowExceededError",
    "ContentPolicyViolationError",
    "Conflict",
    "UnprocessableEntity",
    "MethodNotAllowed",
];
/// What a class word of another release is read as.
const UNKNOWN_REFUSAL: &str = "Error";

pub(super) const fn endpoint_code(endpoint: EndpointKind) -> u8 {
    match endpoint {
        EndpointKind::ChatCompletions => 0,
        EndpointKind::Completions => 1,
        EndpointKind::Embeddings => 2,
        EndpointKind::PassThrough => 3,
        EndpointKind::Messages => 4,
        EndpointKind::CountTokens => 5,
        EndpointKind::Responses => 20,
        EndpointKind::GenerateContent => 21,
        EndpointKind::StreamContent => 22,
        EndpointKind::CountContent => 23,
        EndpointKind::Speech => 40,
        EndpointKind::Transcriptions => 41,
        EndpointKind::Translations => 42,
        EndpointKind::ImageGenerations => 43,
        EndpointKind::ImageEdits => 44,
        EndpointKind::ImageVariations => 45,
        EndpointKind::Moderations => 46,
        EndpointKind::Rerank => 47,
        EndpointKind::Files => 48,
        EndpointKind::Batches => 49,
        EndpointKind::Search => 50,
        EndpointKind::Realtime => 51,
    }
}

pub(super) const fn endpoint(code: u8) -> Option<EndpointKind> {
    Some(match code {
        0 => EndpointKind::ChatCompletions,
        1 => EndpointKind::Completions,
        2 => EndpointKind::Embeddings,
        3 => EndpointKind::PassThrough,
        4 => EndpointKind::Messages,
        5 => EndpointKind::CountTokens,
        20 => EndpointKind::Responses,
        21 => EndpointKind::GenerateContent,
        22 => EndpointKind::StreamContent,
        23 => EndpointKind::CountContent,
        40 => EndpointKind::Speech,
        41 => EndpointKind::Transcriptions,
        42 => EndpointKind::Translations,
        43 => EndpointKind::ImageGenerations,
        44 => EndpointKind::ImageEdits,
        45 => EndpointKind::ImageVariations,
        46 => EndpointKind::Moderations,
        47 => EndpointKind::Rerank,
        48 => EndpointKind::Files,
        49 => EndpointKind::Batches,
        50 => EndpointKind::Search,
        51 => EndpointKind::Realtime,
        _ => return None,
    })
}

pub(super) const fn source_code(source: UsageSource) -> u8 {
    match source {
        UsageSource::Upstream => 0,
        UsageSource::Estimated => 1,
        UsageSource::Absent => 2,
    }
}

pub(super) const fn source(code: u8) -> Option<UsageSource> {
    Some(match code {
        0 => UsageSource::Upstream,
        1 => UsageSource::Estimated,
        2 => UsageSource::Absent,
        _ => return None,
    })
}

pub(super) const fn scope_code(scope: Scope) -> u8 {
    match scope {
        Scope::Key => 0,
        Scope::User => 1,
        Scope::Team => 2,
        Scope::Member => 3,
        Scope::Customer => 4,
        Scope::Organization => 5,
        Scope::Provider => 6,
        Scope::Global => 7,
    }
}

pub(super) fn scope(code: u8) -> Option<Scope> {
    Scope::ALL.into_iter().find(|&scope| scope_code(scope) == code)
}

/// Interrupted answers are written as 16 and the class.
const INTERRUPTED: u8 = 16;

pub(super) const fn outcome_code(outcome: &Outcome) -> (u8, &'static str) {
    match outcome {
        Outcome::Completed => (0, ""),
        Outcome::Refused(word) => (1, word),
        Outcome::ClientGone => (2, ""),
        Outcome::Superseded => (3, ""),
        Outcome::Interrupted(class) => (INTERRUPTED + class_code(*class), ""),
    }
}

pub(super) fn outcome(code: u8, word: &str) -> Option<Outcome> {
    Some(match code {
        0 => Outcome::Completed,
        1 => Outcome::Refused(REFUSALS.iter().find(|known| **known == word).unwrap_or(&UNKNOWN_REFUSAL)),
        2 => Outcome::ClientGone,
        3 => Outcome::Superseded,
        _ => Outcome::Interrupted(class(code.checked_sub(INTERRUPTED)?)?),
    })
}

pub(super) const fn class_code(class: UpstreamClass) -> u8 {
    match class {
        UpstreamClass::BadRequest => 0,
        UpstreamClass::ContextWindow => 1,
        UpstreamClass::ContentPolicy => 2,
        UpstreamClass::Authentication => 3,
        UpstreamClass::PermissionDenied => 4,
        UpstreamClass::NotFound => 5,
        UpstreamClass::Timeout => 6,
        UpstreamClass::Conflict => 7,
        UpstreamClass::Unprocessable => 8,
        UpstreamClass::RateLimit => 9,
        UpstreamClass::Internal => 10,
        UpstreamClass::BadGateway => 11,
        UpstreamClass::Unavailable => 12,
        UpstreamClass::Connection => 13,
    }
}

pub(super) const fn class(code: u8) -> Option<UpstreamClass> {
    Some(match code {
        0 => UpstreamClass::BadRequest,
        1 => UpstreamClass::ContextWindow,
        2 => UpstreamClass::ContentPolicy,
        3 => UpstreamClass::Authentication,
        4 => UpstreamClass::PermissionDenied,
        5 => UpstreamClass::NotFound,
        6 => UpstreamClass::Timeout,
        7 => UpstreamClass::Conflict,
        8 => UpstreamClass::Unprocessable,
        9 => UpstreamClass::RateLimit,
        10 => UpstreamClass::Internal,
        11 => UpstreamClass::BadGateway,
        12 => UpstreamClass::Unavailable,
        13 => UpstreamClass::Connection,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn every_number_reads_back() {
        for code in 0..14 {
            assert_eq!(class(code).map(class_code), Some(code));
        }
        assert_eq!(class(14), None);
        assert!((0..=u8::MAX).all(|code| endpoint(code).is_none_or(|kind| endpoint_code(kind) == code)));
        assert!(Scope::ALL.into_iter().all(|known| scope(scope_code(known)) == Some(known)));
    }

    #[test]
    fn refusals_keep_their_word() {
        for kind in [
            ErrorKind::NoKey,
            ErrorKind::BudgetExceeded,
            ErrorKind::RateLimited,
            ErrorKind::LedgerFull,
            ErrorKind::UnknownModel,
            ErrorKind::UnsupportedParams,
            ErrorKind::Internal,
        ]
        .into_iter()
        .chain((0..14).filter_map(class).map(ErrorKind::Upstream))
        {
            let word = kind.row().class;
            assert_eq!(outcome(1, word), Some(Outcome::Refused(word)), "{kind:?}: add the word to REFUSALS");
        }
    }
}
