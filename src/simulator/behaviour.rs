//! What a key or a model gets: an answer, its pace, and what goes wrong with it.

use std::time::Duration;

/// How one request is treated. The default is a healthy server that answers at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What is done instead of answering.
    pub fault: Option<Fault>,
    /// Which requests of the key the fault hits.
    pub when: When,
    /// `Retry-After` of a faulty answer, in seconds.
    pub retry_after: Option<u64>,
    /// Requests allowed in each window, then 429.
    pub requests_per_window: Option<u64>,
    /// The length of that window.
    pub window: Duration,
    /// Whether such a 429 has a `Retry-After`.
    pub says_when: bool,
    /// Wait before the first byte of the answer.
    pub first_byte: Duration,
    /// What the answer is made of.
    pub kind: Kind,
    /// The words of the answer.
    pub text: Text,
    /// How many content events a stream has.
    pub chunks: usize,
    /// Wait before each event of a stream but the first.
    pub gap: Duration,
    /// Whether usage is told.
    pub usage: UsageReport,
    /// How the answer ends.
    pub ending: Ending,
    /// How events become bytes and writes.
    pub framing: Framing,
    /// What becomes of the connection.
    pub after: After,
}

/// A refusal, or no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The status with the body OpenAI sends with it; 502 and 504 come as HTML, as from a proxy.
    Status(u16),
    /// 400 `context_length_exceeded`.
    ContextLength,
    /// 400 `content_filter`.
    ContentFilter,
    /// 200 with a body that is no JSON.
    NotJson,
    /// The request is read, and nothing is ever sent.
    Hang,
    /// The request is read and the connection closed.
    Close,
    /// The request is read and the connection reset.
    Reset,
}

/// Which requests a fault hits, counted per key from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// All.
    #[default]
    Always,
    /// Each k-th.
    Every(u64),
    /// The first n.
    First(u64),
    /// All but the first n.
    AfterFirst(u64),
}

/// What an answer is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    #[default]
    Plain,
    /// A call of the first tool offered, unless the last message is a tool's result.
    ToolCalls,
    /// Reasoning, then words.
    Reasoning,
    /// Length and SHA-256 of the request body.
    Echo,
}

/// The words of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Text {
    /// One word a chunk.
    #[default]
    Words,
    /// So many bytes, spread over the chunks.
    Bytes(usize),
    /// This text, one word a chunk.
    Exact(String),
}

/// Whether usage is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageReport {
    /// As OpenAI does: always in a plain answer, in a stream if `include_usage` asks.
    #[default]
    AsAsked,
    /// In every stream, asked or not.
    Always,
    /// Never, as old servers.
    Never,
}

/// How an answer ends. Numbers are events sent before it happens; a plain answer breaks off halfway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    #[default]
    Done,
    /// A stream without `[DONE]`.
    NoDone,
    /// The stream ends in good order, but early: no finish reason, no `[DONE]`.
    Truncate(usize),
    /// The connection is closed in the middle of an event.
    Cut(usize),
    /// The connection is reset in the middle of an event.
    Reset(usize),
    /// Silence, connection open.
    Stall(usize),
    /// An error event, then the end.
    Error(usize),
}

/// How events become bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// What ends a line.
    pub newline: Newline,
    /// A comment before each event, as keep-alives of OpenRouter and others.
    pub comments: bool,
    /// How events are grouped into writes.
    pub grouping: Grouping,
}

/// What ends a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newline {
    /// `\n`
    #[default]
    Lf,
    /// `\r\n`
    CrLf,
}

/// How events are grouped into writes; each write is an HTTP chunk of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// One event a write.
    #[default]
    Event,
    /// So many events a write.
    Events(usize),
    /// So many bytes a write, wherever that cuts.
    Bytes(usize),
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// It stays open, as the client wishes.
    #[default]
    Keep,
    /// `Connection: close` is announced.
    Close,
    /// It is closed without a word, as by a server's idle timeout.
    Drop,
}

// === impl Behaviour ===

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            fault: None,
            when: When::Always,
            retry_after: None,
            requests_per_window: None,
            window: Duration::from_secs(60),
            says_when: true,
            first_byte: Duration::ZERO,
            kind: Kind::Plain,
            text: Text::Words,
            chunks: 8,
            gap: Duration::ZERO,
            usage: UsageReport::AsAsked,
            ending: Ending::Done,
            framing: Framing::default(),
            after: After::Keep,
        }
    }
}

impl Behaviour {
    /// The fault that hits the `ordinal`-th request, if any.
    #[must_use]
    pub fn fault_of(&self, ordinal: u64) -> Option<Fault> {
        let hit = match self.when {
            When::Always => true,
            When::Every(k) => ordinal.is_multiple_of(k.max(1)),
            When::First(n) => ordinal <= n,
            When::AfterFirst(n) => ordinal > n,
        };
        self.fault.filter(|_| hit)
    }
}
