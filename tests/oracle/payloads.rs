//! Random and damaged payloads, and those on which the two readers once differed.

use proptest::prelude::*;

use super::decoder::{Described, Slot, Verdict, Votes, read};
use super::payload;

/// Payloads of real bakers: name, curve, chain, kind, level, round, bytes.
const VECTORS: &str = include_str!("../it/vectors.txt");

/// Numbers around which a reader could go wrong.
const EDGES: [u32; 12] = [
    0,
    1,
    4,
    33,
    37,
    999,
    1000,
    1001,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
];

/// Where numbers stand in blocks and votes of any layout.
const FIELDS: [usize; 17] = [
    1, 5, 38, 40, 42, 44, 60, 83, 87, 92, 96, 100, 104, 108, 112, 116, 120,
];

/// First bytes and vote tags, known and unknown.
const MAGICS: [u8; 9] = [0x00, 0x01, 0x02, 0x03, 0x11, 0x12, 0x13, 0x14, 0xff];
const TAGS: [u8; 10] = [0x00, 0x14, 0x15, 0x16, 0x17, 0x28, 0x29, 0x30, 0x31, 0x32];

fn vectors() -> Vec<Vec<u8>> {
    let bytes = |line: &str| hex::decode(line.rsplit(' ').next().unwrap()).unwrap();
    VECTORS.lines().map(bytes).collect()
}

/// One damage to a payload.
#[derive(Clone, Debug)]
enum Damage {
    Magic(u8),
    Tag(u8),
    Number(usize, u32),
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
    Insert(prop::sample::Index, Vec<u8>),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Magic(value) => overwrite(bytes, 0, &[*value]),
            Self::Tag(value) => overwrite(bytes, 37, &[*value]),
            Self::Number(at, value) => overwrite(bytes, *at, &value.to_be_bytes()),
            Self::Byte(at, value) => {
                let at = at.index(bytes.len() + 1);
                overwrite(bytes, at, &[*value]);
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Append(more) => bytes.extend(more),
            Self::Insert(at, more) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, more.iter().copied());
            }
        }
    }
}

/// Replaces what is there; what would lie behind the end is left out.
fn overwrite(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(at).zip(value) {
        *byte = *value;
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let field = || prop::sample::select(&FIELDS[..]);
    let some = |most| prop::collection::vec(any::<u8>(), 0..most);
    prop_oneof![
        prop::sample::select(&MAGICS[..]).prop_map(Damage::Magic),
        prop::sample::select(&TAGS[..]).prop_map(Damage::Tag),
        (field(), prop::sample::select(&EDGES[..]))
            .prop_map(|(at, value)| Damage::Number(at, value)),
        (field(), 0..8_u32).prop_map(|(at, value)| Damage::Number(at, value)),
        (field(), 990..1010_u32).prop_map(|(at, value)| Damage::Number(at, value)),
        any::<(prop::sample::Index, u8)>().prop_map(|(at, value)| Damage::Byte(at, value)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        some(8).prop_map(Damage::Append),
        some(600).prop_map(Damage::Append),
        (any::<prop::sample::Index>(), some(5)).prop_map(|(at, more)| Damage::Insert(at, more)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn damaged_payloads_are_read_alike(
        vector in prop::sample::select(vectors()),
        damages in prop::collection::vec(damage(), 0..4),
    ) {
        let mut bytes = vector;
        for damage in damages {
            damage.apply(&mut bytes);
        }
        payload::check(&bytes);
    }

    #[test]
    fn payloads_made_of_nothing_are_read_alike(
        magic in prop::sample::select(&MAGICS[..]),
        tag in prop::sample::select(&TAGS[..]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..700),
        numbers in prop::collection::vec(
            (prop::sample::select(&FIELDS[..]), prop::sample::select(&EDGES[..])),
            0..8,
        ),
    ) {
        for (at, value) in numbers {
            overwrite(&mut bytes, at, &value.to_be_bytes());
        }
        overwrite(&mut bytes, 0, &[magic]);
        overwrite(&mut bytes, 37, &[tag]);
        payload::check(&bytes);
    }
}

#[test]
fn every_byte_of_every_vector_may_have_any_value() {
    for vector in vectors() {
        for at in 0..vector.len() {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff]
                .into_iter()
                .chain([1, 2, 4, 8, 16, 32, 64, 128].map(|bit| vector[at] ^ bit))
            {
                let mut bytes = vector.clone();
                bytes[at] = value;
                payload::check(&bytes);
            }
        }
    }
}

#[test]
fn every_truncation_of_every_vector_is_read_alike() {
    for vector in vectors() {
        for len in 0..=vector.len() {
            payload::check(&vector[..len]);
        }
    }
}

/// The second reader is no echo: it reads the vectors as they are known to be.
#[test]
fn the_second_reader_knows_the_vectors() {
    for line in VECTORS.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let bytes = hex::decode(words[6]).unwrap();
        let votes = if words[1] == "tz4" {
            Votes::Aggregated
        } else {
            Votes::Slotted
        };
        let magic = match words[3] {
            "block" => 0x11,
            "preattestation" => 0x12,
            "attestation" => 0x13,
            other => panic!("unknown kind {other}"),
        };
        let slot = Slot {
            magic,
            chain: bytes[1..5].try_into().unwrap(),
            level: words[4].parse().unwrap(),
            round: words[5].parse().unwrap(),
        };
        assert_eq!(
            read(votes, &[], &bytes),
            Verdict::Slot(slot),
            "{}",
            words[0]
        );
    }
}

/// A header of old with this many bytes.
fn header_of_old(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes[0] = 0x01;
    bytes[8] = 7;
    bytes
}

/// A vote of tag `0x30` whose level stands at byte 40, with `tail` bytes behind its round.
fn described_vote(tail: usize) -> Vec<u8> {
    let mut bytes = vec![0; 48 + tail];
    (bytes[0], bytes[37], bytes[43]) = (0x13, 0x30, 7);
    bytes
}

/// An attestation with `tail` bytes for the slots that it attests.
fn attestation_with_slots(tail: usize) -> Vec<u8> {
    let mut bytes = vec![0; 80 + tail];
    (bytes[0], bytes[37], bytes[43]) = (0x13, 0x17, 7);
    bytes
}

/// The layouts say nothing of these limits, which is why the two readers once differed on them.
#[test]
fn limits_that_no_layout_names_are_the_same_for_both_readers() {
    let layout = [Described {
        tag: 0x30,
        level_at: 40,
    }];
    let before_it = [Described {
        tag: 0x30,
        level_at: 37,
    }];
    let slotted = |bytes: &[u8]| read(Votes::Slotted, &layout, bytes);
    let accepted = |bytes: &[u8]| {
        payload::check(bytes);
        assert!(matches!(slotted(bytes), Verdict::Slot(slot) if slot.level == 7));
    };
    let refused = |bytes: &[u8]| {
        payload::check(bytes);
        assert_eq!(slotted(bytes), Verdict::Refused);
    };
    // A header of old is one as soon as its predecessor is whole.
    accepted(&header_of_old(42));
    refused(&header_of_old(41));
    // A vote that an operator described has a payload hash too, and no endless end.
    accepted(&described_vote(32));
    accepted(&described_vote(32 + 512));
    refused(&described_vote(31));
    refused(&described_vote(32 + 513));
    assert_eq!(
        read(Votes::Slotted, &before_it, &described_vote(32)),
        Verdict::Refused
    );
    // Attested slots are a few bytes, not none and not thousands.
    accepted(&attestation_with_slots(1));
    accepted(&attestation_with_slots(512));
    refused(&attestation_with_slots(0));
    refused(&attestation_with_slots(513));
    // A tz5 key takes no part in consensus, whatever the payload.
    let never = read(Votes::Never, &layout, &header_of_old(42));
    assert_eq!(never, Verdict::Refused);
}
