//! An upstream's answer is read the same however it is cut, and no bytes do harm. The first byte of the input says where
//! it is cut.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tollgate::upstream::wire::{Fault, Head};

type Read = Result<Option<(u16, Vec<u8>, bool)>, Fault>;

fn read(pieces: &[&[u8]]) -> Read {
    let (mut buffer, mut head, mut body) = (BytesMut::new(), None, Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if head.is_none() && !buffer.is_empty() {
            head = Head::take(&mut buffer)?;
        }
        let Some(Head { framing, .. }) = &mut head else { continue };
        while !framing.is_done() {
            let Some(piece) = framing.take(&mut buffer)? else { break };
            assert!(!piece.is_empty());
            body.extend_from_slice(&piece);
        }
    }
    Ok(head.map(|head| (head.status.as_u16(), body, head.framing.is_done())))
}

fuzz_target!(|input: &[u8]| {
    let Some((at, bytes)) = input.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(*at).min(bytes.len()));
    let (whole, cut) = (read(&[bytes]), read(&[first, second]));
    if let (Ok(whole), Ok(cut)) = (&whole, &cut) {
        assert_eq!(whole, cut);
    }
    assert!(whole.is_err() || cut.is_ok(), "it is refused when it comes in two pieces");
});
