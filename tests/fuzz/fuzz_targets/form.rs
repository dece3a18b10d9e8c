//! Forms: the same parts or the same fault wherever the bytes are cut, and what is changed is changed once.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tollgate::dialects::form::{Fault, Patch, Patcher, Place, Scan};

fn scan<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Scan, Fault> {
    let mut scan = Scan::new("b");
    for piece in pieces {
        scan.push(piece)?;
    }
    scan.finish().map(|()| scan)
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, form)) = data.split_first() else { return };
    let size = usize::from(size) + 1;
    let (whole, cut) = (scan(std::iter::once(form)), scan(form.chunks(size)));
    match (&whole, &cut) {
        (Ok(one), Ok(other)) => assert_eq!(one.parts(), other.parts()),
        (one, other) => assert_eq!(one.as_ref().err(), other.as_ref().err()),
    }
    let Ok(whole) = whole else { return };
    let values = whole.parts().iter().filter(|part| part.is_whole).map(|part| part.value);
    let patches: Vec<_> = values.map(|place: Place| Patch { place, with: Bytes::from_static(b"v") }).collect();
    let mut one = Patcher::new(patches.clone());
    let length = one.length(form.len() as u64);
    let out = one.push(Bytes::copy_from_slice(form));
    assert_eq!(out.len() as u64, length);
    let mut other = Patcher::new(patches);
    let pieces: Vec<u8> =
        form.chunks(size).flat_map(|piece| other.push(Bytes::copy_from_slice(piece))).collect();
    assert_eq!(pieces, out);
});
