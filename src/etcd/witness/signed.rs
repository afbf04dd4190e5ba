//! The last signatures of a stream: a store that forgot one, and nothing else, would have the slot signed again.

use crate::guard::StreamState;
use crate::tezos::{Digest, Position, Signature};

/// So many of each stream: signatures may come in another order than their slots.
const KEPT: usize = 8;

/// A slot with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) position: Position,
    /// Of the payload.
    pub(super) payload: Digest,
    /// The beginning of the signature, which no other signature has.
    pub(super) signature: [u8; 32],
}

impl Signed {
    /// The highest of what is known now, the highest first.
    pub(super) fn highest(state: &StreamState) -> Vec<Self> {
        let rows = state.rows.iter().rev();
        let signed = rows.filter_map(|(position, row)| {
            Some(Self {
                position: *position,
                payload: row.digest,
                signature: beginning(&row.record.as_ref()?.signature),
            })
        });
        signed.take(KEPT).collect()
    }

    /// Whether the store has it still, or was right to drop it.
    pub(super) fn stands(&self, state: &StreamState) -> bool {
        if let Some(row) = state.rows.get(&self.position) {
            let record = row.record.as_ref();
            let signature = record.map(|record| beginning(&record.signature));
            return row.digest == self.payload && signature == Some(self.signature);
        }
        // The lowest rows go first, by level and by number, and one with a signature goes in no other way.
        state.rows.range(..self.position).next().is_none()
    }
}

fn beginning(signature: &Signature) -> [u8; 32] {
    let first = signature.raw().first_chunk::<32>();
    first.copied().unwrap_or_default()
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
    fn the_highest_rows_with_a_signature_are_meant() {
        let state = stream(
            102,
            &[
                (100, row(1, Some(1))),
                (101, row(2, Some(2))),
                (102, row(3, None)),
            ],
        );
        let signed = Signed::highest(&state);
        let positions: Vec<_> = signed.iter().map(|signed| signed.position).collect();
        assert_eq!(positions, [at(101, 0), at(100, 0)]);
        assert_eq!(signed[0].payload, row(2, None).digest);
        assert_eq!(Signed::highest(&stream(102, &[(102, row(3, None))])), []);
        let many: Vec<_> = (1..=20).map(|level| (level, row(1, Some(1)))).collect();
        let positions = Signed::highest(&stream(20, &many));
        assert_eq!((positions.len(), positions[7].position), (8, at(13, 0)));
    }

    #[test]
    fn a_signature_that_is_gone_or_another_is_noticed_and_one_that_was_pruned_is_not_missed() {
        let there = stream(100, &[(100, row(1, Some(1)))]);
        let signed = Signed::highest(&there)[0];
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
