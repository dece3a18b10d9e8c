use super::*;
use crate::domain::Usage;
use proptest::prelude::*;
use serde_json::json;

fn done(input: u64, cached: u64) -> Vec<u8> {
    json!({
        "type": "response.done", "event_id": "e",
        "response": { "id": "r", "output": [{ "content": [{ "transcript": "x".repeat(3000) }] }], "usage": {
            "total_tokens": input + 20, "input_tokens": input, "output_tokens": 20,
            "input_token_details": { "cached_tokens": cached, "text_tokens": 1, "audio_tokens": 9, "cached_tokens_details": { "text_tokens": 0, "audio_tokens": 4 } },
            "output_token_details": { "text_tokens": 5, "audio_tokens": 15 },
        } },
    })
    .to_string()
    .into_bytes()
}

fn audio() -> Vec<u8> {
    json!({ "type": "response.audio.delta", "delta": "response.done".repeat(700) }).to_string().into_bytes()
}

/// A session's bytes: a long delta, a fragmented answer with a ping inside of it, a short one, a close.
fn session() -> Vec<u8> {
    let answer = done(100, 40);
    let (first, second) = answer.split_at(1500);
    [
        frame(Opcode::Text, true, br#"{"type":"response.created"}"#, None),
        frame(Opcode::Text, true, &audio(), None),
        frame(Opcode::Binary, true, &[0; 70_000], None),
        frame(Opcode::Text, false, first, None),
        frame(Opcode::Ping, true, b"are you there", None),
        frame(Opcode::More, false, &[], None),
        frame(Opcode::More, true, second, None),
        frame(Opcode::Text, true, &done(10, 0), None),
        close(1000, "done"),
    ]
    .concat()
}

const USED: Usage = Usage {
    prompt: 110,
    completion: 40,
    cached: 40,
    cache_write: 0,
    reasoning: 0,
    audio_prompt: 10,
    audio_completion: 30,
};

#[test]
fn what_answers_used_is_summed_up() {
    let mut meter = Meter::default();
    let bytes = session();
    let (first, rest) = bytes.split_at(200);
    meter.push(first).unwrap();
    assert!(!meter.is_at_rest());
    meter.push(rest).unwrap();
    assert!(meter.is_at_rest() && meter.is_closed() && meter.has_usage());
    assert_eq!((meter.answers(), meter.take(), meter.take()), (2, USED, Usage::default()));
}

#[test]
fn an_answer_too_long_to_keep_is_let_go_and_the_next_one_counts() {
    let mut long = done(1, 0);
    long.truncate(long.len() - 1);
    long.extend_from_slice(format!(",\"more\":\"{}\"}}", "y".repeat(2_000_000)).as_bytes());
    let mut meter = Meter::default();
    meter.push(&frame(Opcode::Text, true, &long, None)).unwrap();
    assert!(!meter.has_usage());
    meter.push(&frame(Opcode::Text, true, &done(7, 0), None)).unwrap();
    assert_eq!(meter.take().prompt, 7);
}

#[test]
fn what_is_no_frame_is_refused() {
    for bytes in [
        &[0xC1, 0x00][..],         // compressed
        &[0x83, 0x00],             // an unknown kind
        &[0x80, 0x00],             // more of nothing
        &[0x89, 0x7E, 0, 200],     // a long ping
        &[0x09, 0x00],             // a ping in pieces
        &[0x01, 0x00, 0x81, 0x00], // a text inside of a text
        b"HTTP/1.1 200 OK\r\n",
        &[0x81, 0x7F, 0xFF, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(Meter::default().push(bytes), Err(Malformed), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in prop::collection::vec(0usize..80_000, 0..40)) {
        let bytes = session();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let (mut meter, mut at) = (Meter::default(), 0);
        for cut in cuts.into_iter().chain([bytes.len()]) {
            meter.push(&bytes[at..cut]).unwrap();
            at = cut;
        }
        prop_assert_eq!(meter.take(), USED);
    }

    #[test]
    fn a_masked_text_is_read_byte_by_byte(text in "[a-z]{0,300}", mask in any::<[u8; 4]>()) {
        let mut reader = Reader::new(|_| true);
        let mut seen = Vec::new();
        for byte in frame(Opcode::Text, true, text.as_bytes(), Some(mask)).iter() {
            reader.push(&[*byte], &mut |message| seen.push(message.to_vec())).unwrap();
        }
        prop_assert_eq!(seen, vec![text.into_bytes()]);
        prop_assert!(reader.is_between_frames());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Meter::default().push(&bytes);
    }
}
