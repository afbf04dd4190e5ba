//! Lines of the decision log: a fault, or a line whose bytes have the hash that it names; no other byte will do.
//!
//! The input is the line as it would be without its hash, so that what lies behind the hash is reached; it is
//! read as it came, too.

use signer_proxy::decision_log::{Fault, clean, parse};
use signer_proxy::tezos::digest;

pub(crate) fn check(input: &[u8]) {
    drop(parse(input));
    let mut line = input.to_vec();
    line.extend(format!(",\"hash\":\"{}\"}}", digest(input)).into_bytes());
    match parse(&line) {
        Err(Fault::TooLong) => assert!(line.len() > 16 << 10),
        Err(fault) => assert_eq!(fault, Fault::NoPlace, "the hash is right"),
        Ok(read) => {
            assert_eq!(read.link.hash, digest(input));
            one_byte_off(&line, input);
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        reason(text);
    }
}

/// Every byte counts. Which one is tried, the input says.
fn one_byte_off(line: &[u8], input: &[u8]) {
    let number = input.iter().fold(0, |sum, byte| sum + usize::from(*byte));
    let mut other = line.to_vec();
    other[number % line.len()] ^= 1 << (number % 8);
    assert!(
        parse(&other).is_err(),
        "{:?}",
        String::from_utf8_lossy(&other)
    );
}

/// Words of a signer: one line, bounded, without a long run that could be a payload or a signature.
fn reason(text: &str) {
    let kept = clean(text);
    assert!(!kept.contains(char::is_control), "{kept:?}");
    assert!(kept.chars().count() <= 600, "{}", kept.len());
    let run = kept
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .map(str::len)
        .max();
    assert!(run <= Some(40), "{kept}");
    if kept.chars().count() <= 500 {
        assert_eq!(clean(&kept), kept, "clean already");
    }
}
