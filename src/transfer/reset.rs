//! The contents of the store that replaces another: the one place where a watermark can become lower.

use jiff::Timestamp;

use crate::guard::{Account, Book, Stream, StreamState};
use crate::tezos::{ConsensusKind, Level, Position};

/// What `book` becomes when `accounts` begin anew above `level`.
///
/// They have that watermark for all kinds, no stop, no halt, and no claims or signatures: what was claimed above
/// the level may be signed again with other bytes, which is why an operator must take this on himself. Every
/// other key keeps all it has. A seal does not stay, but for the other keys its meaning does: they stop at level 0.
#[must_use]
pub fn begin_anew(book: &Book, accounts: &[Account], level: Level, now: Timestamp) -> Book {
    let is_kept = |account: &Account| !accounts.contains(account);
    let kept = book
        .streams
        .iter()
        .filter(|(stream, _)| is_kept(&Account::from(**stream)));
    let mut anew = Book {
        streams: kept
            .map(|(stream, state)| (*stream, state.clone()))
            .collect(),
        accounts: book.accounts.clone(),
        sealed: None,
    };
    anew.accounts.retain(|account, _| is_kept(account));
    if let (Some(_), Some(zero)) = (book.sealed, Level::new(0)) {
        let others: Vec<Account> = anew.streams.keys().copied().map(Account::from).collect();
        for account in others {
            anew.accounts.entry(account).or_default().stop_at = Some(zero);
        }
    }
    for account in accounts {
        for kind in ConsensusKind::ALL {
            let stream = Stream {
                chain: account.chain,
                key: account.key,
                kind,
            };
            let floor = StreamState::with_floor(Position::end_of_level(level), now);
            anew.streams.insert(stream, floor);
        }
    }
    anew
}

#[cfg(test)]
mod tests {
    use crate::fixture::{ask, at, key, raise, record, second, stream};
    use crate::guard::{Answer, Change, Halt, Touched};
    use crate::tezos::ChainId;

    use super::*;

    const KIND: ConsensusKind = ConsensusKind::Attestation;

    fn other_chain() -> ChainId {
        ChainId::from_bytes([1; 4])
    }

    /// A key with everything there can be about it, and the same key on another chain.
    fn book() -> Book {
        let mut book = Book::default();
        let account = Account::from(stream(KIND));
        let mut elsewhere = raise(KIND, at(500, 0));
        elsewhere.stream.chain = other_chain();
        let mut touched = Touched::default();
        for change in [
            Change::Raise(raise(KIND, at(1_000, 0))),
            Change::Raise(elsewhere),
        ] {
            book.amend(change, second(1), &mut touched);
        }
        for (candidate, signed) in [(ask(at(1_001, 0), 1), true), (ask(at(1_002, 0), 1), false)] {
            let answer = book.claim(&candidate, second(2), &mut touched);
            assert_eq!(answer, Ok(Answer::Permit));
            if signed {
                book.record(&candidate, record(7), &mut touched).unwrap();
            }
        }
        let halt = Halt::new(second(3), "other bytes".to_owned());
        let stop = at(1_010, 0).level;
        for change in [
            Change::Halt { account, halt },
            Change::StopAt {
                account,
                level: stop,
            },
        ] {
            book.amend(change, second(3), &mut touched);
        }
        book
    }

    fn claim(
        book: &mut Book,
        level: u32,
        chain: ChainId,
    ) -> Result<Answer, crate::guard::StoreError> {
        let mut candidate = ask(at(level, 0), 9);
        candidate.slot.stream.chain = chain;
        book.claim(&candidate, second(5), &mut Touched::default())
    }

    #[test]
    fn a_key_begins_anew_above_its_level_and_the_others_keep_all_they_have() {
        let account = Account::from(stream(KIND));
        let before = book();
        let mut anew = begin_anew(&before, &[account], at(900, 0).level, second(4));
        let floors = ConsensusKind::ALL.map(|kind| {
            let state = &anew.streams[&stream(kind)];
            assert!(state.rows.is_empty());
            (state.floor, state.floor_at)
        });
        assert_eq!(floors, [(at(900, 1000), second(4)); 5]);
        assert!(anew.accounts.is_empty());
        let mut elsewhere = stream(KIND);
        elsewhere.chain = other_chain();
        assert_eq!(anew.streams[&elsewhere], before.streams[&elsewhere]);
        assert_eq!(anew.streams.len(), 6);
        assert!(matches!(
            claim(&mut anew, 900, ChainId::MAINNET),
            Ok(Answer::Refused(_))
        ));
        assert_eq!(claim(&mut anew, 901, ChainId::MAINNET), Ok(Answer::Permit));
    }

    #[test]
    fn a_seal_goes_for_the_key_and_stays_for_every_other() {
        let mut before = book();
        before.amend(Change::Seal, second(3), &mut Touched::default());
        let account = Account {
            chain: ChainId::MAINNET,
            key: key(),
        };
        let mut anew = begin_anew(&before, &[account], at(2_000, 0).level, second(4));
        assert_eq!(anew.sealed, None);
        assert_eq!(
            claim(&mut anew, 2_001, ChainId::MAINNET),
            Ok(Answer::Permit)
        );
        let Ok(Answer::Refused(refusal)) = claim(&mut anew, 501, other_chain()) else {
            panic!("not refused")
        };
        assert_eq!(refusal.reason(), "stopped");
    }

    #[test]
    fn keys_that_the_store_did_not_know_begin_too() {
        let account = Account::from(stream(KIND));
        let anew = begin_anew(&Book::default(), &[account], at(7, 0).level, second(4));
        assert_eq!(anew.streams.len(), 5);
    }
}
