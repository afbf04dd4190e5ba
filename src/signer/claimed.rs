//! The highest positions that were claimed for each key since the start: pure.
//!
//! What waits below them is of no more use to a baker. This knows nothing of watermarks: it refuses
//! nothing, it only tells which of those who wait may go first.

use std::collections::BTreeMap;

use crate::tezos::{ChainId, ConsensusKind, Position, PublicKeyHash};

/// Chain and key.
type Account = (ChainId, PublicKeyHash);

/// The highest claimed position of each stream. Grows with the keys alone.
#[derive(Debug, Default)]
pub(super) struct Claimed(BTreeMap<Account, BTreeMap<ConsensusKind, Position>>);

impl Claimed {
    /// Notes a claim; true if it raises anything.
    pub(super) fn note(
        &mut self,
        account: Account,
        kind: ConsensusKind,
        position: Position,
    ) -> bool {
        let kinds = self.0.entry(account).or_default();
        let higher = kinds.get(&kind).is_none_or(|highest| *highest < position);
        if higher {
            kinds.insert(kind, position);
        }
        higher
    }

    /// A claim that makes `position` useless: one of the same kind further on, or one of any kind at a
    /// higher level.
    pub(super) fn above(
        &self,
        account: Account,
        kind: ConsensusKind,
        position: Position,
    ) -> Option<(ConsensusKind, Position)> {
        let kinds = self.0.get(&account)?;
        let above = kinds.iter().find(|(other, highest)| {
            highest.level > position.level || (**other == kind && **highest > position)
        });
        above.map(|(kind, position)| (*kind, *position))
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{at, key};

    use super::*;

    #[test]
    fn the_same_kind_further_on_or_any_kind_at_a_higher_level_makes_it_useless() {
        use ConsensusKind::{Attestation, Block, Preattestation};
        let account = (ChainId::MAINNET, key());
        let mut claimed = Claimed::default();
        assert_eq!(claimed.above(account, Attestation, at(1, 0)), None);
        assert!(claimed.note(account, Attestation, at(5, 1)));
        assert!(!claimed.note(account, Attestation, at(5, 0)));
        for (kind, position, useless) in [
            (Attestation, at(5, 0), true),
            (Attestation, at(5, 1), false),
            (Attestation, at(5, 2), false),
            (Attestation, at(4, 9), true),
            (Preattestation, at(5, 0), false),
            (Block, at(4, 9), true),
            (Block, at(6, 0), false),
        ] {
            let above = claimed.above(account, kind, position);
            let expected = useless.then_some((Attestation, at(5, 1)));
            assert_eq!(above, expected, "{kind:?} {position}");
        }
        let other = (ChainId::from_bytes([1, 2, 3, 4]), key());
        assert_eq!(claimed.above(other, Attestation, at(1, 0)), None);
    }
}
