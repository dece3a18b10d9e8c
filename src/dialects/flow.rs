//! An answer under way: the upstream's stream made into the client's, with the meter teed off.

use super::hub::Event;
use super::openai::StreamRelay;
use super::sse::{MAX_EVENT, TooLong};
use super::stream::{Produced, StreamEnd};
use super::{Inbound, StreamDecoder, StreamEncoder, anthropic, gemini, responses};
use crate::domain::{ApiError, Failure, Usage};
use bytes::Bytes;
use std::sync::Arc;

/// One stream on its way.
pub enum Flow {
    /// Both speak OpenAI's dialect.
    OpenAi(StreamRelay),
    /// Both speak Anthropic's.
    Anthropic(Box<anthropic::Relay>),
    /// Both speak OpenAI's newer API.
    Responses(Box<responses::Relay>),
    /// Both speak Google's.
    Gemini(Box<gemini::Relay>),
    /// They speak different ones.
    Translated(Box<Translation>),
}

macro_rules! each {
    ($self:ident, $flow:ident => $what:expr) => {
        match $self {
            Flow::OpenAi($flow) => $what,
            Flow::Anthropic($flow) => $what,
            Flow::Responses($flow) => $what,
            Flow::Gemini($flow) => $what,
            Flow::Translated($flow) => $what,
        }
    };
}

impl Flow {
    /// Takes bytes from the upstream and gives those to send now.
    ///
    /// # Errors
    /// If an event is over the bound; the stream cannot go on.
    pub fn push(&mut self, chunk: Bytes) -> Result<Bytes, TooLong> {
        each!(self, flow => flow.push(chunk))
    }

    /// The upstream has ended its answer cleanly; says whether the stream was all there.
    pub fn finish(&mut self) -> StreamEnd {
        each!(self, flow => flow.finish())
    }

    /// What tells the client that its stream broke.
    #[must_use]
    pub fn error_event(&mut self, inbound: &dyn Inbound, error: &ApiError) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Responses(relay) => responses::failed(relay, error, &mut out),
            Self::Translated(translation) => translation.encoder.fail(error, &mut out),
            _ => {}
        }
        if out.is_empty() { inbound.error_event(error) } else { Bytes::from(out) }
    }

    /// The upstream's id of the answer.
    #[must_use]
    pub fn id(&self) -> Option<&Arc<str>> {
        each!(self, flow => flow.id())
    }

    /// The upstream's own counts, as soon as it has sent them.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        each!(self, flow => flow.usage())
    }

    /// Whether all of [`Self::usage`] is the upstream's own. Where it counts the prompt first and the rest at the
    /// end, what was produced before a break is estimated.
    #[must_use]
    pub fn counts_are_the_upstreams(&self) -> bool {
        matches!(self, Self::OpenAi(_)) || self.has_finished()
    }

    /// What was produced so far.
    #[must_use]
    pub fn produced(&self) -> Produced {
        each!(self, flow => flow.produced())
    }

    /// Whether text, reasoning or a tool call has come.
    #[must_use]
    pub fn saw_output(&self) -> bool {
        self.produced().output_events > 0
    }

    /// The failure the upstream reported. Neither that event nor anything after it is relayed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        each!(self, flow => flow.failure())
    }

    /// Whether the upstream gave its reason to stop: a cut after that takes nothing from the client.
    #[must_use]
    pub fn has_finished(&self) -> bool {
        each!(self, flow => flow.has_finished())
    }

    /// Whether the last event has been relayed; nothing after it is.
    #[must_use]
    pub fn is_done(&self) -> bool {
        each!(self, flow => flow.is_done())
    }
}

/// From one dialect's stream to another's.
pub struct Translation {
    decoder: Box<dyn StreamDecoder>,
    encoder: Box<dyn StreamEncoder>,
    events: Vec<Event>,
    id: Option<Arc<str>>,
    usage: Option<Usage>,
    produced: Produced,
    failure: Option<Box<Failure>>,
    stopped: bool,
    done: bool,
}

/// So much of an answer is kept by those who have to repeat it at its end, in bytes.
const MOST_KEPT: usize = 4 * MAX_EVENT;
/// Longest id that is kept, in bytes.
const LONGEST_ID: usize = 256;

impl Translation {
    /// A translation at the beginning of a stream.
    #[must_use]
    pub fn new(decoder: Box<dyn StreamDecoder>, encoder: Box<dyn StreamEncoder>) -> Self {
        Self {
            decoder,
            encoder,
            events: Vec::new(),
            id: None,
            usage: None,
            produced: Produced::default(),
            failure: None,
            stopped: false,
            done: false,
        }
    }

    fn push(&mut self, chunk: Bytes) -> Result<Bytes, TooLong> {
        if self.failure.is_some() || self.done {
            return Ok(Bytes::new());
        }
        self.decoder.push(&chunk, &mut self.events)?;
        let mut out = Vec::with_capacity(chunk.len());
        self.write(&mut out);
        if self.encoder.kept() > MOST_KEPT {
            return Err(TooLong { limit: MOST_KEPT });
        }
        Ok(Bytes::from(out))
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            if self.failure.is_some() || self.done {
                break;
            }
            self.meter(&event);
            if let Event::Fail(failure) = event {
                self.failure = Some(failure);
                break;
            }
            self.encoder.push(&event, out);
            // An end without a reason to stop is none.
            if event == Event::End && self.stopped {
                self.end(out);
            }
        }
        self.events = events;
    }

    fn meter(&mut self, event: &Event) {
        let text = match event {
            Event::Start { id, .. } => {
                self.id = Some(&**id).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID).map(Arc::from);
                return;
            }
            Event::Usage(usage) => return self.usage = Some(*usage),
            Event::Stop(_) => return self.stopped = true,
            Event::Text(text) | Event::Refusal(text) | Event::Reasoning(text) => text.len(),
            Event::Arguments { json, .. } => json.len(),
            Event::Call { .. } | Event::Redacted(_) => 0,
            Event::Signature(_) | Event::End | Event::Fail(_) => return,
        };
        self.produced.output_events += 1;
        self.produced.text_bytes += text as u64;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.done = true;
        self.encoder.finish(out);
    }

    fn finish(&mut self) -> StreamEnd {
        let mut tail = Vec::new();
        if !self.done && self.failure.is_none() {
            self.decoder.finish(&mut self.events);
            self.write(&mut tail);
        }
        if self.failure.is_some() || !self.stopped {
            return StreamEnd::Cut;
        }
        if !self.done {
            self.end(&mut tail);
        }
        StreamEnd::Complete { tail: Bytes::from(tail) }
    }

    const fn id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    /// Before the model has stopped, what the upstream counted may be of the prompt alone.
    fn usage(&self) -> Option<Usage> {
        let counted = self.usage?;
        let completion =
            if self.stopped { counted.completion } else { counted.completion.max(self.produced.estimate()) };
        Some(Usage { completion, ..counted })
    }

    const fn produced(&self) -> Produced {
        self.produced
    }

    fn failure(&self) -> Option<&Failure> {
        self.failure.as_deref()
    }

    const fn has_finished(&self) -> bool {
        self.failure.is_none() && self.stopped
    }

    const fn is_done(&self) -> bool {
        self.done
    }
}
