//! A store in etcd, and what each replica knows of it: contents, and the revision at which each key was written.
//!
//! Revisions are counted as etcd counts them, but for signs of life: these only make the number higher, which
//! matters where a cluster went back, and is a step of its own there.

use super::setup::{Bug, Setup};
use super::words::{Account, At, Baker, Floor, POSITIONS, Row, Sig, Table};
use super::world::{REQUESTS, Witness};

/// Which store it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub(crate) cluster: u8,
    /// 0 for a cluster that holds no store.
    pub(crate) lineage: u8,
}

/// When each key was last written, 0 for one that is not there; and the last revision of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Revisions {
    pub(crate) last: u8,
    /// Written together with the seal.
    pub(crate) meta: u8,
    pub(crate) account: u8,
    pub(crate) floor: u8,
    pub(crate) rows: [u8; POSITIONS],
}

/// The store, as somebody knows it or as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Known {
    pub(crate) table: Table,
    pub(crate) identity: Identity,
    pub(crate) revisions: Revisions,
}

/// A replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) known: Known,
    pub(crate) doubt: Doubt,
    /// It has read nothing for so long that it reads everything before it claims.
    pub(crate) is_behind: bool,
}

/// Why a replica believes its store no more, until it starts anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Doubt {
    #[default]
    None,
    /// It shows again whenever one looks.
    Shows,
    /// Others may cover it by what they write, so it is kept until an operator accepts the store.
    Passes,
}

impl Replica {
    pub(crate) fn doubts(&self) -> bool {
        self.doubt != Doubt::None
    }

    /// Whether the last claim that it has seen has a signature, if it has seen any.
    pub(crate) fn saw_it_signed(&self) -> bool {
        let table = &self.known.table;
        let last = table.height().0.checked_sub(1).map(At);
        last.is_none_or(|last| table.row(last).sig().is_some())
    }
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    Claim(Baker, At),
    Record(Sig),
    Raise(Floor),
}

/// A transaction: its writes and comparisons follow from what its replica knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Txn {
    pub(crate) what: What,
    pub(crate) basis: Known,
}

/// The part of the world that is there with a store in etcd alone; its contents are the disk of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Etcd {
    pub(crate) identity: Identity,
    pub(crate) revisions: Revisions,
    pub(crate) replicas: [Replica; REQUESTS],
    /// A copy of a transaction that the network keeps, and delivers at any time and any number of times.
    pub(crate) late: Option<Txn>,
    /// Of the copy of the store that may come back.
    pub(crate) backup: Option<(Identity, Revisions)>,
}

/// Keys of which an answer says how they are.
#[derive(Clone, Copy, Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a list of switches, each set by name"
)]
pub(crate) struct Keys {
    pub(crate) about_all: bool,
    pub(crate) floor: bool,
    pub(crate) rows: [bool; POSITIONS],
    /// Whether a key that is not shown is gone.
    pub(crate) shows_gone: bool,
    /// Whether it was read, and not written by this very transaction.
    pub(crate) is_read: bool,
}

impl Keys {
    /// A whole read.
    pub(crate) const ALL: Self = Self {
        about_all: true,
        floor: true,
        rows: [true; POSITIONS],
        shows_gone: true,
        is_read: true,
    };
    /// A look at what was written since the last one.
    pub(crate) const NEWS: Self = Self {
        shows_gone: false,
        ..Self::ALL
    };
}

impl Etcd {
    /// A store that all replicas have read.
    pub(crate) fn first(table: Table) -> Self {
        let known = Known::first(table);
        Self {
            identity: known.identity,
            revisions: known.revisions,
            replicas: [Replica {
                known,
                ..Replica::default()
            }; REQUESTS],
            late: None,
            backup: None,
        }
    }
}

impl Known {
    /// Floors were set, and nothing else happened.
    pub(crate) fn first(table: Table) -> Self {
        Self {
            table,
            identity: Identity {
                cluster: 1,
                lineage: 1,
            },
            revisions: Revisions {
                last: 1,
                meta: 1,
                floor: 1,
                ..Revisions::default()
            },
        }
    }

    /// What a witness keeps of it.
    pub(crate) fn seen(&self) -> Witness {
        Witness {
            floor: self.table.height(),
            identity: Some(self.identity),
            revision: self.revisions.last,
            sealed: self.table.sealed,
            stopped: self.table.account == Account::Stopped,
            signed: self.table.last_signature(),
            ..Witness::default()
        }
    }

    /// Holds what was read against what is known and what was `seen`, before anything of it is taken in; in the order
    /// of `Known::read`, which decides whether the doubt is kept.
    pub(crate) fn judge(&self, setup: &Setup, seen: &Witness, there: &Self, keys: Keys) -> Doubt {
        if !keys.is_read {
            return Doubt::None;
        }
        let (mine, theirs) = (&self.revisions, &there.revisions);
        let last = theirs.last;
        let rows = || (0..POSITIONS).filter(|at| keys.rows[*at]);
        let is_older = |mine: u8, theirs: u8| theirs != 0 && mine > theirs && mine <= last;
        let older = is_older(mine.meta, theirs.meta)
            || is_older(mine.account, theirs.account)
            || is_older(mine.floor, theirs.floor)
            || rows().any(|at| is_older(mine.rows[at], theirs.rows[at]));
        if older && !setup.has(Bug::AgeIgnored) {
            return Doubt::Passes;
        }
        let lineage = seen.identity.map_or(0, |identity| identity.lineage);
        // What something later is known of is not looked at.
        let is_news = |mine: u8, theirs: u8| theirs != 0 && mine <= theirs;
        let is_other =
            is_news(mine.meta, theirs.meta) && lineage != 0 && lineage != there.identity.lineage;
        let is_below = is_news(mine.floor, theirs.floor) && there.table.height() < seen.floor;
        if is_other && !setup.has(Bug::LineageIgnored) {
            return Doubt::Shows;
        }
        if is_below && !setup.has(Bug::WitnessIgnored) {
            return Doubt::Passes;
        }
        let changed = rows().any(|at| {
            let (was, is) = (self.table.rows[at], there.table.rows[at]);
            let is_known = was != Row::Free && is_news(mine.rows[at], theirs.rows[at]);
            let stays =
                was.digest() == is.digest() && (was.sig().is_none() || was.sig() == is.sig());
            is_known && !stays
        });
        if changed && !setup.has(Bug::RowsIgnored) {
            return Doubt::Passes;
        }
        Doubt::None
    }

    /// Takes in an answer about `keys`. A revision that is known is not overwritten by an older one.
    pub(crate) fn take(&mut self, there: &Self, keys: Keys) {
        let last = there.revisions.last;
        let is_news = |known: &mut u8, there: u8| {
            let gone = keys.shows_gone && there == 0 && *known <= last;
            let news = there > *known || gone;
            if news {
                *known = there;
            }
            news
        };
        let (mine, theirs) = (&mut self.revisions, &there.revisions);
        if keys.about_all && is_news(&mut mine.meta, theirs.meta) {
            self.identity.lineage = there.identity.lineage;
            self.table.sealed = there.table.sealed;
        }
        if keys.about_all && is_news(&mut mine.account, theirs.account) {
            self.table.account = there.table.account;
        }
        if keys.floor && is_news(&mut mine.floor, theirs.floor) {
            self.table.floor = there.table.floor;
        }
        for at in 0..POSITIONS {
            if keys.rows[at] && is_news(&mut mine.rows[at], theirs.rows[at]) {
                self.table.rows[at] = there.table.rows[at];
            }
        }
        self.identity.cluster = there.identity.cluster;
        mine.last = mine.last.max(last);
    }

    /// Positions whose rows are here and not in `after`.
    pub(crate) fn gone(&self, after: &Table) -> [bool; POSITIONS] {
        let mut gone = [false; POSITIONS];
        for (at, gone) in gone.iter_mut().enumerate() {
            *gone = self.table.rows[at] != Row::Free && after.rows[at] == Row::Free;
        }
        gone
    }
}
