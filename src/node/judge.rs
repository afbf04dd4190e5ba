//! Whether what the chain shows can have been signed through this store: pure.
//!
//! A claim is durable before its bytes leave, so whatever was signed here lies at or below the present floor of
//! its stream, also what was signed a moment ago. A position above the floor was signed by somebody else, or by
//! this proxy with a store that has been lost since. What lies at or below the floor says nothing and can do
//! no harm: other bytes never get it. So the floors must be read after the block was, and from the store itself where
//! memory of it may be old.
//!
//! Keys that are halted are looked at all the same: what is found raises their floors, so that whoever resumes
//! them does not open again what is known to be signed.

use std::collections::BTreeMap;

use crate::guard::{Account, AccountState, Change, Raise, Stream, StreamReport};
use crate::tezos::{ChainId, ConsensusKind, Level, Position, PublicKeyHash};

use super::block::Seen;

/// Levels that are added to what the chain shows: covers what may have been signed and is not in a block yet.
pub(super) const MARGIN: u32 = 10;

/// What a store holds of the keys of one chain, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Floors {
    chain: ChainId,
    keys: BTreeMap<PublicKeyHash, Key>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Key {
    floors: BTreeMap<ConsensusKind, Position>,
    /// Above it somebody else signs, as planned.
    stop_at: Option<Level>,
    halted: bool,
}

/// A key that is looked for, as it stood when it was: one that was resumed since is looked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sought {
    /// The key.
    pub(super) account: Account,
    /// Whether it was halted.
    pub(super) halted: bool,
}

/// What of a block can be evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Who signed it.
    pub(super) baker: bool,
    /// Who signed the votes in it.
    pub(super) votes: bool,
}

/// Signatures with one key that did not come from this store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The highest of them.
    pub(super) seen: Seen,
    /// The floor of its stream.
    pub(super) floor: Position,
    /// The highest of each kind.
    pub(super) signed: BTreeMap<ConsensusKind, Position>,
    /// Whether the key is halted already.
    pub(super) halted: bool,
}

/// What takes a halt back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resume<'a> {
    /// The configuration file, as the operator names it.
    pub(super) config: &'a str,
    /// The chain.
    pub(super) chain: ChainId,
    /// The highest level that the chain has.
    pub(super) head: Level,
}

impl Floors {
    /// What `streams` and `state_of` say of the keys on `chain`.
    pub(super) fn of(
        chain: ChainId,
        streams: &[StreamReport],
        state_of: impl Fn(Account) -> AccountState,
    ) -> Self {
        let mut keys: BTreeMap<PublicKeyHash, Key> = BTreeMap::new();
        for report in streams.iter().filter(|report| report.stream.chain == chain) {
            let state = state_of(report.stream.into());
            let key = keys.entry(report.stream.key).or_default();
            key.stop_at = state.stop_at;
            key.halted = state.halt.is_some();
            key.floors.insert(report.stream.kind, report.floor);
        }
        Self { chain, keys }
    }

    /// The keys of which signatures are looked for, on this chain.
    pub(super) fn sought(&self) -> Vec<Sought> {
        let keys = self.keys.iter();
        keys.map(|(key, state)| Sought {
            account: self.account(*key),
            halted: state.halted,
        })
        .collect()
    }

    /// The same keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = PublicKeyHash> {
        self.keys.keys().copied()
    }

    /// What to read of a block of `level`; once nothing, then nothing of lower ones either.
    pub(super) fn wanted(&self, level: Level) -> Wanted {
        let end = Position::end_of_level(level);
        let open = |kind: ConsensusKind| {
            let mut floors = self.keys.values().filter_map(|key| key.floors.get(&kind));
            floors.any(|floor| *floor < end)
        };
        Wanted {
            baker: open(ConsensusKind::Block),
            votes: open(ConsensusKind::Attestation) || open(ConsensusKind::Preattestation),
        }
    }

    /// What lies above the floor of its stream, one finding for each key.
    pub(super) fn judge(&self, seen: Vec<Seen>) -> Vec<Finding> {
        let mut findings: BTreeMap<PublicKeyHash, Finding> = BTreeMap::new();
        for seen in seen {
            let Some(floor) = self.floor_below(&seen) else {
                continue;
            };
            let found = findings.entry(seen.key).or_insert_with(|| Finding {
                seen: seen.clone(),
                floor,
                signed: BTreeMap::new(),
                halted: self.is_halted(seen.key),
            });
            let highest = found.signed.entry(seen.kind).or_insert(seen.position);
            *highest = seen.position.max(*highest);
            if found.seen.position < seen.position {
                (found.seen, found.floor) = (seen, floor);
            }
        }
        findings.into_values().collect()
    }

    /// Raises of the watermarks of `key` to what was `signed` with it, or with the key beside it. A kind for
    /// which it has none gets none: that would let it sign.
    pub(super) fn raises(
        &self,
        key: PublicKeyHash,
        signed: &BTreeMap<ConsensusKind, Position>,
    ) -> Vec<Change> {
        let known = self.keys.get(&key);
        let has = |kind| known.is_some_and(|known| known.floors.contains_key(&kind));
        let chain = self.chain;
        signed
            .iter()
            .filter(|(kind, _)| has(**kind))
            .map(|(kind, floor)| {
                let (kind, floor) = (*kind, *floor);
                let stream = Stream { chain, key, kind };
                Change::Raise(Raise { stream, floor })
            })
            .collect()
    }

    /// Whether `key` was halted then.
    pub(super) fn is_halted(&self, key: PublicKeyHash) -> bool {
        self.keys.get(&key).is_some_and(|known| known.halted)
    }

    /// The floor of the stream of `seen`, if `seen` lies above it and not above the stop of its key.
    fn floor_below(&self, seen: &Seen) -> Option<Position> {
        let key = self.keys.get(&seen.key)?;
        let floor = *key.floors.get(&seen.kind)?;
        let planned = key.stop_at.is_some_and(|stop| seen.position.level > stop);
        (seen.position > floor && !planned).then_some(floor)
    }

    /// The key on this chain.
    pub(super) fn account(&self, key: PublicKeyHash) -> Account {
        Account {
            chain: self.chain,
            key,
        }
    }
}

impl Finding {
    /// What was found, what it means and what to do, in one sentence.
    pub(super) fn sentence(&self, resume: Resume<'_>) -> String {
        let Self { seen, floor, .. } = self;
        format!(
            "block {} of the chain shows the {} of {} at {}, above {floor}, the highest that this store \
             knows: the store is older than the signature (restored from a backup), or somebody else signs \
             with the key; when nobody else does, accept it: {}",
            seen.block,
            seen.kind,
            seen.key,
            seen.position,
            resume.command(seen.key)
        )
    }

    /// The same for `companion`, which signs what the halted key signs.
    pub(super) fn companion_sentence(
        &self,
        companion: PublicKeyHash,
        resume: Resume<'_>,
    ) -> String {
        let Seen { key, delegate, .. } = &self.seen;
        format!(
            "it is the companion key of {delegate}, whose consensus key {key} was halted because the chain \
             shows its {} at {} in block {}; when nobody else signs with them, accept it: {}",
            self.seen.kind,
            self.seen.position,
            self.seen.block,
            resume.command(companion)
        )
    }
}

impl Resume<'_> {
    fn command(&self, key: PublicKeyHash) -> String {
        let level = self.head.get().saturating_add(MARGIN).min(Level::MAX.get());
        format!(
            "signer-proxy watermark resume --config {} --key {key} --chain {} --level {level}",
            self.config, self.chain
        )
    }
}

#[cfg(test)]
mod tests;
