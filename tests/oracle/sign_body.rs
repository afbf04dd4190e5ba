//! A second reader of the body of a sign request, to be compared with the program's own.
//!
//! The body is one JSON string of hexadecimal digits. Of JSON's escapes only `\u` can stand for such a digit;
//! every other one makes the body wrong anyway.

/// The bytes to sign, if the body is one.
pub(crate) fn read(body: &[u8]) -> Option<Vec<u8>> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let first = body.iter().position(|byte| !blank(byte))?;
    let last = body.iter().rposition(|byte| !blank(byte))?;
    let mut inner = body[first..=last]
        .strip_prefix(b"\"")?
        .strip_suffix(b"\"")?;
    let mut digits = Vec::new();
    while let Some((digit, rest)) = digit(inner) {
        digits.push(digit);
        inner = rest;
    }
    let whole = inner.is_empty() && digits.len() % 2 == 0;
    whole.then(|| {
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

/// The value of the first digit, and what follows it.
fn digit(text: &[u8]) -> Option<(u8, &[u8])> {
    if let Some(escape) = text.strip_prefix(b"\\u") {
        let (code, rest) = escape.split_at_checked(4)?;
        let code = code.iter().try_fold(0_u32, |code, digit| {
            Some(code << 4 | u32::from(value(*digit)?))
        })?;
        return Some((value(u8::try_from(code).ok()?)?, rest));
    }
    let (first, rest) = text.split_first()?;
    Some((value(*first)?, rest))
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
