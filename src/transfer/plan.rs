//! The merge: what a source would change in a store. It takes the maximum of everything it is told.
//!
//! Invariants: no step lowers a watermark; of every account that is taken over each kind gets a watermark, at the
//! level at least that the other side never signs above.

mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::guard::{Account, Change, Halt, Raise, Stream};
use crate::tezos::{ChainId, ConsensusKind, Level, Position, PublicKeyHash};

use super::source::{Source, SourceAccount};
pub use text::words;

/// What a store holds already.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// The floors.
    pub floors: BTreeMap<Stream, Position>,
    /// Keys that are halted.
    pub halted: Vec<Account>,
}

/// What the operator asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// The operator's word: the other side signs nothing above this level.
    pub stopped_at: Option<Level>,
    /// Take over this key only.
    pub key: Option<PublicKeyHash>,
    /// Take over this chain only.
    pub chain: Option<ChainId>,
}

/// What becomes of one watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stream.
    pub stream: Stream,
    /// What the store holds.
    pub from: Option<Position>,
    /// What the source asks for.
    pub to: Position,
}

impl Step {
    /// Whether the store has to change.
    #[must_use]
    pub fn rises(&self) -> bool {
        self.from.is_none_or(|from| from < self.to)
    }
}

/// What an import would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Every watermark that the source speaks of, sorted.
    pub steps: Vec<Step>,
    /// Keys that were halted at the source and are not halted here.
    pub halts: Vec<(Account, Halt)>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The source has nothing, or nothing that was asked for.
    #[error("{what} has no watermarks{wanted}; it has {has}")]
    Nothing {
        /// The source.
        what: String,
        /// The filter, as ` of ... on ...`.
        wanted: String,
        /// What it has.
        has: String,
    },
    /// A level belongs to one chain.
    #[error(
        "a level of --stopped-at belongs to one chain, and {what} has {chains}; import one chain at a time \
         with --chain"
    )]
    SeveralChains {
        /// The source.
        what: String,
        /// The chains.
        chains: String,
    },
    /// The source may still be signing, and nobody says up to where.
    #[error(
        "{what} may still sign with {} on {}: seal it (`signer-proxy watermark export --seal` on the side that \
         gives the key away), or stop it and say with --stopped-at LEVEL above which level it signs nothing",
        .account.key, .account.chain
    )]
    Unsealed {
        /// The source.
        what: String,
        /// The account.
        account: Account,
    },
    /// The operator's word is wrong.
    #[error(
        "--stopped-at {said} cannot be: {what} holds a {} of {} at {position}; give the level that it really \
         never signs above",
        .stream.kind, .stream.key
    )]
    Contradicted {
        /// The source.
        what: String,
        /// What was said.
        said: Level,
        /// What stands above it.
        stream: Stream,
        /// Where.
        position: Position,
    },
}

impl Plan {
    /// What importing `source` into a store that holds `present` would change.
    ///
    /// # Errors
    /// [`PlanError`]
    pub fn make(present: &Present, source: &Source, request: &Request) -> Result<Self, PlanError> {
        let accounts = chosen(source, request)?;
        let mut steps = Vec::new();
        let mut halts = Vec::new();
        for account in accounts {
            for (kind, to) in targets(source, account, request)? {
                let stream = Stream {
                    chain: account.chain,
                    key: account.key,
                    kind,
                };
                let from = present.floors.get(&stream).copied();
                steps.push(Step { stream, from, to });
            }
            if let Some(halted) = &account.halted
                && !present.halted.contains(&account.account())
            {
                let halt = Halt::new(halted.at, halted.reason.clone());
                halts.push((account.account(), halt));
            }
        }
        steps.sort_by_key(|step| step.stream);
        Ok(Self { steps, halts })
    }

    /// The changes of a store that carry it out, all or none.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        // Also where the floor stays: claims without a signature at or below what the other side may have
        // signed end by it, and would be asked for again otherwise.
        let raises = self.steps.iter().map(|step| {
            Change::Raise(Raise {
                stream: step.stream,
                floor: step.to,
            })
        });
        let halts = self.halts.iter().map(|(account, halt)| Change::Halt {
            account: *account,
            halt: halt.clone(),
        });
        raises.chain(halts).collect()
    }
}

fn chosen<'s>(source: &'s Source, request: &Request) -> Result<Vec<&'s SourceAccount>, PlanError> {
    let accounts: Vec<_> = source
        .accounts
        .iter()
        .filter(|account| request.key.is_none_or(|key| key == account.key))
        .filter(|account| request.chain.is_none_or(|chain| chain == account.chain))
        .collect();
    if accounts.is_empty() {
        let key = request.key.map(|key| format!(" of {key}"));
        let chain = request.chain.map(|chain| format!(" on {chain}"));
        let has = listed(
            source
                .accounts
                .iter()
                .map(|one| format!("{} on {}", one.key, one.chain)),
        );
        return Err(PlanError::Nothing {
            what: source.what.clone(),
            wanted: format!("{}{}", key.unwrap_or_default(), chain.unwrap_or_default()),
            has,
        });
    }
    let mut chains: Vec<_> = accounts.iter().map(|account| account.chain).collect();
    chains.sort_unstable();
    chains.dedup();
    if request.stopped_at.is_some() && chains.len() > 1 {
        return Err(PlanError::SeveralChains {
            what: source.what.clone(),
            chains: listed(chains.iter().map(ToString::to_string)),
        });
    }
    Ok(accounts)
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

/// The watermarks that `account` of `source` asks for.
fn targets(
    source: &Source,
    account: &SourceAccount,
    request: &Request,
) -> Result<Vec<(ConsensusKind, Position)>, PlanError> {
    let bound = last_level(source, account, request)?.map(Position::end_of_level);
    // A kind without a mark is not one that was never signed: octez-signer of version 23 began with empty files for
    // votes, and files get lost one by one. What the key signed of one kind it may have signed of every other, in
    // any round of that level.
    let highest = account.marks.values().max();
    let unknown = highest.map(|highest| Position::end_of_level(highest.level));
    Ok(ConsensusKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let mark = account.marks.get(&kind).copied().or(unknown);
            Some((kind, mark.max(bound)?))
        })
        .collect())
}

/// The level above which the source signs nothing; absent if its marks say all, because it is sealed.
fn last_level(
    source: &Source,
    account: &SourceAccount,
    request: &Request,
) -> Result<Option<Level>, PlanError> {
    if source.sealed.is_some() {
        return Ok(request.stopped_at);
    }
    // A stop of the source's own is a promise that it keeps by itself; an operator's word does not weaken it.
    if let Some(stop) = account.stop_at {
        return Ok(Some(request.stopped_at.map_or(stop, |said| said.max(stop))));
    }
    let said = request.stopped_at.ok_or_else(|| PlanError::Unsealed {
        what: source.what.clone(),
        account: account.account(),
    })?;
    let above = account
        .marks
        .iter()
        .find(|(_, position)| position.level > said);
    if let Some((kind, position)) = above {
        return Err(PlanError::Contradicted {
            what: source.what.clone(),
            said,
            stream: Stream {
                chain: account.chain,
                key: account.key,
                kind: *kind,
            },
            position: *position,
        });
    }
    Ok(Some(said))
}

#[cfg(test)]
mod tests;
