//! However a stream of any dialect is cut, it says the same, and what the client of another gets is the same.
//! The first four bytes of the input choose the dialect, the client and the cuts, the rest is the stream.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tollgate::dialects::hub::Event;
use tollgate::dialects::stream::StreamEnd;
use tollgate::dialects::{self, Dialect, Flow, Given, Translation};
use tollgate::domain::{EndpointKind, Usage};

fn events(dialect: &dyn Dialect, pieces: &[&[u8]]) -> Vec<Event> {
    let mut decoder = dialect.decoder();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut events).expect("within the limit");
    }
    decoder.finish(&mut events);
    events
}

fn sent(dialect: &dyn Dialect, kind: EndpointKind, pieces: &[&[u8]]) -> (Vec<u8>, bool, Option<Usage>) {
    let given = Given { model: "public".into(), id: "call".into(), created: 1, usage: true, echo: Bytes::new() };
    let encoder = dialects::inbound(kind).encoder(given);
    let mut flow = Flow::Translated(Box::new(Translation::new(dialect.decoder(), encoder)));
    let mut sent = Vec::new();
    for piece in pieces {
        sent.extend_from_slice(&flow.push(Bytes::copy_from_slice(piece)).expect("within the limit"));
    }
    let end = flow.finish();
    if let StreamEnd::Complete { tail } = &end {
        sent.extend_from_slice(tail);
    }
    (sent, end != StreamEnd::Cut, flow.usage())
}

fuzz_target!(|input: &[u8]| {
    let Some((&[which, client, first, step], stream)) = input.split_first_chunk() else { return };
    let dialect = dialects::ALL[usize::from(which) % dialects::ALL.len()];
    let kinds = [
        EndpointKind::ChatCompletions,
        EndpointKind::Messages,
        EndpointKind::Responses,
        EndpointKind::StreamContent,
    ];
    let kind = kinds[usize::from(client & 3)];
    let at = usize::from(first) % (stream.len() + 1);
    let halves = [&stream[..at], &stream[at..]];
    let pieces: Vec<&[u8]> = stream.chunks(usize::from(step % 16) + 1).collect();
    let whole = events(dialect, &[stream]);
    assert_eq!(events(dialect, &halves), whole);
    assert_eq!(events(dialect, &pieces), whole);
    let told = sent(dialect, kind, &[stream]);
    assert_eq!(sent(dialect, kind, &halves), told);
    assert_eq!(sent(dialect, kind, &pieces), told);
    let _ = dialect.decode(stream);
    let _ = dialect.classify(400, stream, None);
});
