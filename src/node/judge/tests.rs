//! What is evidence, at every edge: floors, rounds, kinds, chains, stops and halts.

use crate::fixture::{at, key, second, secret};
use crate::guard::Halt;
use crate::tezos::Curve;

use super::ConsensusKind::{Attestation, Block, LegacyBlock, Preattestation};
use super::*;

fn report(kind: ConsensusKind, floor: Position) -> StreamReport {
    StreamReport {
        stream: Stream {
            chain: ChainId::MAINNET,
            key: key(),
            kind,
        },
        floor,
        floor_at: second(1_000),
        last_signed: None,
    }
}

/// Blocks up to (80, 1), preattestations up to (100, 0), attestations up to (100, 2).
fn reports() -> [StreamReport; 3] {
    [
        report(Attestation, at(100, 2)),
        report(Block, at(80, 1)),
        report(Preattestation, at(100, 0)),
    ]
}

fn floors_with(state: &AccountState) -> Floors {
    Floors::of(ChainId::MAINNET, &reports(), |_| state.clone())
}

fn floors() -> Floors {
    floors_with(&AccountState::default())
}

fn seen(kind: ConsensusKind, position: Position) -> Seen {
    Seen {
        key: key(),
        delegate: "tz1delegate".to_owned(),
        kind,
        position,
        block: "BLock".to_owned(),
    }
}

fn is_evidence(floors: &Floors, kind: ConsensusKind, position: Position) -> bool {
    !floors.judge(vec![seen(kind, position)]).is_empty()
}

#[test]
fn only_what_lies_above_the_floor_of_its_own_kind_is_evidence() {
    for (kind, position, expected) in [
        (Attestation, at(100, 3), true),
        (Attestation, at(101, 0), true),
        (Attestation, at(100, 2), false),
        (Attestation, at(100, 1), false),
        (Attestation, at(99, 900), false),
        (Preattestation, at(100, 1), true),
        (Preattestation, at(100, 0), false),
        (Block, at(80, 2), true),
        (Block, at(81, 0), true),
        (Block, at(80, 1), false),
        // Nothing is signed for a stream without a floor.
        (LegacyBlock, at(500, 0), false),
    ] {
        assert_eq!(
            is_evidence(&floors(), kind, position),
            expected,
            "{kind} {position}"
        );
    }
}

#[test]
fn a_key_of_nobody_here_or_of_another_chain_is_no_evidence() {
    let foreign = Seen {
        key: secret(Curve::Ed25519, 9).public_key().hash(),
        ..seen(Attestation, at(500, 0))
    };
    assert!(floors().judge(vec![foreign]).is_empty());
    let elsewhere = ChainId::from_bytes([1; 4]);
    let floors = Floors::of(elsewhere, &reports(), |_| AccountState::default());
    assert!(floors.sought().is_empty());
    assert!(!is_evidence(&floors, Attestation, at(500, 0)));
}

#[test]
fn a_whole_level_that_is_barred_is_barred_for_rounds_beyond_what_is_signed() {
    let barred = [report(
        Attestation,
        Position::end_of_level(at(100, 0).level),
    )];
    let floors = Floors::of(ChainId::MAINNET, &barred, |_| AccountState::default());
    assert!(!is_evidence(&floors, Attestation, at(100, 1000)));
    assert!(is_evidence(&floors, Attestation, at(101, 0)));
}

#[test]
fn what_is_signed_elsewhere_above_a_stop_was_planned() {
    let stop_at = Some(at(105, 0).level);
    let floors = floors_with(&AccountState {
        stop_at,
        halt: None,
    });
    assert!(is_evidence(&floors, Attestation, at(105, 0)));
    assert!(!is_evidence(&floors, Attestation, at(106, 0)));
}

#[test]
fn a_halted_key_is_looked_for_as_one_that_is_halted() {
    let halt = Some(Halt::new(second(1_000), "why".to_owned()));
    let halted = floors_with(&AccountState {
        stop_at: None,
        halt,
    });
    for (floors, is_halted) in [(floors(), false), (halted, true)] {
        let sought: Vec<_> = floors.sought().iter().map(|one| one.halted).collect();
        assert_eq!(sought, [is_halted]);
        let findings = floors.judge(vec![seen(Attestation, at(500, 0))]);
        assert_eq!(findings[0].halted, is_halted);
    }
}

#[test]
fn of_several_the_highest_of_each_key_is_told_and_the_highest_of_each_kind_kept() {
    let floors = floors();
    let findings = floors.judge(vec![
        seen(Attestation, at(101, 0)),
        seen(Attestation, at(102, 1)),
        seen(Attestation, at(102, 0)),
        seen(Block, at(103, 1)),
        seen(Preattestation, at(90, 0)),
    ]);
    let [finding] = &findings[..] else {
        panic!("{findings:?}")
    };
    assert_eq!(finding.seen, seen(Block, at(103, 1)));
    assert_eq!(finding.floor, at(80, 1));
    let signed = [(Block, at(103, 1)), (Attestation, at(102, 1))].into();
    assert_eq!(finding.signed, signed);
    let raise = |kind, floor| {
        let stream = Stream {
            chain: ChainId::MAINNET,
            key: key(),
            kind,
        };
        Change::Raise(Raise { stream, floor })
    };
    let mut expected: Vec<_> = signed
        .into_iter()
        .map(|(kind, floor)| raise(kind, floor))
        .collect();
    assert_eq!(floors.raises(key(), &finding.signed), expected);
    // What has no watermark signs nothing, and gets none by this.
    let more = [(LegacyBlock, at(103, 1)), (Block, at(103, 1))].into();
    expected.retain(|change| *change == raise(Block, at(103, 1)));
    assert_eq!(floors.raises(key(), &more), expected);
    let stranger = secret(Curve::Bls, 1).public_key().hash();
    assert_eq!(floors.raises(stranger, &more), []);
}

#[test]
fn only_what_can_be_evidence_is_read() {
    for (level, baker, votes) in [
        (101, true, true),
        (100, true, true),
        (99, true, false),
        (80, true, false),
        (79, false, false),
    ] {
        let wanted = floors().wanted(at(level, 0).level);
        assert_eq!(wanted, Wanted { baker, votes }, "{level}");
    }
}

#[test]
fn the_sentence_names_what_was_seen_what_it_means_and_the_command_that_accepts_it() {
    let findings = floors().judge(vec![seen(Attestation, at(101, 1))]);
    let resume = Resume {
        config: "proxy.toml",
        chain: ChainId::MAINNET,
        head: at(102, 0).level,
    };
    let sentence = findings[0].sentence(resume);
    let companion = secret(Curve::Bls, 1).public_key().hash();
    let second = findings[0].companion_sentence(companion, resume);
    for (sentence, key) in [(&sentence, key()), (&second, companion)] {
        let command = format!(
            "signer-proxy watermark resume --config proxy.toml --key {key} --chain NetXdQprcVkpaWU --level \
             112"
        );
        assert!(sentence.ends_with(&command), "{sentence}");
        for part in ["attestation", "level 101 round 1", "block BLock"] {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        assert!(sentence.len() <= Halt::REASON_MAX);
    }
    assert!(sentence.contains("above level 100 round 2"), "{sentence}");
    assert!(second.contains(&key().to_string()), "{second}");
}
