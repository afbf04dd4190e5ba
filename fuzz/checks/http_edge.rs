//! The strict reader of HTTP: its verdict does not depend on how the bytes come, and what it lets through has one
//! meaning only.
//!
//! The input is everything that a peer sends on one connection. What was passed is read again here, by a reader
//! that knows nothing but the letter of RFC 9112.

use signer_proxy::server::fuzzing::read_http;

/// Small, so that heads of the fuzzer reach it.
const HEAD_BYTES: usize = 512;

pub(crate) fn check(input: &[u8]) {
    let whole = read_http(input, usize::MAX, HEAD_BYTES);
    for step in [1, 2, 7] {
        let pieces = read_http(input, step, HEAD_BYTES);
        assert_eq!(pieces.refused, whole.refused);
        assert_eq!(pieces.messages, whole.messages);
    }
    let passed: Vec<u8> = whole.messages.concat();
    assert_eq!(passed, input[..passed.len()]);
    for message in &whole.messages {
        unambiguous(message);
    }
}

/// One head, one framing, and a body that is exactly as long as it says.
fn unambiguous(message: &[u8]) {
    let end = message
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    assert!(end + 4 <= HEAD_BYTES);
    let (head, body) = (&message[..end], &message[end + 4..]);
    let mut lines = split(head);
    let request = lines.remove(0);
    let parts: Vec<&[u8]> = request.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else {
        panic!("{request:?}")
    };
    assert!(
        !method.is_empty() && target.starts_with(b"/"),
        "{request:?}"
    );
    assert!(matches!(version, b"HTTP/1.1" | b"HTTP/1.0"), "{request:?}");
    let (mut lengths, mut codings, mut hosts) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        let name = line[..colon].to_ascii_lowercase();
        assert!(!name.is_empty());
        assert!(name.iter().all(u8::is_ascii_graphic), "{name:?}");
        let value = line[colon + 1..].trim_ascii();
        assert!(
            value
                .iter()
                .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
        );
        match &name[..] {
            b"content-length" => lengths.push(value),
            b"transfer-encoding" => codings.push(value),
            b"host" => hosts += 1,
            _ => {}
        }
    }
    assert!(hosts <= 1 && (hosts == 1 || version == b"HTTP/1.0"));
    assert!(lengths.len() <= 1 && codings.len() <= 1);
    assert!(lengths.is_empty() || codings.is_empty(), "two framings");
    if let [coding] = codings[..] {
        assert!(coding.eq_ignore_ascii_case(b"chunked"), "{coding:?}");
        assert_eq!(version, b"HTTP/1.1");
        chunks(body);
    } else {
        let length = lengths.first().map_or(0, |length| {
            assert!(length.iter().all(u8::is_ascii_digit), "{length:?}");
            std::str::from_utf8(length).unwrap().parse().unwrap()
        });
        assert_eq!(body.len(), length);
    }
}

/// Lines that end with CR LF and nothing else.
fn split(head: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    for line in &lines {
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'), "{line:?}");
    }
    lines
}

/// Chunks until the empty one, and nothing after it but the last line.
fn chunks(mut body: &[u8]) {
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&body[..end]).unwrap();
        assert!(
            size.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{size:?}"
        );
        let size = usize::from_str_radix(size, 16).unwrap();
        body = &body[end + 2..];
        assert_eq!(&body[size..size + 2], b"\r\n");
        body = &body[size + 2..];
        if size == 0 {
            assert!(body.is_empty());
            return;
        }
    }
}
