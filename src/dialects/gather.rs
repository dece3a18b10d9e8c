//! What a stream says, gathered into the one answer that it makes, for who keeps answers.

use super::StreamDecoder;
use super::hub::{Answer, Body, Call, Event};

/// Gathers one stream.
pub struct Gather {
    decoder: Box<dyn StreamDecoder>,
    events: Vec<Event>,
    answer: Answer,
    /// Where each call stands in the answer.
    calls: Vec<usize>,
    /// Bytes of text that may still be kept.
    room: usize,
    has_stopped: bool,
    is_broken: bool,
}

impl Gather {
    /// Keeps at most so many bytes of what is said; what comes later is left out.
    #[must_use]
    pub fn new(decoder: Box<dyn StreamDecoder>, most: usize) -> Self {
        Self {
            decoder,
            events: Vec::new(),
            answer: Answer::default(),
            calls: Vec::new(),
            room: most,
            has_stopped: false,
            is_broken: false,
        }
    }

    /// Takes more of the upstream's bytes.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.is_broken {
            return;
        }
        let mut events = std::mem::take(&mut self.events);
        self.is_broken = self.decoder.push(chunk, &mut events).is_err();
        events.drain(..).for_each(|event| self.take(event));
        self.events = events;
    }

    /// What was said so far, and whether the model came to its end.
    #[must_use]
    pub const fn answer(&self) -> (&Answer, bool) {
        (&self.answer, self.has_stopped)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Start { id, model } => (self.answer.id, self.answer.model) = (id, model),
            Event::Text(more) => self.say(
                &more,
                |body| if let Body::Text(text) = body { Some(text) } else { None },
                Body::Text,
            ),
            Event::Refusal(more) => {
                self.say(
                    &more,
                    |body| if let Body::Refusal(text) = body { Some(text) } else { None },
                    Body::Refusal,
                );
            }
            Event::Reasoning(more) => self.say(
                &more,
                |body| if let Body::Reasoning { text, signature: None } = body { Some(text) } else { None },
                |text| Body::Reasoning { text, signature: None },
            ),
            Event::Call { id, name, .. } if self.room > 0 => {
                self.calls.push(self.answer.content.len());
                let arguments = self.kept("");
                self.answer.content.push(Body::Call(Call { id, name, arguments, signature: None }));
            }
            Event::Arguments { index, json } => {
                let more = self.kept(&json);
                let at = usize::try_from(index).ok().and_then(|index| self.calls.get(index));
                if let Some(Body::Call(call)) = at.and_then(|at| self.answer.content.get_mut(*at)) {
                    call.arguments.push_str(&more);
                }
            }
            Event::Usage(usage) => self.answer.usage = Some(usage),
            Event::Stop(stop) => (self.answer.stop, self.has_stopped) = (stop, true),
            // Proofs of thoughts are of no use to who reads an answer later.
            Event::Call { .. } | Event::Signature(_) | Event::Redacted(_) | Event::End | Event::Fail(_) => {}
        }
    }

    /// Adds to what is said last if that is of the same kind.
    fn say(
        &mut self,
        more: &str,
        same: impl Fn(&mut Body) -> Option<&mut String>,
        new: impl Fn(String) -> Body,
    ) {
        let more = self.kept(more);
        match self.answer.content.last_mut().and_then(same) {
            Some(text) => text.push_str(&more),
            None if more.is_empty() => {}
            None => self.answer.content.push(new(more)),
        }
    }

    /// As much of a text as there is room for.
    fn kept(&mut self, text: &str) -> String {
        let kept = text.get(..text.floor_char_boundary(self.room)).unwrap_or_default();
        // What is cut once stays cut.
        self.room = if kept.len() < text.len() { 0 } else { self.room - kept.len() };
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::hub::Stop;
    use crate::dialects::{Dialect, openai};

    const STREAM: &str = concat!(
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"Hm.\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: [DONE]\n\n",
    );

    fn gathered(stream: &str, most: usize, cut: usize) -> (Answer, bool) {
        let mut gather = Gather::new(openai::OpenAi.decoder(), most);
        stream.as_bytes().chunks(cut).for_each(|chunk| gather.push(chunk));
        let (answer, has_stopped) = gather.answer();
        (answer.clone(), has_stopped)
    }

    #[test]
    fn a_stream_makes_one_answer_however_it_is_cut() {
        let call = Call { id: "t".into(), name: "f".into(), arguments: "{\"a\":1}".into(), signature: None };
        let wanted = [
            Body::Reasoning { text: "Hm.".to_owned(), signature: None },
            Body::Text("Héllo".to_owned()),
            Body::Call(call),
        ];
        for cut in 1..STREAM.len() {
            let (answer, has_stopped) = gathered(STREAM, 1000, cut);
            assert_eq!((&answer.content[..], &answer.stop, has_stopped), (&wanted[..], &Stop::Calls, true));
            assert_eq!((answer.id.as_str(), answer.model.as_str()), ("c", "m"));
        }
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        for most in 0..STREAM.len() {
            let (answer, _) = gathered(STREAM, most, 7);
            assert!(answer.said_bytes() <= most as u64, "{most}: {answer:?}");
        }
        let (answer, has_stopped) = gathered(STREAM, 5, 7);
        assert_eq!((answer.text(), has_stopped), ("H".to_owned(), true), "never half a letter");
        assert!(!gathered(&STREAM[..200], 1000, 7).1, "a cut stream has no end");
    }
}
