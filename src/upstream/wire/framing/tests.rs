use super::*;
use proptest::prelude::*;

/// Its status, its body, whether the connection is kept, and what follows it.
type Read = (u16, Vec<u8>, bool, Vec<u8>);

/// Reads an answer that comes in these pieces; whether it may end with the connection, and what is left over.
fn read(pieces: &[&[u8]]) -> Result<Option<Read>, Fault> {
    let mut buffer = BytesMut::new();
    let (mut head, mut body) = (None, Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if head.is_none() {
            head = Head::take(&mut buffer)?;
        }
        let Some(Head { framing, .. }) = &mut head else { continue };
        while !framing.is_done() {
            let Some(piece) = framing.take(&mut buffer)? else { break };
            body.extend_from_slice(&piece);
        }
    }
    Ok(head.filter(|head| head.framing.is_done() || head.framing.may_close()).map(|head| {
        let kept = head.keeps;
        (head.status.as_u16(), body, kept, buffer.to_vec())
    }))
}

#[test]
fn bodies_end_where_their_heads_say() {
    let ok = |text: &str| {
        read(&[text.as_bytes()]).unwrap().map(|(status, body, keeps, rest)| {
            (status, String::from_utf8(body).unwrap(), keeps, String::from_utf8(rest).unwrap())
        })
    };
    let is = |status, body: &str, keeps, rest: &str| Some((status, body.to_owned(), keeps, rest.to_owned()));
    assert_eq!(ok("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), is(200, "abc", true, ""));
    assert_eq!(ok("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd"), is(200, "abc", true, "d"));
    assert_eq!(ok("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), None);
    assert_eq!(ok("HTTP/1.1 429 \r\ncontent-length: 0\r\nconnection: Close\r\n\r\n"), is(429, "", false, ""));
    assert_eq!(ok("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na"), is(200, "a", false, ""));
    assert_eq!(ok("HTTP/1.1 200 OK\r\n\r\nto the end"), is(200, "to the end", false, ""));
    assert_eq!(ok("HTTP/1.1 204 No Content\r\n\r\nx"), is(204, "", true, "x"));
    assert_eq!(ok("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), is(100, "", true, "HTTP/1.1 200"));
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nfoot: note\r\n\r\n";
    assert_eq!(ok(chunks), is(200, "abc0123456789", true, ""));
    assert_eq!(ok(&chunks[..chunks.len() - 2]), None);
}

#[test]
fn what_two_readers_may_read_in_two_ways_is_refused() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\n",
        "HTTP/1.1 200 OK\r\na: b\r\n c: d\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "\0\r\n\r\n",
    ] {
        assert!(read(&[text.as_bytes()]).is_err(), "{text:?} was read");
    }
}

#[test]
fn nothing_grows_without_bound() {
    let long = |text: &str| read(&[text.as_bytes()]);
    assert_eq!(
        long(&format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(LONGEST_HEAD))),
        Err(Fault("a head that is too long"))
    );
    assert!(long(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MOST_HEADERS + 1))).is_err());
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert!(long(&format!("{chunked}1;{}", "x".repeat(LONGEST_LINE))).is_err());
    assert!(long(&format!("{chunked}0\r\n{}", "x".repeat(LONGEST_LINE + 1))).is_err());
    assert!(long(&format!("{chunked}0\r\n{}", "x: y\r\n".repeat(LONGEST_HEAD))).is_err());
}

proptest! {
    #[test]
    fn an_answer_cut_anywhere_is_the_same(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        sizes in proptest::collection::vec(1_usize..40, 1..20),
        cuts in proptest::collection::vec(1_usize..50, 1..30),
        chunked in any::<bool>(),
    ) {
        let mut wire = b"HTTP/1.1 200 OK\r\nx-request-id: r\r\n".to_vec();
        if chunked {
            wire.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            let (mut rest, mut sizes) = (&body[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                wire.extend_from_slice(piece);
                wire.extend_from_slice(b"\r\n");
                rest = more;
            }
            wire.extend_from_slice(b"0\r\n\r\n");
        } else {
            wire.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            wire.extend_from_slice(&body);
        }
        wire.extend_from_slice(b"next");
        let (mut pieces, mut rest, mut cuts) = (Vec::new(), &wire[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            pieces.push(piece);
            rest = more;
        }
        prop_assert_eq!(read(&pieces).unwrap(), Some((200, body, true, b"next".to_vec())));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
        let at = at.min(bytes.len());
        let (first, second) = bytes.split_at(at);
        drop(read(&[first, second]));
        drop(read(&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", first, second]));
    }
}
