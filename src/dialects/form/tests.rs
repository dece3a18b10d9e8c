use super::{Fault, Patch, Patcher, Place, Scan, boundary, content_type, field};
use bytes::Bytes;
use proptest::prelude::*;

const FORM: &str = "--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
    Content-Type: audio/wav\r\n\r\nRIFF\r\n--b\r\n--b1 not yet\r\n--b0\r\n\
    content-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b0\r\n\
    Content-Disposition: form-data; name=prompt\r\n\r\n\r\n--b0--\r\n";

fn scan(text: &str, cut: usize) -> Result<Scan, Fault> {
    let mut scan = Scan::new("b0");
    for piece in text.as_bytes().chunks(cut.max(1)) {
        scan.push(piece)?;
    }
    scan.finish().map(|()| scan)
}

fn of(text: &str, place: Place) -> &str {
    &text[usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap()]
}

#[test]
fn parts_are_found_wherever_the_bytes_are_cut() {
    for cut in 1..=FORM.len() {
        let scan = scan(FORM, cut).unwrap();
        let parts: Vec<_> =
            scan.parts().iter().map(|p| (p.name.as_str(), p.is_file, of(FORM, p.value))).collect();
        let expected = [
            ("file", true, "RIFF\r\n--b\r\n--b1 not yet"),
            ("model", false, "whisper-1"),
            ("prompt", false, ""),
        ];
        assert_eq!(parts, expected, "cut at {cut}");
        assert_eq!(scan.parts()[1].text(), Some("whisper-1"));
        assert_eq!(scan.parts()[0].text(), None);
        assert_eq!(scan.parts()[0].kept, b"RIFF\r\n--b\r\n--b1 not yet");
        assert!(of(FORM, scan.parts()[1].whole).starts_with("--b0\r\ncontent-disposition"));
        assert!(of(FORM, scan.parts()[1].whole).ends_with("whisper-1\r\n"));
        assert_eq!(scan.first(), Some(0));
    }
}

#[test]
fn what_can_be_taken_for_two_forms_is_refused() {
    let head = |line: &str| format!("--b0\r\n{line}\r\n\r\nx\r\n--b0--");
    for (form, fault) in [
        (head("Content-Disposition: form-data; name=\"a\"; name=\"model\""), Fault::Head),
        (
            head("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"),
            Fault::Head,
        ),
        (head("Content-Disposition: form-data; name*=utf-8''model"), Fault::Head),
        (head("Content-Disposition: form-data"), Fault::Head),
        (head("Content-Disposition: attachment; name=a"), Fault::Head),
        (head("Content-Disposition: form-data; name=\"a"), Fault::Head),
        (head(""), Fault::Head),
        (head(&format!("x: {}", "y".repeat(9000))), Fault::Head),
        ("--b0x\r\n".to_owned(), Fault::Delimiter),
        (head("Content-Disposition: form-data; name=a\r\n\r\n--b0"), Fault::Delimiter),
        ("--b0".to_owned(), Fault::Cut),
        (String::new(), Fault::Cut),
        (FORM[..FORM.len() - 4].to_owned(), Fault::Cut),
        (field("b0", "a", "1").repeat(300), Fault::TooManyParts),
    ] {
        for cut in [1, 7, form.len()] {
            assert_eq!(scan(&form, cut).err(), Some(fault), "{}", &form[..form.len().min(90)]);
        }
    }
}

#[test]
fn a_preamble_and_what_follows_the_end_are_no_parts() {
    let form = format!("hello\r\n{}--b0--\r\n{}", field("b0", "a", "1"), field("b0", "b", "2"));
    let scan = scan(&form, 3).unwrap();
    assert_eq!((scan.parts().len(), scan.first()), (1, Some(7)));
}

#[test]
fn boundaries_are_read_from_the_header_and_written_back() {
    for (header, expected) in [
        ("multipart/form-data; boundary=abc", Some("abc")),
        ("Multipart/Form-Data; charset=utf-8; Boundary=\"a b'c\"", Some("a b'c")),
        ("multipart/form-data; boundary=a; boundary=b", None),
        ("multipart/form-data", None),
        ("multipart/mixed; boundary=a", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=\"a\r\nb\"", None),
        ("application/json", None),
    ] {
        assert_eq!(boundary(header).as_deref(), expected, "{header}");
    }
    assert_eq!(boundary(&content_type("a b'c")).as_deref(), Some("a b'c"));
    assert!(boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71))).is_none());
}

#[test]
fn a_model_can_be_renamed_and_a_field_taken_out_on_the_way() {
    let scan = scan(FORM, 10).unwrap();
    let patches = vec![
        Patch { place: scan.parts()[2].whole, with: Bytes::new() },
        Patch { place: scan.parts()[1].value, with: Bytes::from_static(b"large-v3") },
        Patch { place: Place { start: 0, end: 0 }, with: Bytes::from(field("b0", "language", "de")) },
    ];
    let expected = format!(
        "{}{}--b0--\r\n",
        field("b0", "language", "de"),
        FORM[..FORM.find("--b0\r\nContent-Disposition: form-data; name=prompt").unwrap()]
            .replace("whisper-1", "large-v3")
    );
    for cut in 1..=FORM.len() {
        let mut patcher = Patcher::new(patches.clone());
        assert_eq!(patcher.length(FORM.len() as u64), expected.len() as u64);
        let pieces = FORM.as_bytes().chunks(cut).map(|piece| patcher.push(Bytes::copy_from_slice(piece)));
        let out: Vec<u8> = pieces.flatten().collect();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "cut at {cut}");
        let (begin, rest) = FORM.as_bytes().split_at(cut);
        let pieces = [begin, rest].map(Bytes::copy_from_slice);
        assert_eq!(
            Patcher::new(patches.clone()).push_all(&pieces),
            expected,
            "two pieces as one, cut at {cut}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_and_any_cut_give_the_same_form_or_the_same_fault(
        text in "(--b0|\r\n|\r|-|a|: |;|Content-Disposition: form-data; name=x| ){0,40}", cut in 1_usize..20,
    ) {
        let (one, other) = (scan(&text, text.len()), scan(&text, cut));
        match (one, other) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one.parts(), other.parts()),
            (one, other) => prop_assert_eq!(one.err(), other.err()),
        }
    }

    #[test]
    fn what_is_written_is_read(values in prop::collection::vec("[a-z\r\n-]{0,30}", 0..6), cut in 1_usize..50) {
        let fields: String = values.iter().map(|value| field("b0", "f", value)).collect();
        let form = format!("{fields}--b0--\r\n");
        let scan = scan(&form, cut).unwrap();
        let read: Vec<_> = scan.parts().iter().map(|part| part.text().unwrap()).collect();
        prop_assert_eq!(read, values);
    }
}
