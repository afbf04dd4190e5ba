//! Bytes that older programs wrote must keep their meaning, and foreign bytes must never panic.

use proptest::prelude::*;

use crate::fixture::{at, bytes, key, record, second, stream};

use super::*;

fn streams() -> impl Strategy<Value = Stream> {
    let kind = prop::sample::select(ConsensusKind::ALL.to_vec());
    let tagged = (0_u8..5, any::<[u8; 20]>()).prop_map(|(tag, hash)| {
        let tagged = [&[tag][..], &hash].concat();
        PublicKeyHash::from_tagged(&tagged).unwrap()
    });
    (any::<[u8; 4]>(), tagged, kind).prop_map(|(chain, key, kind)| Stream {
        chain: ChainId::from_bytes(chain),
        key,
        kind,
    })
}

fn positions() -> impl Strategy<Value = Position> {
    (0..=i32::MAX.unsigned_abs(), 0_u32..=1_000).prop_map(|(level, round)| at(level, round))
}

/// Whole milliseconds: finer times are not kept.
fn times() -> impl Strategy<Value = Timestamp> {
    (-30_000_000_000_000_i64..200_000_000_000_000)
        .prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

fn signatures() -> impl Strategy<Value = Signature> {
    let length = prop::sample::select(vec![64_usize, 96, 2420]);
    (any::<u8>(), length).prop_map(|(fill, len)| Signature::from_raw(vec![fill; len]).unwrap())
}

fn rows() -> impl Strategy<Value = Row> {
    let records =
        (signatures(), "\\PC{0,64}", times()).prop_map(|(signature, signer, at)| Record {
            signature,
            signer,
            at,
        });
    let scheme = prop::sample::select(Scheme::ALL.to_vec());
    (
        any::<[u8; 32]>(),
        scheme,
        times(),
        prop::option::of(records),
    )
        .prop_map(|(digest, scheme, claimed_at, record)| Row {
            digest: Digest::from(digest),
            scheme,
            claimed_at,
            record,
        })
}

proptest! {
    #[test]
    fn keys_round_trip_and_sort_by_stream_and_position(
        one in (streams(), positions()),
        two in (streams(), positions()),
    ) {
        for (stream, position) in [one, two] {
            prop_assert_eq!(decode_stream(&stream_key(&stream)), Ok(stream));
            let slot = Slot { stream, position };
            prop_assert_eq!(decode_slot(&slot_key(&stream, position)), Ok(slot));
        }
        let (first, second) = (slot_key(&one.0, one.1), slot_key(&one.0, two.1));
        prop_assert_eq!(first.cmp(&second), one.1.cmp(&two.1));
    }

    #[test]
    fn floors_round_trip(position in positions(), at in times()) {
        prop_assert_eq!(decode_floor(&encode_floor(position, at)), Ok((position, at)));
    }

    #[test]
    fn rows_round_trip(row in rows()) {
        prop_assert_eq!(decode_row(&encode_row(&row)), Ok(row));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_what_is_read_is_written_back_the_same(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        head in prop::option::of(1_u8..=3),
    ) {
        let mut bytes = bytes;
        if let (Some(head), [version, scheme, ..]) = (head, &mut bytes[..]) {
            // Goes further than noise alone.
            (*version, *scheme) = (VERSION, head);
        }
        if let Ok(stream) = decode_stream(&bytes) {
            prop_assert_eq!(&stream_key(&stream), &bytes);
        }
        if let Ok(slot) = decode_slot(&bytes) {
            prop_assert_eq!(&slot_key(&slot.stream, slot.position), &bytes);
        }
        if let Ok((position, at)) = decode_floor(&bytes) {
            prop_assert_eq!(&encode_floor(position, at), &bytes);
        }
        if let Ok(row) = decode_row(&bytes) {
            prop_assert_eq!(&encode_row(&row), &bytes);
        }
    }

    #[test]
    fn a_row_cut_short_is_damaged_or_the_bare_claim(row in rows(), cut in any::<prop::sample::Index>()) {
        let whole = encode_row(&row);
        let cut = cut.index(whole.len());
        if let Ok(read) = decode_row(&whole[..cut]) {
            // Without its record a row claims the same bytes; with less it is nothing, and the lengths
            // of signatures keep a shortened one from passing for another curve's.
            let shorter = read.record.as_ref().map(|record| record.signature.raw().len());
            prop_assert_eq!((read.digest, read.scheme), (row.digest, row.scheme));
            prop_assert!(shorter.is_none() || shorter < row.record.map(|r| r.signature.raw().len()));
        }
    }

    #[test]
    fn a_floor_of_any_other_length_is_damaged(position in positions(), cut in 0_usize..17) {
        let mut whole = encode_floor(position, second(1));
        prop_assert!(decode_floor(&whole[..cut]).is_err());
        whole.push(0);
        prop_assert!(decode_floor(&whole).is_err());
    }
}

#[test]
fn what_is_wrong_is_named() {
    let floor = encode_floor(at(5, 0), second(1));
    let row = encode_row(&Row {
        digest: bytes(1),
        scheme: Scheme::Standard,
        claimed_at: second(1),
        record: None,
    });
    let stream = stream_key(&stream(ConsensusKind::Block));
    let patched = |whole: &[u8], at: usize, byte: u8| {
        let mut whole = whole.to_vec();
        whole[at] = byte;
        whole
    };
    let table = [
        (decode_floor(&[]).err(), "too short"),
        (
            decode_floor(&patched(&floor, 0, 2)).err(),
            "unknown record version",
        ),
        (
            decode_floor(&patched(&floor, 1, 0x80)).err(),
            "level out of range",
        ),
        (
            decode_floor(&patched(&floor, 5, 1)).err(),
            "round out of range",
        ),
        (
            decode_floor(&patched(&floor, 9, 0x7f)).err(),
            "time out of range",
        ),
        (
            decode_row(&patched(&row, 0, 0)).err(),
            "unknown record version",
        ),
        (
            decode_row(&patched(&row, 1, 0)).err(),
            "unknown signature scheme",
        ),
        (
            decode_row(&[row.clone(), vec![0]].concat()).err(),
            "too short",
        ),
        (decode_stream(&patched(&stream, 4, 3)).err(), "unknown kind"),
        (decode_stream(&patched(&stream, 5, 9)).err(), "bad key hash"),
        (
            decode_stream(&[stream.clone(), vec![0]].concat()).err(),
            "trailing bytes",
        ),
        (decode_slot(&stream).err(), "too short"),
    ];
    for (error, what) in table {
        assert_eq!(error, Some(Damaged(what)));
    }
}

/// These bytes are on disks. If this test fails, the change needs a new format, not a new test.
#[test]
fn floors_and_rows_are_these_bytes() {
    let stream = stream(ConsensusKind::Block);
    let tagged = hex::encode(key().tagged());
    let slot = hex::encode(slot_key(&stream, at(0x0102_0304, 5)));
    assert_eq!(slot, format!("7a06a77011{tagged}0102030400000005"));
    assert_eq!(hex::encode(stream_key(&stream)).len(), 2 * STREAM_LEN);
    let floor = hex::encode(encode_floor(at(0x0102_0304, 5), second(1_000)));
    assert_eq!(floor, "01010203040000000500000000000f4240");
    let mut row = Row {
        digest: bytes(1),
        scheme: Scheme::Pop,
        claimed_at: second(1_000),
        record: None,
    };
    let digest = "ee155ace9c40292074cb6aff8c9ccdd273c81648ff1149ef36bcea6ebb8a3e25";
    let claim = format!("0102{digest}00000000000f4240");
    assert_eq!(hex::encode(encode_row(&row)), claim);
    row.record = Some(record(7));
    let signed = format!(
        "{claim}00000000000f42400008{}{}",
        hex::encode("signer-7"),
        "07".repeat(64)
    );
    assert_eq!(hex::encode(encode_row(&row)), signed);
    assert_eq!(decode_row(&hex::decode(signed).unwrap()), Ok(row));
}

#[test]
fn accounts_are_these_bytes_and_read_back() {
    let account = Account::from(stream(ConsensusKind::Block));
    let tagged = hex::encode(key().tagged());
    let encoded = account_key(&account);
    assert_eq!(hex::encode(&encoded), format!("7a06a770{tagged}"));
    assert_eq!(decode_account_key(&encoded), Ok(account));
    let halt = Halt::new(second(1_000), "why".to_owned());
    for (stop_at, halt, written) in [
        (None, None, "010000"),
        (Some(at(0x0102_0304, 0).level), None, "01010102030400"),
        (None, Some(halt.clone()), "01000100000000000f4240776879"),
        (
            Some(at(5, 0).level),
            Some(halt),
            "0101000000050100000000000f4240776879",
        ),
    ] {
        let state = AccountState { stop_at, halt };
        let encoded = encode_account(&state);
        assert_eq!(hex::encode(&encoded), written);
        assert_eq!(decode_account(&encoded), Ok(state.clone()));
        for cut in 0..encoded.len() {
            assert_ne!(decode_account(&encoded[..cut]), Ok(state.clone()), "{cut}");
        }
    }
    for damaged in [
        "",
        "02",
        "0102",
        "010002",
        "01010102",
        "0100000000",
        "0101ffffffff00",
    ] {
        let bytes = hex::decode(damaged).unwrap();
        assert!(decode_account(&bytes).is_err(), "{damaged}");
    }
}
