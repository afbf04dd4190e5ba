//! When a signature is of no more use: pure.

use std::time::Duration;

use crate::settings::{Chain, Deadline};
use crate::tezos::{ConsensusKind, Round};

/// No request is held for longer, whatever its round.
const MOST: Duration = Duration::from_secs(30);

/// Blocks have the length of their round, votes two thirds of it, both at most 30 s; a configured limit
/// replaces all that. Round r lasts block-time + r x round-increment.
pub(super) fn consensus(
    kind: ConsensusKind,
    round: Round,
    chain: &Chain,
    settings: &Deadline,
) -> Duration {
    if let Some(fixed) = settings.consensus {
        return fixed;
    }
    let length = chain
        .block_time
        .saturating_add(chain.round_increment.saturating_mul(round.get()));
    let useful = match kind {
        ConsensusKind::Block | ConsensusKind::LegacyBlock => length,
        ConsensusKind::Attestation
        | ConsensusKind::LegacyEndorsement
        | ConsensusKind::Preattestation => {
            length.checked_div(3).unwrap_or_default().saturating_mul(2)
        }
    };
    useful.min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tezos::ChainId;

    fn limit(kind: ConsensusKind, round: u32, fixed: Option<Duration>) -> Duration {
        let chain = Chain {
            id: ChainId::MAINNET,
            block_time: Duration::from_secs(6),
            round_increment: Duration::from_secs(3),
        };
        let settings = Deadline {
            consensus: fixed,
            other: Duration::from_secs(30),
        };
        consensus(kind, Round::new(round).unwrap(), &chain, &settings)
    }

    #[test]
    fn blocks_have_their_round_and_votes_two_thirds_of_it() {
        assert_eq!(limit(ConsensusKind::Block, 0, None), Duration::from_secs(6));
        assert_eq!(
            limit(ConsensusKind::Block, 2, None),
            Duration::from_secs(12)
        );
        assert_eq!(
            limit(ConsensusKind::Attestation, 0, None),
            Duration::from_secs(4)
        );
        assert_eq!(
            limit(ConsensusKind::Preattestation, 1, None),
            Duration::from_secs(6)
        );
    }

    #[test]
    fn high_rounds_are_capped_and_a_fixed_limit_replaces_all() {
        assert_eq!(limit(ConsensusKind::Block, 1_000, None), MOST);
        let fixed = Duration::from_secs(15);
        assert_eq!(limit(ConsensusKind::Block, 0, Some(fixed)), fixed);
    }
}
