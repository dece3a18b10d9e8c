//! The text form of a [`Behaviour`]: words joined by `+`, as in `chunks=50+gap=20+crlf`.
//!
//! | word | effect |
//! |---|---|
//! | `400` … `599` | that status, with OpenAI's body (502 and 504 as HTML) |
//! | `context`, `policy` | 400 for the context window, 400 for the content filter |
//! | `notjson`, `hang`, `close`, `reset` | 200 without JSON, no answer, connection closed, reset |
//! | `every=k`, `first=n`, `after=n` | the fault hits each k-th request, the first n, all but the first n |
//! | `retry-after=s` | the header, on faulty answers |
//! | `limit=n`, `window=ms` | n requests each window (a minute), then 429 |
//! | `no-retry-after` | such a 429 has no `Retry-After`, only its `x-ratelimit-` headers |
//! | `wait=ms`, `gap=ms` | before the first byte, between events |
//! | `chunks=n`, `bytes=n` | content events, size of the whole text |
//! | `tools`, `reasoning`, `echo` | another kind of answer |
//! | `nousage`, `usage` | usage never told, told in every stream |
//! | `nodone`, `truncate=n`, `cut=n`, `rst=n`, `stall=n`, `error=n` | how it ends, after n events |
//! | `crlf`, `comments`, `group=n`, `split=n` | line ends, keep-alives, n events or n bytes a write |
//! | `announce-close`, `silent-close` | what becomes of the connection |
//! | `ok` | nothing special |

use super::{After, Behaviour, Ending, Fault, Grouping, Kind, Newline, Text, UsageReport, When};
use std::str::FromStr;
use std::time::Duration;

/// The prefix of a model name that carries words.
pub const MODEL_PREFIX: &str = "sim-";

/// A word nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulator does not know the word `{0}`")]
pub struct UnknownWord(pub String);

impl FromStr for Behaviour {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let mut behaviour = Self::default();
        for word in text.split('+').map(str::trim).filter(|word| !word.is_empty()) {
            let known = match word.split_once('=') {
                Some((name, number)) => number.parse().ok().and_then(|n| numbered(&mut behaviour, name, n)),
                None => fault(word)
                    .map(|fault| behaviour.fault = Some(fault))
                    .or_else(|| plain(&mut behaviour, word)),
            };
            known.ok_or_else(|| UnknownWord(word.to_owned()))?;
        }
        Ok(behaviour)
    }
}

fn fault(word: &str) -> Option<Fault> {
    Some(match word {
        "context" => Fault::ContextLength,
        "policy" => Fault::ContentFilter,
        "notjson" => Fault::NotJson,
        "hang" => Fault::Hang,
        "close" => Fault::Close,
        "reset" => Fault::Reset,
        status => Fault::Status(status.parse().ok().filter(|status| (400..600).contains(status))?),
    })
}

fn plain(behaviour: &mut Behaviour, word: &str) -> Option<()> {
    match word {
        "ok" => {}
        "no-retry-after" => behaviour.says_when = false,
        "tools" => behaviour.kind = Kind::ToolCalls,
        "reasoning" => behaviour.kind = Kind::Reasoning,
        "echo" => behaviour.kind = Kind::Echo,
        "nousage" => behaviour.usage = UsageReport::Never,
        "usage" => behaviour.usage = UsageReport::Always,
        "nodone" => behaviour.ending = Ending::NoDone,
        "crlf" => behaviour.framing.newline = Newline::CrLf,
        "comments" => behaviour.framing.comments = true,
        "announce-close" => behaviour.after = After::Close,
        "silent-close" => behaviour.after = After::Drop,
        _ => return None,
    }
    Some(())
}

fn numbered(behaviour: &mut Behaviour, name: &str, n: u64) -> Option<()> {
    let count = usize::try_from(n).ok()?;
    match name {
        "every" => behaviour.when = When::Every(n),
        "first" => behaviour.when = When::First(n),
        "after" => behaviour.when = When::AfterFirst(n),
        "retry-after" => behaviour.retry_after = Some(n),
        "limit" => behaviour.requests_per_window = Some(n),
        "window" => behaviour.window = Duration::from_millis(n),
        "wait" => behaviour.first_byte = Duration::from_millis(n),
        "gap" => behaviour.gap = Duration::from_millis(n),
        "chunks" => behaviour.chunks = count,
        "bytes" => behaviour.text = Text::Bytes(count),
        "truncate" => behaviour.ending = Ending::Truncate(count),
        "cut" => behaviour.ending = Ending::Cut(count),
        "rst" => behaviour.ending = Ending::Reset(count),
        "stall" => behaviour.ending = Ending::Stall(count),
        "error" => behaviour.ending = Ending::Error(count),
        "group" => behaviour.framing.grouping = Grouping::Events(count),
        "split" => behaviour.framing.grouping = Grouping::Bytes(count),
        _ => return None,
    }
    Some(())
}
