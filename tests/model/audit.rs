//! The invariants, judged from outside.
//!
//! The audit sees the world before and after each step and what the step did to signers and bakers. It shares
//! no code with the protocol except the question of I8, which is about the protocol's own answers.

use super::claims::{claim, is_below};
use super::decision::Decision;
use super::knowledge::{Etcd, Replica};
use super::setup::Setup;
use super::step::Event;
use super::words::{Account, At, BAKERS, Baker, Digest, Row, Sig, Table};
use super::world::{Stage, State, Witness};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I7,
    I8,
    L1,
    L2,
}

pub(crate) const RULES: [Rule; 10] = [
    Rule::I1,
    Rule::I2,
    Rule::I3,
    Rule::I4,
    Rule::I5,
    Rule::I6,
    Rule::I7,
    Rule::I8,
    Rule::L1,
    Rule::L2,
];

impl Rule {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::I1 => "I1: no two payloads of a slot reach signers",
            Self::I2 => "I2: no two signatures of a slot leave",
            Self::I3 => "I3: a signature that leaves was durable before",
            Self::I4 => {
                "I4: floors never fall, claims keep their bytes, signatures are written once"
            }
            Self::I5 => {
                "I5: nothing is forwarded without a durable claim that its request was told of"
            }
            Self::I6 => "I6: who asked for some bytes gets a signature over these bytes",
            Self::I7 => "I7: a store that is in doubt, sealed or stopped permits nothing",
            Self::I8 => "I8: what was refused once stays refused",
            Self::L1 => "L1: the owner of a slot is never refused and can always get its signature",
            Self::L2 => "L2: a refusal takes one answer of the store",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }

    pub(crate) fn is_broken(self, state: &State) -> bool {
        state.history.broken & self.bit() != 0
    }
}

/// Judges one step and writes the findings into the history of `after`.
pub(crate) fn judge(setup: &Setup, before: &State, after: &mut State, event: Event) {
    // What becomes of a store with another identity is no part of this one's history.
    if before.disk != after.disk && !after.foreign {
        if event != Event::Outside {
            growth(setup, &before.disk, &after.disk.clone(), after);
        }
        if event == Event::Outside {
            forget_untold(after);
        }
        remember(setup, after);
    }
    let went = after.restored || after.foreign;
    let doubts = |etcd: Etcd| etcd.replicas.iter().any(Replica::doubts);
    if !went && after.etcd.is_some_and(doubts) {
        // Nobody gets a signature from a replica that doubts for nothing.
        find(after, Rule::L1);
    }
    match event {
        Event::Quiet | Event::Outside => {}
        Event::Reread => growth(setup, &before.memory, &after.memory.clone(), after),
        Event::Withheld => {
            if !is_ended(before) {
                find(after, Rule::L1);
            }
        }
        Event::Granted { baker, at, witness } => {
            if before.foreign || went_back(witness, before) || is_ended(before) {
                find(after, Rule::I7);
            }
            let row = after.disk.row(at).digest();
            if row != Some(true_digest(baker)) && !after.foreign {
                find(after, Rule::I5);
            }
        }
        Event::Forwarded { baker, at, proved } => {
            let durable = after.history.claimed[at.index()] & (1 << baker as u8) != 0;
            if !proved || !durable {
                find(after, Rule::I5);
            }
            if BAKERS.iter().all(|baker| after.was_sent(at, *baker)) {
                find(after, Rule::I1);
            }
        }
        Event::Released { baker, at, sig } => released(after, baker, at, sig),
        Event::Refused { baker, at } => {
            // A replica that knows a cluster which went back refuses what that one was past.
            let went_back = setup.is_etcd() && before.restored;
            if !is_lost(&before.disk, baker, at) && !went_back {
                find(after, Rule::L1);
            }
        }
    }
}

fn find(after: &mut State, rule: Rule) {
    after.history.broken |= rule.bit();
}

/// Whether the store is not any more what a replica has seen of it.
fn went_back(witness: Witness, before: &State) -> bool {
    let behind = |etcd: Etcd| etcd.revisions.last < witness.revision;
    let gone = |sig: Sig| before.restored && before.disk.row(sig.at).sig() != Some(sig);
    is_below(witness, &before.disk)
        || before.etcd.is_some_and(behind)
        || witness.signed.is_some_and(gone)
}

/// Whether nothing is to be claimed or recorded, or was once for ever.
fn is_ended(state: &State) -> bool {
    let table = &state.disk;
    state.history.ended || table.sealed || table.account != Account::Free
}

/// The digest over all bytes of a payload, whatever a bug makes of it.
fn true_digest(baker: Baker) -> Digest {
    Digest(baker as u8)
}

/// I4 and I8, on a change of what is durable or shown.
fn growth(setup: &Setup, old: &Table, new: &Table, after: &mut State) {
    let fell = new.floor < old.floor;
    let mut changed = false;
    for at in setup.positions {
        changed |= match (old.row(*at), new.row(*at)) {
            (Row::Free, Row::Free) => false,
            // A claim is entered above the floor, and raises it.
            (Row::Free, Row::Claimed(_)) => old.height().refuses(*at) || !new.height().refuses(*at),
            // What is forgotten is refused from then on.
            (Row::Claimed(_), Row::Free) => !new.height().refuses(*at),
            // A signature only far below the floor; replays of a store that came back are another matter.
            (Row::Signed(..), Row::Free) => {
                let kept = !setup.prunes && !after.restored;
                kept || !new.height().refuses(*at)
            }
            (Row::Claimed(was), Row::Claimed(is)) => was != is,
            (Row::Claimed(was), Row::Signed(is, sig)) => {
                let first = after.history.recorded[at.index()];
                was != is || first.is_some_and(|first| first != sig)
            }
            // Nothing is signed before it is claimed, and no signature is taken back.
            (Row::Free, Row::Signed(..)) | (Row::Signed(..), Row::Claimed(_)) => true,
            (Row::Signed(was, first), Row::Signed(is, sig)) => was != is || first != sig,
        };
    }
    if fell || changed {
        find(after, Rule::I4);
    }
    // A seal does not matter to a signature: whoever takes over starts above every claim.
    let rows = setup.positions.iter();
    let mut rows = rows.map(|at| (old.row(*at), new.row(*at)));
    let withheld = rows.any(|(was, is)| match (was, is) {
        (Row::Free, Row::Claimed(_)) => old.sealed || old.account != Account::Free,
        (Row::Claimed(_), Row::Signed(..)) => old.account != Account::Free,
        _ => false,
    });
    if withheld {
        find(after, Rule::I7);
    }
    // Without a floor everything is refused, until the operator sets one.
    if old.floor.is_some() {
        let opened = setup.positions.iter().any(|at| {
            BAKERS.iter().any(|baker| {
                claim(setup, old, *baker, *at).0 == Decision::Refused
                    && claim(setup, new, *baker, *at).0 != Decision::Refused
            })
        });
        if opened {
            find(after, Rule::I8);
        }
    }
}

/// After the store was replaced, a signature that nobody was told of may be gone, and another come instead.
fn forget_untold(after: &mut State) {
    let (requests, etcd) = (after.requests, after.etcd);
    let told = |sig: Sig| {
        let mut requests = requests.iter().flatten();
        let mut replicas = etcd.iter().flat_map(|etcd| &etcd.replicas);
        requests.any(|request| request.stage == Stage::Releasing(sig))
            || replicas.any(|replica| replica.known.table.row(sig.at).sig() == Some(sig))
    };
    let history = &mut after.history;
    for (recorded, released) in history.recorded.iter_mut().zip(history.released) {
        *recorded = recorded.filter(|sig| released == Some(*sig) || told(*sig));
    }
}

/// Notes what was ever durable.
fn remember(setup: &Setup, after: &mut State) {
    for at in setup.positions {
        let row = after.disk.row(*at);
        for baker in BAKERS {
            if row.digest() == Some(true_digest(baker)) {
                after.history.claimed[at.index()] |= 1 << baker as u8;
            }
        }
        let recorded = &mut after.history.recorded[at.index()];
        *recorded = recorded.or(row.sig());
    }
    after.history.ended |= after.disk.sealed || after.disk.account == Account::Stopped;
}

/// I2, I3 and I6.
fn released(after: &mut State, baker: Baker, at: At, sig: Sig) {
    if (sig.baker, sig.at) != (baker, at) {
        find(after, Rule::I6);
    }
    let now = after.disk.row(at).sig() == Some(sig);
    if !now && after.history.recorded[at.index()] != Some(sig) {
        find(after, Rule::I3);
    }
    match after.history.released[at.index()] {
        None => after.history.released[at.index()] = Some(sig),
        Some(first) if first == sig => {}
        Some(_) => find(after, Rule::I2),
    }
}

/// Whether a slot can never be this baker's: nothing has a floor, it is another's, or the floor is past it
/// and its row is gone.
fn is_lost(table: &Table, baker: Baker, at: At) -> bool {
    match (table.floor, table.row(at).digest()) {
        (None, _) => true,
        (Some(_), Some(owner)) => owner != true_digest(baker),
        (Some(floor), None) => floor.refuses(at),
    }
}
