//! The bridge to the program: claims, records and raises are what the program's own [`Book`] makes of them.
//!
//! The answers are kept in lists, because the checker asks the same few thousand questions millions of times.
//! Which signature a row holds does not matter to a decision, only whether it holds one, so it is no part of
//! the question. This is the only file of the model that names types of `signer_proxy::guard`.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use jiff::Timestamp;
use signer_proxy::guard::{
    AccountState, Answer, Book, Candidate, Change, Halt, Raise, Record, Refusal, Row as ProgramRow,
    Slot, StoreError, Stream, StreamState, Touched,
};
use signer_proxy::tezos::{ChainId, ConsensusKind, Level, Position, Round, Scheme, Signature};

use super::words::{Account, At, Digest, Floor, POSITIONS, Row, Sig, Table};

/// What the program says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Fresh,
    Again,
    Recorded,
    Refused,
    /// The key is halted or stopped, or the store sealed: not now, perhaps never.
    Withheld,
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
    /// The key was halted or stopped meanwhile.
    Withheld,
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
/// What stands about the key and the store as a whole.
const ENDS: usize = 3 * 2;
const SHAPES: usize = ENDS * 2 * FLOORS * ROWS * ROWS * ROWS;
/// Two digests at each position.
const ASKERS: usize = POSITIONS * 2;
const HEIGHTS: usize = POSITIONS + 1;

/// Decides on a claim, and gives the table with the claim if it is granted.
pub(crate) fn claim(prunes: bool, table: &Table, at: At, digest: Digest) -> (Decision, Table) {
    static KNOWN: LazyLock<Vec<OnceLock<(Decision, Left)>>> = LazyLock::new(|| unasked(ASKERS));
    let known = &KNOWN[number(prunes, table, at, digest)];
    let (decision, left) = *known.get_or_init(|| ask_to_claim((prunes, *table, at, digest)));
    let mut after = *table;
    if decision == Decision::Fresh {
        after = keep(table, left);
        after.rows[at.index()] = Row::Claimed(digest);
    }
    (decision, after)
}

/// Decides what becomes of a signature.
pub(crate) fn record(table: &Table, at: At, digest: Digest) -> Recording {
    static KNOWN: LazyLock<Vec<OnceLock<Recording>>> = LazyLock::new(|| unasked(ASKERS));
    let known = &KNOWN[number(false, table, at, digest)];
    *known.get_or_init(|| ask_to_record((false, *table, at, digest)))
}

/// Raises the floor as an operator does, making the stream where there is none.
pub(crate) fn raise(prunes: bool, table: &Table, floor: Floor) -> Table {
    static KNOWN: LazyLock<Vec<OnceLock<Left>>> = LazyLock::new(|| unasked(HEIGHTS));
    let known = &KNOWN[shape(prunes, table) * HEIGHTS + usize::from(floor.0)];
    keep(
        table,
        *known.get_or_init(|| ask_to_raise(prunes, table, floor)),
    )
}

/// Room for the answers to so many questions about each table.
fn unasked<T>(each: usize) -> Vec<OnceLock<T>> {
    (0..SHAPES * each).map(|_| OnceLock::new()).collect()
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
    let ends = table.account as usize * 2 + usize::from(table.sealed);
    let mut number = (ends * 2 + usize::from(prunes)) * FLOORS + floor;
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
        rest /= FLOORS;
        let prunes = rest % 2 == 1;
        let ends = rest / 2;
        table.account = [Account::Free, Account::Halted, Account::Stopped][ends / 2];
        table.sealed = ends % 2 == 1;
        (prunes, table)
    })
}

fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap()
}

fn ask_to_claim((prunes, table, at, digest): Question) -> (Decision, Left) {
    let mut book = book(prunes, &table);
    let candidate = candidate(prunes, at, digest);
    let answer = book.claim(&candidate, now(), &mut Touched::default());
    let decision = match answer {
        Ok(Answer::Permit) => Decision::Fresh,
        Ok(Answer::InFlight { .. }) => Decision::Again,
        Ok(Answer::Refused(Refusal::Halted { .. } | Refusal::Stopped { .. })) => Decision::Withheld,
        Ok(Answer::Refused(_)) => Decision::Refused,
        Err(error) => {
            assert!(table.sealed, "{error}");
            Decision::Withheld
        }
        Ok(Answer::Recorded(record)) => {
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
        Err(StoreError::Withheld(_)) => Recording::Withheld,
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
    let account = AccountState {
        stop_at: (table.account == Account::Stopped).then_some(bottom().level),
        halt: (table.account == Account::Halted).then(|| Halt::new(now(), "why".to_owned())),
    };
    Book {
        streams,
        accounts: [(stream().into(), account)].into_iter().collect(),
        sealed: table.sealed.then(now),
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
