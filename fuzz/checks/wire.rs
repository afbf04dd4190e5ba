//! Bodies: what is read can be written and read again, and no answer of a signer breaks a line of the log.
//!
//! The input is a body. Every reader gets it, whatever it is about.

use signer_proxy::tezos::{
    AuthorizedKeys, ErrorKind, WireError, authorized_keys_body, decode_authorized_keys,
    decode_error, decode_known_keys, decode_possession, decode_public_key, decode_sign_body,
    decode_signature, error_body, known_keys_body, possession_body, public_key_body, sign_body,
    signature_body,
};

use super::sign_body as second;

/// Longest text that is taken over from an error answer, and the dots that show a cut.
const LONGEST_ERROR: usize = 400 + 3;

/// Longest error of ours: an excerpt of 160 characters and what stands around it.
const LONGEST_COMPLAINT: usize = 400;

pub(crate) fn check(body: &[u8]) {
    bytes_to_sign(body);
    errors(body);
    keys(body);
    signatures(body);
}

fn bytes_to_sign(body: &[u8]) {
    let read = sound(decode_sign_body(body));
    assert_eq!(read, second::read(body));
    if let Some(bytes) = read {
        let again = sign_body(&bytes);
        assert_eq!(decode_sign_body(again.as_bytes()), Ok(bytes));
    }
}

fn errors(body: &[u8]) {
    let Some(text) = decode_error(body) else {
        return;
    };
    assert!(!text.trim().is_empty());
    assert!(text.chars().count() <= LONGEST_ERROR);
    assert!(!text.contains(char::is_control), "{text:?}");
    for kind in [ErrorKind::Temporary, ErrorKind::Permanent] {
        let again = decode_error(error_body(kind, &text).as_bytes());
        assert_eq!(again.as_deref(), Some(&*text));
    }
}

fn keys(body: &[u8]) {
    match sound(decode_authorized_keys(body)) {
        Some(AuthorizedKeys::NotRequired) => {
            assert_eq!(authorized_keys_body(None), "{}\n");
        }
        Some(AuthorizedKeys::Keys(keys)) => {
            let again = authorized_keys_body(Some(&keys));
            let keys = AuthorizedKeys::Keys(keys);
            assert_eq!(decode_authorized_keys(again.as_bytes()), Ok(keys));
        }
        None => {}
    }
    if let Some(keys) = sound(decode_known_keys(body)) {
        let again = known_keys_body(&keys);
        assert_eq!(decode_known_keys(again.as_bytes()), Ok(keys));
    }
    if let Some(key) = sound(decode_public_key(body)) {
        let again = public_key_body(&key);
        assert_eq!(decode_public_key(again.as_bytes()), Ok(key));
    }
}

fn signatures(body: &[u8]) {
    if let Some(signature) = sound(decode_signature(body)) {
        let again = signature_body(&signature.encode_generic());
        assert_eq!(decode_signature(again.as_bytes()), Ok(signature));
    }
    if let Some(proof) = sound(decode_possession(body)) {
        let again = possession_body(&proof.encode_generic());
        assert_eq!(decode_possession(again.as_bytes()), Ok(proof));
    }
}

/// The value, or an error that fits on a line.
fn sound<T>(result: Result<T, WireError>) -> Option<T> {
    let text = result.as_ref().err().map(ToString::to_string);
    if let Some(text) = text {
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(text.chars().count() <= LONGEST_COMPLAINT, "{text:?}");
    }
    result.ok()
}
