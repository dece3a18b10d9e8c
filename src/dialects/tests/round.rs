//! There and back: what a dialect writes, it reads as what was meant.

use super::harness::{asked, given};
use crate::dialects::anthropic::Anthropic;
use crate::dialects::hub::{Answer, Body, Call, Event, Stop};
use crate::dialects::openai::OpenAi;
use crate::dialects::{Dialect, Inbound};
use crate::domain::{EndpointKind, Usage};
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;

/// Dialects that are spoken on both sides.
const BOTH: [(&dyn Dialect, &dyn Inbound, EndpointKind); 2] =
    [(&OpenAi, &OpenAi, EndpointKind::ChatCompletions), (&Anthropic, &Anthropic, EndpointKind::Messages)];

#[test]
fn a_request_that_was_written_means_the_same_when_it_is_read() {
    for (dialect, inbound, kind) in BOTH {
        let mut compared = 0;
        for (client, client_kind, file) in [
            (&OpenAi as &dyn Inbound, EndpointKind::ChatCompletions, "chats.json"),
            (&Anthropic, EndpointKind::Messages, "messages.json"),
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects/golden").join(file);
            let requests: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            for (name, body) in requests.as_object().unwrap() {
                let mut body = body.clone();
                body["model"] = "claude-sonnet-4-5".into();
                let write = |from, body: &Value| asked(dialect, from, "claude-sonnet-4-5", body);
                let Ok(mut once) = write((client, client_kind), &body) else { continue };
                let once = once["body"].take();
                let again = write((inbound, kind), &once).map(|mut again| again["body"].take());
                assert_eq!(again.as_ref(), Ok(&once), "{name} in {}", Dialect::name(dialect));
                compared += 1;
            }
        }
        assert!(compared > 30, "{compared}");
    }
}

fn calls() -> impl Strategy<Value = Vec<Body>> {
    let call = ("[a-z_]{1,12}", prop::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..3));
    prop::collection::vec(call, 0..4).prop_map(|calls| {
        let calls = calls.into_iter().enumerate();
        let call = |(i, (name, arguments)): (usize, (String, _))| {
            let arguments = serde_json::to_string(&arguments).unwrap();
            Body::Call(Call { id: format!("call_{i}"), name, arguments, signature: None })
        };
        calls.map(call).collect()
    })
}

/// Counts that both dialects can tell.
fn usage() -> impl Strategy<Value = Usage> {
    (0..1000_u64, 0..1000_u64, 0..1000_u64).prop_map(|(fresh, cached, completion)| Usage {
        prompt: fresh + cached,
        cached,
        completion,
        ..Usage::default()
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    (any::<Option<String>>(), calls(), usage(), any::<bool>()).prop_map(|(text, calls, usage, short)| {
        let stop = match (calls.is_empty(), short) {
            (false, _) => Stop::Calls,
            (true, true) => Stop::Length,
            (true, false) => Stop::End,
        };
        let text = text.filter(|text| !text.is_empty()).map(Body::Text);
        let content = text.into_iter().chain(calls).collect();
        Answer { id: "id-1".to_owned(), model: "public".to_owned(), content, stop, usage: Some(usage) }
    })
}

/// The events by which an answer is streamed, its texts in pieces of so many characters.
fn events(answer: &Answer, size: usize) -> Vec<Event> {
    let pieces = |text: &str| -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(size).map(|piece| piece.iter().collect()).collect()
    };
    let mut events = vec![Event::Start { id: answer.id.clone(), model: answer.model.clone() }];
    let mut index = 0;
    for body in &answer.content {
        match body {
            Body::Text(text) => events.extend(pieces(text).into_iter().map(Event::Text)),
            Body::Call(call) => {
                events.push(Event::Call { index, id: call.id.clone(), name: call.name.clone() });
                let json = pieces(&call.arguments).into_iter();
                events.extend(json.map(|json| Event::Arguments { index, json }));
                index += 1;
            }
            other => unreachable!("{other:?}"),
        }
    }
    events.extend(answer.usage.map(Event::Usage));
    events.push(Event::Stop(answer.stop.clone()));
    events.push(Event::End);
    events
}

/// The answer that events tell.
fn told(events: Vec<Event>) -> (Answer, bool) {
    let (mut answer, mut ended) = (Answer::default(), false);
    for event in events {
        match event {
            Event::Start { id, model } => (answer.id, answer.model) = (id, model),
            Event::Text(text) => match answer.content.last_mut() {
                Some(Body::Text(before)) => before.push_str(&text),
                _ => answer.content.push(Body::Text(text)),
            },
            Event::Call { id, name, .. } => {
                answer.content.push(Body::Call(Call { id, name, arguments: String::new(), signature: None }));
            }
            Event::Arguments { json, .. } => {
                let Some(Body::Call(call)) = answer.content.last_mut() else { panic!("no call") };
                call.arguments.push_str(&json);
            }
            Event::Usage(usage) => answer.usage = Some(usage),
            Event::Stop(stop) => answer.stop = stop,
            Event::End => ended = true,
            other => panic!("{other:?}"),
        }
    }
    answer.content.retain(|body| body.text() != Some(""));
    (answer, ended)
}

proptest! {
    #[test]
    fn an_answer_that_was_written_is_read_as_it_was(answer in answer()) {
        for (dialect, inbound, _) in BOTH {
            let written = inbound.write(&answer, &given());
            let read = dialect.decode(&written).unwrap();
            prop_assert_eq!(&read, &answer, "{} {}", Dialect::name(dialect), String::from_utf8_lossy(&written));
        }
    }

    #[test]
    fn a_stream_that_was_written_is_read_as_it_was(answer in answer(), size in 1..9_usize, cut in 1..99_usize) {
        for (dialect, inbound, _) in BOTH {
            let (mut encoder, mut written) = (inbound.encoder(given()), Vec::new());
            for event in events(&answer, size) {
                encoder.push(&event, &mut written);
            }
            encoder.finish(&mut written);
            let (mut decoder, mut read) = (dialect.decoder(), Vec::new());
            for piece in written.chunks(cut) {
                decoder.push(piece, &mut read).unwrap();
            }
            decoder.finish(&mut read);
            let (read, ended) = told(read);
            prop_assert!(ended);
            prop_assert_eq!(&read, &answer, "{} {}", Dialect::name(dialect), String::from_utf8_lossy(&written));
        }
    }
}
