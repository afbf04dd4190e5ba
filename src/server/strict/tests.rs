//! What the strict reader passes, holds back and refuses; the wide table of messages is in
//! `tests/http_edge.rs`.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 256;
const GET: &[u8] = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n";

/// Everything that is passed of `pieces`, one message after the other, up to the first violation.
fn run(pieces: &[&[u8]]) -> (Vec<u8>, Option<Violation>) {
    let (mut strict, mut incoming, mut passed) = (Strict::new(LIMIT), BytesMut::new(), Vec::new());
    for piece in pieces {
        incoming.extend_from_slice(piece);
        loop {
            if strict.is_done() {
                strict.next_message();
            }
            if incoming.is_empty() {
                break;
            }
            match strict.take(&mut incoming) {
                Ok(Some(bytes)) => passed.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(violation) => return (passed, Some(violation)),
            }
        }
    }
    (passed, None)
}

fn head_with(fields: &str) -> Vec<u8> {
    format!("POST /a HTTP/1.1\r\nhost: a\r\n{fields}\r\n").into_bytes()
}

fn chunked(body: &str) -> Vec<u8> {
    let mut message = head_with("transfer-encoding: chunked\r\n");
    message.extend_from_slice(body.as_bytes());
    message
}

#[test]
fn head_is_passed_whole_and_only_when_complete() {
    let (mut strict, mut incoming) = (Strict::new(LIMIT), BytesMut::new());
    let (last, first) = GET.split_last().unwrap();
    incoming.extend_from_slice(first);
    assert_eq!(strict.take(&mut incoming), Ok(None));
    assert!(strict.in_head());
    incoming.extend_from_slice(&[*last]);
    assert_eq!(
        strict.take(&mut incoming),
        Ok(Some(Bytes::from_static(GET)))
    );
    assert!(strict.is_done());
}

#[test]
fn next_message_is_held_until_it_is_asked_for() {
    let (mut strict, mut incoming) = (
        Strict::new(LIMIT),
        BytesMut::from([GET, GET].concat().as_slice()),
    );
    assert_eq!(
        strict.take(&mut incoming),
        Ok(Some(Bytes::from_static(GET)))
    );
    assert_eq!(strict.take(&mut incoming), Ok(None));
    assert_eq!(incoming, GET);
    strict.next_message();
    assert_eq!(
        strict.take(&mut incoming),
        Ok(Some(Bytes::from_static(GET)))
    );
}

#[test]
fn sized_body_ends_where_its_length_says() {
    let (mut strict, mut incoming) = (Strict::new(LIMIT), BytesMut::new());
    incoming.extend_from_slice(&head_with("content-length: 3\r\n"));
    strict.take(&mut incoming).unwrap();
    incoming.extend_from_slice(b"ab");
    assert_eq!(
        strict.take(&mut incoming),
        Ok(Some(Bytes::from_static(b"ab")))
    );
    assert!(!strict.is_done());
    incoming.extend_from_slice(b"cGET");
    assert_eq!(
        strict.take(&mut incoming),
        Ok(Some(Bytes::from_static(b"c")))
    );
    assert!(strict.is_done());
    assert_eq!(incoming, "GET");
}

#[test]
fn nothing_of_a_read_with_a_broken_chunk_is_passed() {
    let head = head_with("transfer-encoding: chunked\r\n");
    let (passed, violation) = run(&[head.as_slice(), b"3\r\nabc\r\n", b"2\r\nde\r\n5;x=1\r\n"]);
    assert_eq!(violation, Some(Violation::ChunkExtension));
    assert_eq!(passed, [head.as_slice(), b"3\r\nabc\r\n"].concat());
}

#[test]
fn head_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let fixed = head_with("x: \r\n").len();
    let exact = head_with(&format!("x: {}\r\n", "a".repeat(LIMIT - fixed)));
    assert_eq!(exact.len(), LIMIT);
    assert_eq!(run(&[&exact]), (exact.clone(), None));
    let more = head_with(&format!("x: {}\r\n", "a".repeat(LIMIT - fixed + 1)));
    assert_eq!(run(&[&more]).1, Some(Violation::HeadTooLarge));
    // It does not take the byte over the limit to know.
    assert_eq!(run(&[&more[..LIMIT]]).1, Some(Violation::HeadTooLarge));
}

fn violations() -> [(Violation, Vec<u8>); 35] {
    let line = |line: &str| format!("{line}\r\nhost: a\r\n\r\n").into_bytes();
    [
        (Violation::BareCarriageReturn, head_with("x: a\rb\r\n")),
        (Violation::BareCarriageReturn, chunked("1\rX")),
        (Violation::BareLineFeed, line("GET / HTTP/1.1\n")),
        (Violation::BareLineFeed, chunked("1\na")),
        (Violation::BareLineFeed, chunked("0\r\n\n")),
        (
            Violation::BothFramings,
            head_with("content-length: 1\r\ntransfer-encoding: chunked\r\n"),
        ),
        (Violation::ChunkExtension, chunked("1;a\r\n")),
        (Violation::ChunkFraming, chunked("1\r\nab")),
        (Violation::ChunkSize, chunked("000000001\r\n")),
        (Violation::ChunkSize, chunked("\r\n")),
        (
            Violation::Coding,
            head_with("transfer-encoding: gzip, chunked\r\n"),
        ),
        (
            Violation::Coding,
            head_with("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        ),
        (
            Violation::CodingInOldVersion,
            b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".into(),
        ),
        (Violation::Connect, line("CONNECT /a HTTP/1.1")),
        (
            Violation::Connection,
            head_with("connection: close, Content-Length\r\n"),
        ),
        (Violation::ControlByte, head_with("x: a\0b\r\n")),
        (Violation::EmptyFirstLine, b"\r\n".into()),
        (Violation::Expectation, head_with("expect: miracles\r\n")),
        (Violation::FieldName, head_with("x : a\r\n")),
        (Violation::Fold, head_with("x: a\r\n b\r\n")),
        (
            Violation::Host,
            b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n".into(),
        ),
        (
            Violation::Host,
            b"GET / HTTP/1.1\r\nhost: [::1]80\r\n\r\n".into(),
        ),
        (Violation::HostMissing, b"GET / HTTP/1.1\r\n\r\n".into()),
        (Violation::HostRepeated, head_with("host: a\r\n")),
        (Violation::Length, head_with("content-length: +1\r\n")),
        (
            Violation::LengthRepeated,
            head_with("content-length: 1\r\ncontent-length: 1\r\n"),
        ),
        (Violation::Method, line("G(T / HTTP/1.1")),
        (Violation::RequestLine, line("GET / a HTTP/1.1")),
        (Violation::Target, line("GET http://a/ HTTP/1.1")),
        (Violation::Target, line("GET /a\\b HTTP/1.1")),
        (
            Violation::TooManyFields,
            format!("GET / HTTP/1.1\r\n{}\r\n", "a:\r\n".repeat(101)).into(),
        ),
        (Violation::Trailer, chunked("0\r\nx: a\r\n\r\n")),
        (Violation::Upgrade, head_with("upgrade: h2c\r\n")),
        (Violation::Version, line("GET / HTTP/1.2")),
        (
            Violation::Version,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        ),
    ]
}

#[test]
fn each_violation_is_told_apart() {
    for (violation, message) in violations() {
        let text = String::from_utf8_lossy(&message).into_owned();
        let mut strict = Strict::new(1024);
        let mut incoming = BytesMut::from(message.as_slice());
        let found = loop {
            match strict.take(&mut incoming) {
                Ok(Some(_)) if !incoming.is_empty() => {}
                other => break other,
            }
        };
        assert_eq!(found, Err(violation), "{text:?}");
    }
}

proptest! {
    #[test]
    fn verdict_does_not_depend_on_how_the_bytes_arrive(
        body in proptest::collection::vec(any::<u8>(), 1..40),
        cuts in proptest::collection::vec(0_usize..160, 0..8),
        sized in any::<bool>(),
    ) {
        let mut stream = if sized {
            let mut message = head_with(&format!("content-length: {}\r\n", body.len()));
            message.extend_from_slice(&body);
            message
        } else {
            let mut message = chunked(&format!("{:x}\r\n", body.len()));
            message.extend_from_slice(&body);
            message.extend_from_slice(b"\r\n0\r\n\r\n");
            message
        };
        stream.extend_from_slice(GET);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < stream.len()).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(run(&pieces), (stream.clone(), None));
    }

    #[test]
    fn any_bytes_are_passed_unchanged_or_not_at_all(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just(GET.to_vec()),
                Just(chunked("")),
                Just(b"2\r\nab\r\n".to_vec()),
                Just(b"0\r\n\r\n".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..20),
            ],
            0..8,
        ),
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let (passed, _) = run(&pieces);
        prop_assert!(pieces.concat().starts_with(&passed));
    }
}
