use super::{golden, sample};
use crate::dialects::openai::{Produced, StreamEnd, StreamOptions, StreamRelay, error_event};
use crate::dialects::sse;
use crate::domain::{ApiError, ErrorKind, UpstreamClass, Usage};
use bytes::Bytes;
use proptest::prelude::*;

/// Everything a client and the meter get to see of a stream.
#[derive(Debug, PartialEq)]
struct Seen {
    sent: Vec<u8>,
    complete: bool,
    usage: Option<Usage>,
    produced: Produced,
    failed: bool,
    done: bool,
}

fn relay(stream: &[u8], cuts: &[usize], options: &StreamOptions) -> Seen {
    let mut relay = StreamRelay::new(options.clone());
    let mut sent = Vec::new();
    let mut start = 0;
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(stream.len());
    for cut in cuts {
        sent.extend_from_slice(&relay.push(Bytes::copy_from_slice(&stream[start..cut])).unwrap());
        start = cut;
    }
    let end = relay.finish();
    if let StreamEnd::Complete { tail } = &end {
        sent.extend_from_slice(tail);
    }
    Seen {
        sent,
        complete: end != StreamEnd::Cut,
        usage: relay.usage(),
        produced: relay.produced(),
        failed: relay.failure().is_some(),
        done: relay.is_done(),
    }
}

fn options(rename: Option<&str>, strip_usage: bool) -> StreamOptions {
    StreamOptions { rename_to: rename.map(Into::into), strip_usage }
}

/// The data of all events but `[DONE]`.
fn values(stream: &[u8]) -> Vec<serde_json::Value> {
    let text = String::from_utf8(stream.to_vec()).unwrap().replace("\r\n", "\n");
    let events = text.split("\n\n").filter_map(|e| e.strip_prefix("data:"));
    events.filter(|d| d.trim() != "[DONE]").map(|d| serde_json::from_str(d).unwrap()).collect()
}

const WHOLE: [&str; 6] =
    ["openai.sse", "vllm.sse", "deepseek_reasoning.sse", "maas.sse", "tool_call.sse", "completion.sse"];

#[test]
fn a_relay_is_small() {
    assert!(size_of::<StreamRelay>() <= 256, "{}", size_of::<StreamRelay>());
}

#[test]
fn nothing_is_changed_or_copied_without_need() {
    for name in WHOLE {
        let stream = Bytes::from(sample("stream", name));
        let mut relay = StreamRelay::new(StreamOptions::default());
        let sent = relay.push(stream.clone()).unwrap();
        assert_eq!(sent, stream, "{name}");
        assert_eq!(sent.as_ptr(), stream.as_ptr(), "{name} was copied");
        assert!(relay.is_done() && relay.failure().is_none(), "{name}");
        assert_eq!(relay.finish(), StreamEnd::Complete { tail: Bytes::new() }, "{name}");
    }
}

#[test]
fn usage_and_output_are_metered() {
    let expected = [
        (11, 7, 4, 2, 2),
        (9, 3, 0, 0, 2),
        (20, 30, 16, 28, 3),
        (6, 9, 0, 0, 2),
        (11, 7, 4, 2, 3),
        (3, 2, 0, 0, 2),
    ];
    for (name, (prompt, completion, cached, reasoning, events)) in WHOLE.iter().zip(expected) {
        let seen = relay(&sample("stream", name), &[], &options(None, true));
        let usage = Usage { prompt, completion, cached, reasoning, ..Usage::default() };
        assert_eq!(seen.usage, Some(usage), "{name}");
        assert_eq!(seen.produced.output_events, events, "{name}");
    }
}

#[test]
fn stripping_takes_usage_and_only_usage() {
    for name in WHOLE {
        let stream = sample("stream", name);
        let stripped = values(&relay(&stream, &[], &options(None, true)).sent);
        let mut expected = values(&stream);
        if name != "deepseek_reasoning.sse" {
            expected.pop();
        }
        for value in &mut expected {
            let object = value.as_object_mut().unwrap();
            if object.get("usage").is_some_and(serde_json::Value::is_object) {
                object.remove("usage");
            }
        }
        assert_eq!(stripped, expected, "{name}");
    }
}

#[test]
fn renaming_changes_the_model_of_every_event() {
    for name in WHOLE {
        let stream = sample("stream", name);
        let mut expected = values(&stream);
        expected.iter_mut().for_each(|v| v["model"] = "a \"b\"".into());
        assert_eq!(values(&relay(&stream, &[], &options(Some("a \"b\""), false)).sent), expected, "{name}");
    }
}

#[test]
fn a_missing_done_is_supplied_only_after_a_finish_reason() {
    let stream = sample("stream", "no_done.sse");
    let seen = relay(&stream, &[], &options(None, true));
    assert_eq!(seen.sent, [&stream[..], b"data: [DONE]\n\n"].concat());
    assert!(seen.complete && seen.done);
    let seen = relay(&sample("stream", "cut.sse"), &[], &options(None, true));
    assert!(!seen.complete && !seen.done, "a cut is not made a success");
    assert!(!relay(b"", &[], &options(None, true)).complete);
}

#[test]
fn a_last_event_without_its_blank_line_is_sent() {
    let stream = sample("stream", "openai.sse");
    for missing in 1..=2 {
        let seen = relay(&stream[..stream.len() - missing], &[], &options(None, false));
        assert_eq!(seen.sent, stream);
        assert!(seen.complete);
    }
}

#[test]
fn an_error_event_ends_the_relay() {
    let stream = sample("stream", "error.sse");
    let mut relay = StreamRelay::new(StreamOptions::default());
    let sent = relay.push(Bytes::from(stream)).unwrap();
    assert_eq!(values(&sent).len(), 1, "what came before is sent");
    let failure = relay.failure().unwrap();
    assert_eq!((failure.class, failure.status), (UpstreamClass::Unavailable, Some(503)));
    assert_eq!(failure.message, "mid stream boom");
    assert!(relay.push(Bytes::from_static(b"data: 1\n\n")).unwrap().is_empty());
    assert_eq!(relay.finish(), StreamEnd::Cut);
}

#[test]
fn errors_come_in_other_forms_too() {
    for event in [
        "data: {\"error\":\"boom\"}\n\n",
        "data: {\"object\":\"error\",\"message\":\"boom\",\"code\":500}\n\n",
        "data: {\"error_code\":\"ModelArts.1\",\"error_msg\":\"boom\"}\n\n",
        "event: error\ndata: {\"message\":\"boom\"}\n\n",
    ] {
        let mut relay = StreamRelay::new(StreamOptions::default());
        assert!(relay.push(Bytes::from_static(event.as_bytes())).unwrap().is_empty(), "{event}");
        assert_eq!(relay.failure().unwrap().message, "boom", "{event}");
    }
    let mut relay = StreamRelay::new(StreamOptions::default());
    let fine = Bytes::from_static(b"data: {\"error\":null,\"choices\":[]}\n\n");
    assert_eq!(relay.push(fine.clone()).unwrap(), fine);
}

#[test]
fn nothing_follows_done() {
    let mut relay = StreamRelay::new(StreamOptions::default());
    let sent = relay.push(Bytes::from_static(b"data: [DONE]\n\ndata: {\"late\":1}\n\n")).unwrap();
    assert_eq!(&sent[..], b"data: [DONE]\n\n");
}

#[test]
fn usage_is_cut_out_wherever_it_stands() {
    let finish = r#""choices":[{"finish_reason":"stop"}]"#;
    let usage = r#""usage" : {"prompt_tokens":1}"#;
    for (data, expected) in [
        (format!("{{{usage}, {finish}}}"), format!("{{{finish}}}")),
        (format!("{{{finish}, {usage}}}"), format!("{{{finish}}}")),
        (format!("{{\"a\":1 ,{usage} , {finish}}}"), format!("{{\"a\":1 , {finish}}}")),
    ] {
        let event = format!("data: {data}\n\n");
        let seen = relay(event.as_bytes(), &[], &options(None, true));
        assert_eq!(String::from_utf8(seen.sent).unwrap(), format!("data: {expected}\n\ndata: [DONE]\n\n"));
    }
}

#[test]
fn an_event_of_many_lines_is_still_understood() {
    let stream = b"id: 1\ndata: {\"model\":\"up\",\ndata: \"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let seen = relay(stream, &[], &options(Some("down"), true));
    assert_eq!(
        String::from_utf8(seen.sent).unwrap(),
        "id: 1\ndata: {\"model\":\"down\", \"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
    );
    assert_eq!(seen.produced.output_events, 1);
}

#[test]
fn an_event_that_never_ends_is_given_up() {
    let mut relay = StreamRelay::new(StreamOptions::default()).with_limit(100);
    for _ in 0..10 {
        relay.push(Bytes::from_static(b"data: 01")).unwrap();
    }
    relay.push(Bytes::from_static(b"data: 0123456789")).unwrap();
    assert_eq!(relay.push(Bytes::from_static(b"data: ")), Err(sse::TooLong { limit: 100 }));
    let mut relay = StreamRelay::new(StreamOptions::default()).with_limit(10);
    assert!(relay.push(Bytes::from_static(b"data: 0123456789\n\n")).is_err(), "however it is cut");
}

#[test]
fn an_error_is_sent_as_an_event() {
    let event = error_event(&ApiError::new(ErrorKind::Internal, "boom\n\nbang"));
    let text = String::from_utf8(event.to_vec()).unwrap();
    assert!(text.starts_with("data: {\"error\":{") && text.ends_with("}\n\n"));
    assert_eq!(values(&event)[0]["error"]["message"], "boom\n\nbang");
}

#[test]
fn every_single_cut_gives_the_same() {
    for (name, stream) in golden("stream") {
        for options in [options(None, false), options(Some("public"), true)] {
            let whole = relay(&stream, &[], &options);
            for cut in 0..=stream.len() {
                assert_eq!(relay(&stream, &[cut], &options), whole, "{name} cut at {cut}");
            }
            let bytes: Vec<usize> = (0..stream.len()).collect();
            assert_eq!(relay(&stream, &bytes, &options), whole, "{name} byte by byte");
        }
    }
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"data: ".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b": c".to_vec()),
        Just(b"event: error\n".to_vec()),
        Just(b"[DONE]".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        Just(br#"{"model":"m","choices":[{"delta":{"content":"x"}}]}"#.to_vec()),
        Just(br#"{"usage":{"prompt_tokens":3},"choices":[{"finish_reason":"stop"}],"model":"m"}"#.to_vec()),
        Just(br#"{"model":"m","choices":[],"usage":{"prompt_tokens":3}}"#.to_vec()),
        Just(br#"{"error":{"message":"no"}}"#.to_vec()),
        any::<Vec<u8>>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_cuts_of_any_stream_give_the_same(
        stream in any_stream(), cuts: Vec<usize>, rename: bool, strip: bool,
    ) {
        let options = options(rename.then_some("public"), strip);
        prop_assert_eq!(relay(&stream, &cuts, &options), relay(&stream, &[], &options));
    }

    #[test]
    fn golden_streams_survive_any_cuts(cuts in prop::collection::vec(any::<usize>(), 0..60), strip: bool) {
        for (name, stream) in golden("stream") {
            let options = options(Some("public"), strip);
            prop_assert_eq!(relay(&stream, &cuts, &options), relay(&stream, &[], &options), "{}", name);
        }
    }
}
