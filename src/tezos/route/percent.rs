//! Percent-decoding of one part of a path or of one argument.

use std::borrow::Cow;

use super::RouteError;

/// `text` with every `%XX` replaced by its byte; `field` is blamed in the error.
pub(super) fn decode<'a>(field: &'static str, text: &'a str) -> Result<Cow<'a, str>, RouteError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let (byte, tail) = tail
            .split_first_chunk::<2>()
            .and_then(|(digits, tail)| Some((hex_byte(*digits)?, tail)))
            .ok_or_else(|| RouteError::malformed(field, text, "bad percent-encoding"))?;
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| RouteError::malformed(field, text, "not UTF-8"))
}

fn hex_byte(digits: [u8; 2]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(digits, &mut byte).ok()?;
    let [byte] = byte;
    Some(byte)
}
