//! What a model can do, by its name.

/// A version, major and minor.
type Version = (u32, u32);

/// What is known of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    /// Answers by a schema without a detour over a function: from 4.5 on, and Opus 4.1.
    pub(super) schemas: bool,
    /// Thinks as much as it sees fit, given an effort and no budget: from 4.6 on.
    pub(super) adaptive: bool,
    /// Takes `temperature` and the like: up to 4.6.
    pub(super) sampling: bool,
}

/// The abilities of the model of this name. Names that are not Anthropic's are other servers', which know
/// its older forms.
pub(super) fn abilities(name: &str) -> Abilities {
    let version = version(name).unwrap_or((0, 0));
    Abilities {
        schemas: version >= (4, 5) || version == (4, 1),
        adaptive: version >= (4, 6),
        sampling: version < (4, 7),
    }
}

/// `claude-opus-4-5-20251101`, `claude-sonnet-5`, `claude-3-5-haiku-latest`, with anything before it.
fn version(name: &str) -> Option<Version> {
    let (_, rest) = name.split_once("claude-")?;
    // A date is no version.
    let number = |word: &str| word.parse::<u32>().ok().filter(|number| *number < 1000);
    let mut words = rest.split(['-', '.', '@', ':']).skip_while(|word| number(word).is_none());
    let major = number(words.next()?)?;
    Some((major, words.next().and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        for (name, expected) in [
            ("claude-3-5-sonnet-20241022", Some((3, 5))),
            ("claude-3-opus-20240229", Some((3, 0))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-opus-4-1", Some((4, 1))),
            ("claude-sonnet-4-5-20250929", Some((4, 5))),
            ("claude-opus-5", Some((5, 0))),
            ("claude-opus-5-5", Some((5, 5))),
            ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", Some((4, 5))),
            ("claude-sonnet-4-5@20250929", Some((4, 5))),
            ("claude-instant", None),
            ("MiniMax-M2", None),
        ] {
            assert_eq!(version(name), expected, "{name}");
        }
        assert_eq!(abilities("MiniMax-M2"), Abilities { schemas: false, adaptive: false, sampling: true });
        assert_eq!(abilities("claude-opus-5"), Abilities { schemas: true, adaptive: true, sampling: false });
    }
}
