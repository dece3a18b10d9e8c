//! Which traces are kept: OpenTelemetry's samplers by their names.

/// Keeps all traces, none, or a share; with `parent_based`, what a client decided holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// The share of traces that begin here and are kept, from 0 to 1.
    ratio: f64,
    parent_based: bool,
}

impl Default for Sampler {
    /// OpenTelemetry's default: whatever the client decided, and everything that begins here.
    fn default() -> Self {
        Self { ratio: 1.0, parent_based: true }
    }
}

impl Sampler {
    /// The sampler of this name, as in `OTEL_TRACES_SAMPLER`; `ratio` counts for those that have one.
    #[must_use]
    pub fn named(name: &str, ratio: f64) -> Option<Self> {
        let (parent_based, root) =
            name.strip_prefix("parentbased_").map_or((false, name), |root| (true, root));
        let ratio = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => ratio,
            _ => return None,
        };
        Some(Self { ratio, parent_based })
    }

    /// Whether a trace is kept; `parent` is what the client decided.
    #[must_use]
    pub(super) fn keeps(&self, id: u128, parent: Option<bool>) -> bool {
        match parent.filter(|_| self.parent_based) {
            Some(decided) => decided,
            None => keeps_share(self.ratio, id),
        }
    }
}

/// The last 63 bits of an id as a number from 0 to 1: every service that looks at the same id decides the same.
fn keeps_share(ratio: f64, id: u128) -> bool {
    const BITS: u32 = 63;
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    let place = (id & ((1 << BITS) - 1)) as f64 / (1u64 << BITS) as f64;
    place < ratio
}
