//! A second reader and writer of base58check text, to be compared with the program's own.
//!
//! School arithmetic on digits, and the table of prefixes as it is published. Of the program's dependencies
//! it shares SHA-256 only.

use sha2::{Digest as _, Sha256};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// How its texts begin.
    pub(crate) name: &'static str,
    pub(crate) prefix: &'static [u8],
    /// Bytes behind the prefix.
    pub(crate) length: usize,
}

const fn kind(name: &'static str, prefix: &'static [u8], length: usize) -> Kind {
    Kind {
        name,
        prefix,
        length,
    }
}

/// Every kind that the program reads, without secret keys.
pub(crate) const KINDS: [Kind; 17] = [
    kind("tz1", b"\x06\xa1\x9f", 20),
    kind("tz2", b"\x06\xa1\xa1", 20),
    kind("tz3", b"\x06\xa1\xa4", 20),
    kind("tz4", b"\x06\xa1\xa6", 20),
    kind("tz5", b"\x06\xa1\xa9", 20),
    kind("edpk", b"\x0d\x0f\x25\xd9", 32),
    kind("sppk", b"\x03\xfe\xe2\x56", 33),
    kind("p2pk", b"\x03\xb2\x8b\x7f", 33),
    kind("BLpk", b"\x06\x95\x87\xcc", 48),
    kind("mdpk", b"\x0d\x07\xed\x43", 1312),
    kind("edsig", b"\x09\xf5\xcd\x86\x12", 64),
    kind("spsig1", b"\x0d\x73\x65\x13\x3f", 64),
    kind("p2sig", b"\x36\xf0\x2c\x34", 64),
    kind("BLsig", b"\x28\xab\x40\xcf", 96),
    kind("mdsig", b"\x01\x9c\x2d\xd2\x03", 2420),
    kind("sig", b"\x04\x82\x2b", 64),
    kind("Net", b"\x57\x52\x00", 4),
];

/// The kind and the body of a text, if it is the text of any kind.
pub(crate) fn read(text: &str) -> Option<(Kind, Vec<u8>)> {
    let bytes = from_digits(text)?;
    let value = &bytes[..bytes.len().checked_sub(4)?];
    if bytes[value.len()..] != checksum(value) {
        return None;
    }
    KINDS.into_iter().find_map(|kind| {
        let body = value.strip_prefix(kind.prefix)?;
        (body.len() == kind.length).then(|| (kind, body.to_vec()))
    })
}

/// The text of any bytes, with a checksum that is right.
pub(crate) fn write(value: &[u8]) -> String {
    let bytes = [value, &checksum(value)].concat();
    // Least significant digit first.
    let mut digits: Vec<u32> = Vec::new();
    for byte in &bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    // A leading zero has no digit of its own and is written as the digit zero.
    let zeros = bytes.iter().take_while(|byte| **byte == 0).map(|_| 0);
    zeros
        .chain(digits.into_iter().rev())
        .map(|digit| char::from(ALPHABET[digit as usize]))
        .collect()
}

fn from_digits(text: &str) -> Option<Vec<u8>> {
    // Least significant byte first.
    let mut bytes: Vec<u32> = Vec::new();
    for char in text.bytes() {
        let mut carry = u32::try_from(ALPHABET.iter().position(|digit| *digit == char)?).ok()?;
        for byte in &mut bytes {
            carry += *byte * 58;
            *byte = carry & 0xff;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(carry);
        }
    }
    let zeros = text.bytes().take_while(|char| *char == b'1').map(|_| 0);
    let bytes = bytes.into_iter().rev();
    zeros
        .chain(bytes)
        .map(|byte| u8::try_from(byte).ok())
        .collect()
}

fn checksum(value: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest(Sha256::digest(value));
    [digest[0], digest[1], digest[2], digest[3]]
}
