//! The bridge to the program: claims, records and raises are what the program's own [`Book`] makes of them.
//!
//! The answers are kept in lists, because the checker asks the same few thousand questions millions of times.
//! Which signature a row holds does not matter to a decision, only whether it holds one, so it is no part of
//! the question. This is the only file of the model that names types of `signer_proxy::guard`.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use jiff::Timestamp;
use signer_proxy::guard::{
    Answer, Book, Candidate, Change, Raise, Record, Row as ProgramRow, Slot, StoreError, Stream,
    StreamState, Touched,
};
use signer_proxy::tezos::{ChainId, ConsensusKind, Level, Position, Round, Scheme, Signature};

use super::words::{At, Digest, Floor, POSITIONS, Row, Sig, Table};

/// What the program says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Fresh,
    Again,
    Recorded,
    Refused,
}

/// What the program does with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    /// It becomes the signature of its slot.
    First,
    /// Another one stands.
    Second,
    /// Its slot is not claimed for its bytes, or not any more.
    Homeless,
}

/// What a change leaves: the floor, and which rows.
#[derive(Clone, Copy, Debug)]
struct Left {
    floor: Floor,
    rows: [bool; POSITIONS],
}

/// A question about a table: whether rows are pruned, the table, and the bytes that ask.
type Question = (bool, Table, At, Digest);

const FLOORS: usize = POSITIONS + 2;
/// Free, claimed for either digest, signed for either digest.
const ROWS: usize = 5;
const SHAPES: usize = 2 * FLOORS * ROWS * ROWS * ROWS;
/// Two digests at each position.
const ASKERS: usize = POSITIONS * 2;
const HEIGHTS: usize = POSITIONS + 1;

/// Decides on a claim, and gives the table with the claim if it is granted.
pub(crate) fn claim(prunes: bool, table: &Table, at: At, digest: Digest) -> (Decision, Table) {
    static KNOWN: OnceLock<Vec<(Decision, Left)>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| questions().map(ask_to_claim).collect());
    let (decision, left) = known[number(prunes, table, at, digest)];
    let mut after = *table;
    if decision == Decision::Fresh {
        after = keep(table, left);
        after.rows[at.index()] = Row::Claimed(digest);
    }
    (decision, after)
}

/// Decides what becomes of a signature.
pub(crate) fn record(table: &Table, at: At, digest: Digest) -> Recording {
    static KNOWN: OnceLock<Vec<Recording>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| questions().map(ask_to_record).collect());
    known[number(false, table, at, digest)]
}

/// Raises the floor as an operator does, making the stream where there is none.
pub(crate) fn raise(prunes: bool, table: &Table, floor: Floor) -> Table {
    static KNOWN: OnceLock<Vec<Left>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let floors = |shape| (0..HEIGHTS).map(move |floor| (shape, Floor(small(floor))));
        let each = shapes().flat_map(floors);
        each.map(|((prunes, table), floor)| ask_to_raise(prunes, &table, floor))
            .collect()
    });
    keep(
        table,
        known[shape(prunes, table) * HEIGHTS + usize::from(floor.0)],
    )
}

fn keep(table: &Table, left: Left) -> Table {
    let mut after = *table;
    after.floor = Some(left.floor);
    for (row, stays) in after.rows.iter_mut().zip(left.rows) {
        if !stays {
            *row = Row::Free;
        }
    }
    after
}

/// The place of a question among [`questions`].
fn number(prunes: bool, table: &Table, at: At, digest: Digest) -> usize {
    shape(prunes, table) * ASKERS + at.index() * 2 + usize::from(digest.0)
}

fn questions() -> impl Iterator<Item = Question> {
    shapes().flat_map(|(prunes, table)| {
        (0..ASKERS).map(move |asker| {
            (
                prunes,
                table,
                At(small(asker / 2)),
                Digest(small(asker % 2)),
            )
        })
    })
}

/// The place of a table among [`shapes`].
fn shape(prunes: bool, table: &Table) -> usize {
    let floor = table.floor.map_or(0, |floor| usize::from(floor.0) + 1);
    let mut number = usize::from(prunes) * FLOORS + floor;
    for row in table.rows {
        let code = match row {
            Row::Free => 0,
            Row::Claimed(digest) => 1 + usize::from(digest.0),
            Row::Signed(digest, _) => 3 + usize::from(digest.0),
        };
        number = number * ROWS + code;
    }
    number
}

/// All tables that differ for a decision, with near levels and with far ones.
fn shapes() -> impl Iterator<Item = (bool, Table)> {
    (0..SHAPES).map(|number| {
        let mut rest = number;
        let mut table = Table::default();
        for index in (0..POSITIONS).rev() {
            table.rows[index] = match rest % ROWS {
                0 => Row::Free,
                code @ (1 | 2) => Row::Claimed(Digest(small(code - 1))),
                code => Row::Signed(Digest(small(code - 3)), Sig::any(At(small(index)))),
            };
            rest /= ROWS;
        }
        let floor = rest % FLOORS;
        table.floor = floor.checked_sub(1).map(|floor| Floor(small(floor)));
        (rest >= FLOORS, table)
    })
}

fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap()
}

fn ask_to_claim((prunes, table, at, digest): Question) -> (Decision, Left) {
    let mut book = book(prunes, &table);
    let candidate = candidate(prunes, at, digest);
    let answer = book.claim(&candidate, now(), &mut Touched::default());
    let decision = match answer.unwrap() {
        Answer::Permit => Decision::Fresh,
        Answer::InFlight { .. } => Decision::Again,
        Answer::Refused(_) => Decision::Refused,
        Answer::Recorded(record) => {
            assert_eq!(record, of_slot(at), "a signature of another slot");
            Decision::Recorded
        }
    };
    (decision, left(prunes, &book))
}

fn ask_to_record((prunes, table, at, digest): Question) -> Recording {
    let mut book = book(prunes, &table);
    let candidate = candidate(prunes, at, digest);
    let fresh = Record {
        signer: "another".to_owned(),
        ..of_slot(at)
    };
    match book.record(&candidate, fresh.clone(), &mut Touched::default()) {
        Ok(stands) if stands == fresh => {
            let row = &book.streams[&candidate.slot.stream].rows[&candidate.slot.position];
            assert_eq!(row.record, Some(fresh), "not what it says");
            Recording::First
        }
        Ok(stands) => {
            assert_eq!(stands, of_slot(at), "a signature of another slot");
            Recording::Second
        }
        Err(StoreError::Homeless) => Recording::Homeless,
        Err(error) => panic!("{error}"),
    }
}

fn ask_to_raise(prunes: bool, table: &Table, floor: Floor) -> Left {
    let mut book = book(prunes, table);
    let raise = Raise {
        stream: stream(),
        floor: program_floor(prunes, floor),
    };
    book.amend(Change::Raise(raise), now(), &mut Touched::default());
    left(prunes, &book)
}

fn left(prunes: bool, book: &Book) -> Left {
    let all = [At(0), At(1), At(2)].map(|at| program_position(prunes, at));
    // Without a stream nothing is left; nobody looks at it then.
    let Some(state) = book.streams.get(&stream()) else {
        return Left {
            floor: Floor(0),
            rows: [false; POSITIONS],
        };
    };
    let below = all.iter().filter(|position| **position <= state.floor);
    Left {
        floor: Floor(small(below.count())),
        rows: all.map(|position| state.rows.contains_key(&position)),
    }
}

fn book(prunes: bool, table: &Table) -> Book {
    let state = program_state(prunes, table);
    let streams: HashMap<_, _> = state.map(|state| (stream(), state)).into_iter().collect();
    Book {
        streams,
        ..Book::default()
    }
}

fn program_state(prunes: bool, table: &Table) -> Option<StreamState> {
    let mut state = StreamState::with_floor(program_floor(prunes, table.floor?), now());
    for (index, row) in table.rows.iter().enumerate() {
        let at = At(small(index));
        let Some(digest) = row.digest() else {
            continue;
        };
        let asked = candidate(prunes, at, digest);
        let row = ProgramRow {
            digest: asked.digest,
            scheme: asked.scheme,
            claimed_at: now(),
            record: row.sig().map(|_| of_slot(at)),
        };
        state.rows.insert(asked.slot.position, row);
    }
    Some(state)
}

fn candidate(prunes: bool, at: At, digest: Digest) -> Candidate {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&[at.0, digest.0]);
    Candidate {
        slot: Slot {
            stream: stream(),
            position: program_position(prunes, at),
        },
        digest: bytes.into(),
        scheme: Scheme::Standard,
    }
}

fn stream() -> Stream {
    static STREAM: LazyLock<Stream> = LazyLock::new(|| Stream {
        chain: ChainId::MAINNET,
        key: "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb".parse().unwrap(),
        kind: ConsensusKind::Block,
    });
    *STREAM
}

/// The levels are neighbours, or as far apart as pruning needs.
fn program_position(prunes: bool, at: At) -> Position {
    let (level, round) = at.level_and_round();
    let level = if prunes { level * 1_000 } else { level };
    Position::new(Level::new(level).unwrap(), Round::new(round).unwrap())
}

fn program_floor(prunes: bool, floor: Floor) -> Position {
    match floor.0.checked_sub(1) {
        Some(highest) => program_position(prunes, At(highest)),
        None => bottom(),
    }
}

fn bottom() -> Position {
    Position::new(Level::new(0).unwrap(), Round::ZERO)
}

fn of_slot(at: At) -> Record {
    Record {
        signature: Signature::from_raw(vec![at.0; 64]).unwrap(),
        signer: "any".to_owned(),
        at: now(),
    }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

#[test]
fn every_question_has_its_own_place() {
    for (place, (prunes, table, at, digest)) in questions().enumerate() {
        assert_eq!(number(prunes, &table, at, digest), place, "{table:?}");
    }
}
