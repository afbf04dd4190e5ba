//! The last signature of a stream: a store that forgot it, and nothing else, would have the slot signed again.

use crate::guard::StreamState;
use crate::tezos::{Digest, Position, digest};

/// The highest slot of a stream with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) position: Position,
    /// Of the payload.
    pub(super) payload: Digest,
    /// Of the signature.
    pub(super) signature: Digest,
}

impl Signed {
    /// That of what is known now.
    pub(super) fn highest(state: &StreamState) -> Option<Self> {
        let rows = state.rows.iter().rev();
        let mut signed = rows.filter_map(|(position, row)| {
            let record = row.record.as_ref()?;
            Some(Self {
                position: *position,
                payload: row.digest,
                signature: digest(record.signature.raw()),
            })
        });
        signed.next()
    }

    /// Whether the store has it still, or was right to drop it.
    pub(super) fn stands(&self, state: &StreamState) -> bool {
        if let Some(row) = state.rows.get(&self.position) {
            let record = row.record.as_ref();
            let signature = record.map(|record| digest(record.signature.raw()));
            return row.digest == self.payload && signature == Some(self.signature);
        }
        // The lowest rows go first, by level and by number, and one with a signature goes in no other way.
        state.rows.range(..self.position).next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{ask, at, record, second};
    use crate::guard::Row;

    use super::*;

    fn row(payload: u8, signature: Option<u8>) -> Row {
        let candidate = ask(at(100, 0), payload);
        Row {
            digest: candidate.digest,
            scheme: candidate.scheme,
            claimed_at: second(1),
            record: signature.map(record),
        }
    }

    /// A stream at `floor` with rows at these levels.
    fn stream(floor: u32, rows: &[(u32, Row)]) -> StreamState {
        let mut state = StreamState::with_floor(at(floor, 0), second(1));
        let rows = rows.iter().map(|(level, row)| (at(*level, 0), row.clone()));
        state.rows.extend(rows);
        state
    }

    #[test]
    fn the_highest_row_with_a_signature_is_meant() {
        let state = stream(
            102,
            &[
                (100, row(1, Some(1))),
                (101, row(2, Some(2))),
                (102, row(3, None)),
            ],
        );
        let signed = Signed::highest(&state).unwrap();
        assert_eq!(signed.position, at(101, 0));
        assert_eq!(signed.payload, row(2, None).digest);
        assert_eq!(Signed::highest(&stream(102, &[(102, row(3, None))])), None);
    }

    #[test]
    fn a_signature_that_is_gone_or_another_is_noticed_and_one_that_was_pruned_is_not_missed() {
        let there = stream(100, &[(100, row(1, Some(1)))]);
        let signed = Signed::highest(&there).unwrap();
        assert!(signed.stands(&there));
        for gone in [
            stream(100, &[(100, row(1, None))]),
            stream(100, &[(100, row(1, Some(2)))]),
            stream(100, &[(100, row(2, Some(1)))]),
            stream(150, &[(99, row(5, Some(5))), (150, row(6, None))]),
        ] {
            assert!(!signed.stands(&gone), "{gone:?}");
        }
        // Pruned by level or by number, even if what was above it has ended since.
        assert!(signed.stands(&stream(165, &[])));
        assert!(signed.stands(&stream(104, &[(103, row(5, None))])));
        assert!(signed.stands(&stream(104, &[])));
    }
}
