//! What speaks against a deployment.

use super::tags::TagRule;
use super::wish::Wish;
use crate::runtime::Group;
use std::time::Duration;

/// Why a deployment cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// It is listed, but not served.
    Unserved,
    /// Its upstream has no such API, and the call cannot be translated.
    Surface,
    /// It is for calls with other tags.
    Tags,
    /// The prompt is longer than this, its `max_input_tokens`.
    Context(u64),
    /// Its provider's budget is used up.
    Budget,
    /// It, or its key, is out of rotation for so long.
    Cooled(Duration),
    /// Its `rpm` or `tpm` is used up for so long.
    Quota(Duration),
}

/// Why a deployment is chosen only when there is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawback {
    /// The call met it already.
    Tried,
    /// All its parallel slots are taken.
    Full,
    /// Its endpoint fails its probes.
    Down,
    /// The model is not in its server's memory.
    Cold,
}

impl Bar {
    /// How hard it is to overcome: of two of a kind, the sooner or larger one is easier.
    pub(super) fn rank(&self) -> (u8, Duration, u64) {
        match *self {
            Self::Cooled(left) | Self::Quota(left) => (0, left, 0),
            Self::Budget => (1, Duration::ZERO, 0),
            Self::Context(most) => (2, Duration::ZERO, u64::MAX - most),
            Self::Tags => (3, Duration::ZERO, 0),
            Self::Surface => (4, Duration::ZERO, 0),
            Self::Unserved => (5, Duration::ZERO, 0),
        }
    }
}

impl Group {
    /// Why this deployment cannot be chosen for a call, if so. Whoever wants to know asks here.
    pub(super) fn bar(&self, at: usize, wish: &Wish<'_>, tags: TagRule, now_ms: u64) -> Option<Bar> {
        let deployment = self.deployments.get(at)?;
        let traits = &*deployment.traits;
        if !traits.is_served {
            return Some(Bar::Unserved);
        }
        if !deployment.serves(wish.kind) {
            return Some(Bar::Surface);
        }
        if !tags.allows(&traits.params.tags, wish.tags, self.filters) {
            return Some(Bar::Tags);
        }
        if self.filters.context
            && let Some(most) = traits.max_input_tokens
            && wish.prompt > most
        {
            return Some(Bar::Context(most));
        }
        if wish.house.limits_providers() && wish.house.is_exhausted(&traits.words.provider, wish.now) {
            return Some(Bar::Budget);
        }
        if let Some(left) = deployment.state.cooled() {
            return Some(Bar::Cooled(left));
        }
        if self.queue.is_some() {
            let now = deployment.quota.now();
            let wait = deployment.quota.ready_at(now, wish.tokens).saturating_sub(now);
            return (wait > 0).then(|| Bar::Quota(Duration::from_millis(wait)));
        }
        if self.chooser.choice.entry.limits {
            let (pace, weights) = (&deployment.state.pace, &deployment.target.weights);
            let requests = weights.rpm.and_then(|rpm| pace.requests.wait(now_ms, 1, rpm));
            // A prompt larger than the limit passes when nothing else was sent.
            let tokens = weights.tpm.and_then(|tpm| pace.tokens.wait(now_ms, wish.prompt.min(tpm), tpm));
            return requests.max(tokens).map(Bar::Quota);
        }
        None
    }
}
