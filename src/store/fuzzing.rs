//! The decoders of records, shown to the fuzz targets: each value together with what it encodes to again.
//!
//! Built for them alone, behind the feature `fuzzing`; nothing of the program uses it.

use jiff::Timestamp;

use super::encoding;
use crate::guard::{Account, AccountState, Row, Slot, Stream};
use crate::tezos::Position;

/// The key of a stream.
#[must_use]
pub fn stream(bytes: &[u8]) -> Option<(Stream, Vec<u8>)> {
    let stream = encoding::decode_stream(bytes).ok()?;
    Some((stream, encoding::stream_key(&stream)))
}

/// The key of a slot.
#[must_use]
pub fn slot(bytes: &[u8]) -> Option<(Slot, Vec<u8>)> {
    let slot = encoding::decode_slot(bytes).ok()?;
    Some((slot, encoding::slot_key(&slot.stream, slot.position)))
}

/// A floor and when it was set.
#[must_use]
pub fn floor(bytes: &[u8]) -> Option<((Position, Timestamp), Vec<u8>)> {
    let (floor, at) = encoding::decode_floor(bytes).ok()?;
    Some(((floor, at), encoding::encode_floor(floor, at)))
}

/// A claim, with or without its signature.
#[must_use]
pub fn row(bytes: &[u8]) -> Option<(Row, Vec<u8>)> {
    let row = encoding::decode_row(bytes).ok()?;
    let again = encoding::encode_row(&row);
    Some((row, again))
}

/// The key of an account.
#[must_use]
pub fn account_key(bytes: &[u8]) -> Option<(Account, Vec<u8>)> {
    let account = encoding::decode_account_key(bytes).ok()?;
    Some((account, encoding::account_key(&account)))
}

/// A stop and a halt.
#[must_use]
pub fn account(bytes: &[u8]) -> Option<(AccountState, Vec<u8>)> {
    let state = encoding::decode_account(bytes).ok()?;
    let again = encoding::encode_account(&state);
    Some((state, again))
}
