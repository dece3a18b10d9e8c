//! Proofs of thought on their way through the client, who keeps them for the next turn.
//!
//! They bear a mark, because another provider's would be refused by the one that is asked next.

/// What a proof is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dialects) enum Proof {
    /// That a thought is the model's.
    Signature(String),
    /// The thought itself, which only its provider can read.
    Redacted(String),
}

const SIGNATURE: &str = "tg1.s.";
const REDACTED: &str = "tg1.r.";

/// As the client is to keep it.
pub(in crate::dialects) fn of_signature(signature: &str) -> String {
    format!("{SIGNATURE}{signature}")
}

/// As the client is to keep it.
pub(in crate::dialects) fn of_redacted(data: &str) -> String {
    format!("{REDACTED}{data}")
}

/// What the client kept; nothing if it is not from here.
pub(in crate::dialects) fn open(kept: &str) -> Option<Proof> {
    let signature = kept.strip_prefix(SIGNATURE).map(|own| Proof::Signature(own.to_owned()));
    signature.or_else(|| kept.strip_prefix(REDACTED).map(|own| Proof::Redacted(own.to_owned())))
}
