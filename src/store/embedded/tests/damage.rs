//! Files that are not what was written: refused as a whole, or read as a whole; never in between.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use crate::fixture::{ask, record};
use crate::guard::Answer;

use super::*;

/// A store with floors, claims and records on a device, closed in good order.
fn written() -> Device {
    let device = device_with_store();
    let folder = crate::fixture::folder();
    block_on(async {
        let store = open_over(&folder, database_on(&device).unwrap());
        raise_all(&store).await;
        for level in 101..=110 {
            let candidate = ask(at(level, 0), 1);
            assert_eq!(
                store.claim(candidate, second(1_000)).await,
                Ok(Answer::Permit)
            );
            store.record(candidate, record(7)).await.unwrap();
        }
    });
    device
}

/// Opens a folder with `bytes` as its store and demands that it refuses everything, in words.
fn assert_refused(bytes: &[u8], what: &str) {
    let folder = crate::fixture::folder();
    std::fs::write(folder.path().join(STORE_FILE), bytes).unwrap();
    let store = open(&folder);
    let report = store.report();
    assert_eq!(report.condition, Condition::Refusing, "{what}");
    let reason = report.reason.unwrap();
    assert!(
        reason.contains("watermarks.redb cannot be used"),
        "{what}: {reason}"
    );
    block_on(async {
        for level in [0, 100, 101, 110, 111, 900] {
            let claim = store.claim(ask(at(level, 0), 1), second(1_000)).await;
            assert!(
                matches!(claim, Err(StoreError::Unavailable(_))),
                "{what}: {claim:?}"
            );
        }
        let raised = store
            .raise(vec![raise(KINDS[0], at(1, 0))], second(1_000))
            .await;
        assert!(
            matches!(raised, Err(StoreError::Unavailable(_))),
            "{what}: {raised:?}"
        );
    });
    assert!(store.lookup(&ask(at(101, 0), 1).slot).is_none());
}

#[test]
fn files_that_are_no_store_are_refused() {
    let whole = written().bytes();
    assert_refused(&[], "empty");
    assert_refused(b"metadata", "text");
    assert_refused(&vec![0; whole.len()], "zeroed");
    assert_refused(&[0xff; 8_192], "all ones");
    let database = Device::default();
    drop(database_on(&database).unwrap());
    assert_refused(&database.bytes(), "a database without tables");
}

#[test]
fn a_store_cut_short_is_refused() {
    let whole = written().bytes();
    let half = whole.len() / 2;
    for length in [
        1,
        9,
        64,
        319,
        320,
        512,
        4_095,
        4_096,
        8_192,
        half,
        half + 1,
        whole.len() - 4_096,
        whole.len() - 1,
    ] {
        assert_refused(&whole[..length], &format!("cut to {length} bytes"));
    }
}

#[test]
fn a_store_with_a_page_zeroed_or_scrambled_is_refused_or_whole() {
    let device = written();
    let (whole, streams) = (device.bytes(), streams_of(device.bytes()).unwrap());
    for (page, content) in whole.chunks(4_096).enumerate() {
        if content.iter().all(|byte| *byte == 0) {
            continue;
        }
        for fill in [0, 0xa5] {
            let mut damaged = whole.clone();
            let at = page * 4_096;
            damaged[at..at + content.len()].fill(fill);
            if let Some(read) = streams_of(damaged) {
                assert_eq!(read, streams, "page {page}");
            }
        }
    }
}

/// All streams of a store, unless it is refused. A panic on the way is a refusal; see `load`.
fn streams_of(
    bytes: Vec<u8>,
) -> Option<std::collections::HashMap<crate::guard::Stream, StreamState>> {
    let device = Device::holding(bytes);
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        let database = database_on(&device).map_err(|error| error.to_string())?;
        read_database(database, |_, _| Ok(()))
    }));
    Some(loaded.ok()?.ok()?.contents.book.streams)
}

/// Where redb keeps flags of its own, among them which of its two commit slots is the current one.
/// No checksum covers it: a flip of this one bit shows the commit before, as a restored backup would.
const FLAGS: usize = 9;

#[test]
fn a_flipped_bit_anywhere_in_use_is_refused_or_harmless() {
    let device = written();
    let (whole, streams) = (device.bytes(), streams_of(device.bytes()).unwrap());
    // The header in full, of the pages a sample; one bit of each byte in turn.
    let places = (0..whole.len()).filter(|at| *at != FLAGS && (*at < 320 || at % 13 == 0));
    let mut refused = 0;
    for (nth, at) in places.enumerate() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (nth % 8);
        match streams_of(damaged) {
            Some(read) => assert_eq!(read, streams, "byte {at}"),
            None => refused += 1,
        }
    }
    assert!(refused > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic_and_never_sign(bytes in prop::collection::vec(any::<u8>(), 1..20_000), headed in any::<bool>()) {
        let mut bytes = bytes;
        if headed {
            // Goes further into the database than noise alone.
            let head = b"redb\x1a\x0a\xa9\x0d\x0a";
            let length = bytes.len().min(head.len());
            bytes[..length].copy_from_slice(&head[..length]);
        }
        assert_refused(&bytes, "random");
    }
}
