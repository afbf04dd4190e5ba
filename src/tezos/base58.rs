//! Base58 text with the Tezos prefix and checksum.
//!
//! The text of a value is `prefix || body || checksum`, where the checksum is the first four bytes of a
//! double SHA-256. The prefix bytes are chosen upstream so that the text begins with readable letters. This
//! module knows the prefixes and body lengths; what a body means is its caller's business.
//!
//! Invariant: text longer than any value it could be is refused before it is decoded, because decoding
//! takes quadratic time.

use sha2::{Digest as _, Sha256};

/// Bytes of the checksum at the end of every value.
const CHECKSUM_LEN: usize = 4;

/// Why a text is not the base58 value that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Base58Error {
    /// A character outside the base58 alphabet, or text that is too long to be any value.
    #[error("not base58 text")]
    NotBase58,
    /// The checksum differs: usually a mistyped or truncated copy.
    #[error("checksum does not match, the text was mistyped or cut")]
    Checksum,
    /// The checksum is right, but the value is of another kind than the one wanted.
    #[error("not the kind of value that is expected here")]
    UnknownPrefix,
}

/// One kind of value: its prefix and the exact length of its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    prefix: &'static [u8],
    body_len: usize,
}

impl Kind {
    /// A kind with `prefix` and bodies of exactly `body_len` bytes.
    pub(super) const fn new(prefix: &'static [u8], body_len: usize) -> Self {
        Self { prefix, body_len }
    }

    /// The exact length of a body in bytes.
    pub(super) const fn body_len(&self) -> usize {
        self.body_len
    }

    /// An upper bound of the text's length: each character carries more than five bits.
    const fn max_text_len(&self) -> usize {
        let bytes = self
            .prefix
            .len()
            .saturating_add(self.body_len)
            .saturating_add(CHECKSUM_LEN);
        bytes.saturating_mul(8).div_ceil(5)
    }
}

/// The text of `body` under `kind`.
pub(super) fn encode(kind: Kind, body: &[u8]) -> String {
    let mut bytes = [kind.prefix, body].concat();
    let check = checksum(&bytes);
    bytes.extend_from_slice(&check);
    bs58::encode(bytes).into_string()
}

/// The body of `text` together with the label of the kind that it matched.
pub(super) fn decode<T: Copy>(
    text: &str,
    kinds: &[(Kind, T)],
) -> Result<(T, Vec<u8>), Base58Error> {
    let limit = kinds
        .iter()
        .map(|(kind, _)| kind.max_text_len())
        .max()
        .unwrap_or(0);
    let mut value = decode_checked(text, limit)?;
    for (kind, label) in kinds {
        if value
            .strip_prefix(kind.prefix)
            .is_some_and(|body| body.len() == kind.body_len)
        {
            // In place: the body can be a secret, and its caller wipes only what it is given.
            value.drain(..kind.prefix.len());
            return Ok((*label, value));
        }
    }
    Err(Base58Error::UnknownPrefix)
}

/// Prefix and body of `text`, without the checksum, which has been compared.
fn decode_checked(text: &str, limit: usize) -> Result<Vec<u8>, Base58Error> {
    if text.len() > limit {
        return Err(Base58Error::NotBase58);
    }
    let mut bytes = bs58::decode(text)
        .into_vec()
        .map_err(|_| Base58Error::NotBase58)?;
    let Some(split) = bytes.len().checked_sub(CHECKSUM_LEN) else {
        return Err(Base58Error::Checksum);
    };
    let check = bytes.split_off(split);
    if check == checksum(&bytes) {
        Ok(bytes)
    } else {
        Err(Base58Error::Checksum)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(Sha256::digest(bytes)).into();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: Kind = Kind::new(&[0x57, 0x52, 0x00], 4);

    #[test]
    fn mainnet_encodes_to_its_known_text() {
        assert_eq!(encode(CHAIN, &[0x7a, 0x06, 0xa7, 0x70]), "NetXdQprcVkpaWU");
    }

    #[test]
    fn one_changed_character_breaks_the_checksum() {
        assert_eq!(
            decode("NetXdQprcVkpaWV", &[(CHAIN, ())]),
            Err(Base58Error::Checksum)
        );
    }

    #[test]
    fn characters_outside_the_alphabet_are_refused() {
        for text in ["NetXdQprcVkpaW0", "NetXdQprcVkpa U", "né", "\0"] {
            assert_eq!(
                decode(text, &[(CHAIN, ())]),
                Err(Base58Error::NotBase58),
                "{text:?}"
            );
        }
    }

    #[test]
    fn short_text_is_a_checksum_error() {
        for text in ["", "1", "N"] {
            assert_eq!(
                decode(text, &[(CHAIN, ())]),
                Err(Base58Error::Checksum),
                "{text:?}"
            );
        }
    }

    #[test]
    fn overlong_text_is_refused_before_decoding() {
        assert_eq!(
            decode(&"1".repeat(1 << 20), &[(CHAIN, ())]),
            Err(Base58Error::NotBase58)
        );
    }

    #[test]
    fn another_body_length_under_the_same_prefix_is_another_kind() {
        let text = encode(CHAIN, &[1, 2, 3]);
        assert_eq!(
            decode(&text, &[(CHAIN, ())]),
            Err(Base58Error::UnknownPrefix)
        );
    }
}
