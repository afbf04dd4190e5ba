//! Records of the store: whatever can be read is written back as the very same bytes, and keys sort as slots.
//!
//! The input is a record of any table, or two keys of slots one behind the other.

use signer_proxy::store::fuzzing::{account, account_key, floor, row, slot, stream};

/// Bytes of a slot's key: stream 26, level 4, round 4.
const SLOT: usize = 34;

pub(crate) fn check(bytes: &[u8]) {
    canonical(bytes, stream);
    canonical(bytes, slot);
    canonical(bytes, floor);
    canonical(bytes, row);
    canonical(bytes, account_key);
    canonical(bytes, account);
    if let Some((first, second)) = bytes.split_at_checked(SLOT) {
        sorted(first, second);
    }
}

/// One value has one form, so that equal values cannot lie beside each other.
fn canonical<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<(T, Vec<u8>)>) {
    if let Some((_, again)) = read(bytes) {
        assert_eq!(again, bytes);
    }
}

/// Pruning and the search for the highest claim rely on the order of keys.
fn sorted(first: &[u8], second: &[u8]) {
    let (Some((one, _)), Some((other, _))) = (slot(first), slot(second)) else {
        return;
    };
    assert_eq!(first == second, one == other);
    if one.stream == other.stream {
        assert_eq!(first.cmp(second), one.position.cmp(&other.position));
    }
}
