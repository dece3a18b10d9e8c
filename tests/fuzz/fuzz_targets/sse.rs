//! However a stream is cut, the client and the meter see the same. The first four bytes of the input
//! choose the options and the cuts, the rest is the stream.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tollgate::dialects::openai::{Produced, StreamEnd, StreamOptions, StreamRelay};
use tollgate::domain::Usage;

type Seen = (Vec<u8>, bool, Option<Usage>, Produced, bool, bool);

fn relay(pieces: &[&[u8]], options: &StreamOptions) -> Seen {
    let mut relay = StreamRelay::new(options.clone());
    let mut sent = Vec::new();
    for piece in pieces {
        sent.extend_from_slice(&relay.push(Bytes::copy_from_slice(piece)).expect("within the limit"));
    }
    let end = relay.finish();
    if let StreamEnd::Complete { tail } = &end {
        sent.extend_from_slice(tail);
    }
    let complete = end != StreamEnd::Cut;
    (sent, complete, relay.usage(), relay.produced(), relay.failure().is_some(), relay.is_done())
}

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, first, second, step], stream)) = input.split_first_chunk() else { return };
    let options = StreamOptions {
        rename_to: (flags & 1 != 0).then(|| "public".into()),
        strip_usage: flags & 2 != 0,
    };
    let whole = relay(&[stream], &options);
    let (a, b) = (usize::from(first) % (stream.len() + 1), usize::from(second) % (stream.len() + 1));
    let (a, b) = (a.min(b), a.max(b));
    assert_eq!(relay(&[&stream[..a], &stream[a..b], &stream[b..]], &options), whole);
    let pieces: Vec<&[u8]> = stream.chunks(usize::from(step % 16) + 1).collect();
    assert_eq!(relay(&pieces, &options), whole);
});
