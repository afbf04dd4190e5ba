//! What it takes to go on with a store of which nobody knows what it has forgotten.

use jiff::Timestamp;

use crate::guard::{Account, Book, Change, Halt, Raise, Stream};
use crate::tezos::{ChainId, ConsensusKind, Level, Position};

use super::Document;

/// The changes by which a store that holds `book` is accepted beside what its `witness` has seen, and the keys that both
/// know, sorted.
///
/// Every watermark on `chain` becomes the highest of both and of `level`, all rounds. Of other chains the level says
/// nothing: their keys are halted. Claims without a signature end, also those at the watermarks as they stand: what became
/// of them is not known. Nothing is lowered.
#[must_use]
pub fn acceptance(
    book: &Book,
    witness: Option<&Document>,
    (chain, level): (ChainId, Level),
    now: Timestamp,
) -> (Vec<Change>, Vec<Account>) {
    let mut changes: Vec<Change> = Vec::new();
    changes.extend(book.streams.iter().map(|(stream, state)| {
        let (stream, floor) = (*stream, state.floor);
        Change::Raise(Raise { stream, floor })
    }));
    let mut accounts: Vec<Account> = book.streams.keys().map(|stream| (*stream).into()).collect();
    for known in witness.iter().flat_map(|witness| &witness.accounts) {
        let account = Account {
            chain: known.chain,
            key: known.key,
        };
        accounts.push(account);
        let Account { chain, key } = account;
        changes.extend(known.watermarks.iter().map(|mark| {
            let kind = mark.kind;
            let floor = mark.position;
            let stream = Stream { chain, key, kind };
            Change::Raise(Raise { stream, floor })
        }));
        if let Some(level) = known.stop_at {
            changes.push(Change::StopAt { account, level });
        }
        if let Some(halted) = &known.halted {
            let halt = Halt::new(halted.at, halted.reason.clone());
            changes.push(Change::Halt { account, halt });
        }
    }
    accounts.sort_unstable();
    accounts.dedup();
    let floor = Position::end_of_level(level);
    for account in &accounts {
        if account.chain == chain {
            changes.extend(ConsensusKind::ALL.map(|kind| {
                let Account { chain, key } = *account;
                let stream = Stream { chain, key, kind };
                Change::Raise(Raise { stream, floor })
            }));
        } else {
            changes.push(Change::Halt {
                account: *account,
                halt: Halt::new(now, of_another_chain(*account, chain)),
            });
        }
    }
    (changes, accounts)
}

/// Why a key is halted by an acceptance that was about `chain`.
fn of_another_chain(Account { chain: own, key }: Account, chain: ChainId) -> String {
    format!(
        "the watermark store was accepted with a level of chain {chain}, which says nothing of {own}; if this store \
         is the right one there too, resume it with `signer-proxy watermark resume --config FILE --key {key} \
         --chain {own} --level LEVEL`, above everything ever signed"
    )
}

#[cfg(test)]
mod tests {
    use crate::fixture::stream;

    use super::*;

    #[test]
    fn the_reason_of_a_halt_names_both_chains_and_the_command() {
        let account = Account::from(stream(ConsensusKind::Block));
        let other = ChainId::from_bytes([1, 2, 3, 4]);
        let words = of_another_chain(account, other);
        assert!(
            words.contains(&format!("a level of chain {other}")),
            "{words}"
        );
        let command = format!("--key {} --chain {} --level", account.key, account.chain);
        assert!(words.contains(&command), "{words}");
    }
}
