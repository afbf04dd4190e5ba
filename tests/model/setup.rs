//! What a run of the model is about: its bounds, which faults happen, and which bug is seeded.
//!
//! Each setup is used at least twice: as it is, where every invariant must hold, and with a bug, where one
//! must not. So a counterexample is the work of the bug and not of the setup.

use super::words::At;

/// Where the claims are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// One linearizable store for several replicas, each with one request under way.
    Shared,
    /// The same, of which each replica knows something that may be old, compared by revisions: etcd.
    Etcd,
    /// A file of one process that has several requests under way.
    Embedded,
}

/// What a signer does with a payload at or below its own watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// Gives the same signature for the same bytes, refuses others (octez-signer with watermark).
    Replays,
    /// Refuses all of them (a Ledger).
    Refuses,
    /// Has no watermark: signs again, with a fresh nonce.
    SignsAgain,
}

/// How the second baker's payload differs from the first one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    Content,
    /// Same content on another branch.
    Branch,
}

/// What a copy of the store does when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restore {
    Never,
    /// Looks like the store that it once was (the snapshot of a disk).
    Silent,
    /// The same in etcd with a revision that is not lower: raised at the restore, or by signs of life since.
    Bumped,
    /// Has another identity (a new cluster made from a backup).
    Renamed,
}

/// What is noted outside the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Witnessed {
    Nothing,
    /// The floor alone; in etcd also identity, revision, last signature, seal, stop, and doubts that are kept.
    Floors,
    /// The same, and one replica over etcd has no state directory.
    AllButOne,
    /// The floor, and how many commits there were.
    Number,
    /// The floor, and which commit was the last.
    History,
}

/// What a copy of the store is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copies {
    /// What is durable: the snapshot of a disk.
    Durable,
    /// What reading the file shows, perhaps of a commit that a power cut then takes back.
    AsRead,
}

/// What becomes of the recorded signatures of a store that is below its witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubtful {
    Replayed,
    Dropped,
}

/// Where the operator sets the first floor after the store was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstFloor {
    /// At everything that anybody may still forward.
    AtClaims,
    /// At everything that signers were sent, as the chain could show it.
    AtForwards,
}

/// When it is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// Before the request that caused the change has its answer.
    BeforeTheAnswer,
    /// The same, but the revision of etcd only where something else is news.
    WithOther,
    /// Some time later, or never.
    Later,
}

/// Whether the network keeps a copy of a transaction over etcd and delivers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    Never,
    /// Before the cluster went back, or to one that all who have seen it doubt.
    InDoubt,
    /// At any time.
    Ever,
}

/// Which replicas over etcd start anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anew {
    Never,
    /// Those that refuse to sign, because their operators try that first.
    InDoubt,
    /// Those that saw a signature of the last claim that they saw.
    Signed,
    Ever,
}

/// A mistake of the protocol, switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    ClaimAfterForward,
    ReleaseBeforeRecord,
    ClaimDeletedAtTimeout,
    ClaimExpires,
    LeaseInsteadOfCompare,
    PruneWithoutFloor,
    UnknownIsFailure,
    UnknownIsSuccess,
    MemoryBeforeDisk,
    /// Only a higher level is above the floor.
    LevelOnlyStrict,
    /// Every round of the floor's level is above the floor.
    LevelOnlyLax,
    DigestWithoutBranch,
    LoserReleased,
    MissingIsZero,
    WitnessIgnored,
    SignatureNotVerified,
    // Known from other programs, or near to this one.
    /// The claim is dropped and its floor stays.
    ClaimForgottenAtTimeout,
    OpenWithoutSync,
    /// Synced and not copied: pages that a failed sync left clean are not written.
    OpenWithoutCopy,
    /// What a start reads is not noted outside the store, only what is committed later.
    OpenWithoutNote,
    IdentityIgnored,
    RepeatRefused,
    LoserWaits,
    /// Claims that an operator's raise ends can be taken anew.
    RaiseReopens,
    // Of a store in etcd: what a transaction does not compare.
    /// Of a claim, neither floor nor row.
    NothingCompared,
    FloorNotCompared,
    RowNotCompared,
    MetaNotCompared,
    /// Of a claim, stop and halt.
    AccountNotCompared,
    /// Of a record, stop and halt.
    RecordBesideHalt,
    /// Of a record, the row.
    RecordNotCompared,
    /// Of a raise, anything.
    RaiseNotCompared,
    /// Of a raise, the claims that it ends.
    EndedNotCompared,
    /// A seal leaves the key of the lineage as it is.
    SealBesideIdentity,
    /// A claim that somebody read is a permit without a transaction.
    OldReadPermits,
    /// A halt that somebody read is an answer without a transaction.
    OldHaltRefuses,
    // What is not held against the witness.
    RevisionIgnored,
    LineageIgnored,
    EndsIgnored,
    /// The last signature.
    SignatureIgnored,
    /// A doubt that may not show any more.
    DoubtForgotten,
    /// A replica goes on writing signs of life to a store that it does not believe.
    WritesInDoubt,
    // What is not held against what a running replica knows.
    /// Rows that come back for other bytes, or without their signature.
    RowsIgnored,
    /// Keys that come back as they were before.
    AgeIgnored,
}

/// Bounds, faults and bug of one run.
#[derive(Clone, Copy, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a list of switches, each set by name"
)]
pub(crate) struct Setup {
    pub(crate) storage: Storage,
    /// Replicas, or requests under way at the same time.
    pub(crate) requests: usize,
    pub(crate) positions: &'static [At],
    /// Whether the levels are so far apart that a claim prunes the rows of the level before.
    pub(crate) prunes: bool,
    /// Whether it leaves them all the same: it removes no more than etcd takes at once.
    pub(crate) leaves_rows: bool,
    pub(crate) rival: Rival,
    pub(crate) signers: &'static [Signer],
    /// Signatures that signers make for one payload at most.
    pub(crate) signatures: u8,
    /// Whether signers lose their watermarks.
    pub(crate) forgets: bool,
    /// How often an operator raises a floor.
    pub(crate) raises: u8,
    /// How often the whole store is lost.
    pub(crate) losses: u8,
    /// How often somebody seals the store, or stops, halts or resumes the key.
    pub(crate) ends: u8,
    pub(crate) late: Late,
    /// Whether others write to a cluster that went back until its revision is where it was.
    pub(crate) covered: bool,
    pub(crate) anew: Anew,
    pub(crate) first_floor: FirstFloor,
    pub(crate) restore: Restore,
    pub(crate) copies: Copies,
    pub(crate) witnessed: Witnessed,
    pub(crate) noted: Noted,
    pub(crate) doubtful: Doubtful,
    /// Whether power is cut and syncs fail.
    pub(crate) power: bool,
    /// Whether every state is asked if the owner of the highest claim can still get its signature. Not with
    /// raises, losses and restores, which end claims.
    pub(crate) progress: bool,
    pub(crate) bug: Option<Bug>,
}

pub(crate) const ALL: &[At] = &[At(0), At(1), At(2)];
/// Two rounds of one level.
pub(crate) const ROUNDS: &[At] = &[At(0), At(1)];
/// Two levels.
pub(crate) const LEVELS: &[At] = &[At(0), At(2)];
pub(crate) const ONE: &[At] = &[At(0)];

/// A signer on which the proxy can rely for nothing.
pub(crate) const CARELESS: &[Signer] = &[Signer::SignsAgain];
pub(crate) const MIXED: &[Signer] = &[Signer::Replays, Signer::SignsAgain];
pub(crate) const CAREFUL: &[Signer] = &[Signer::Replays, Signer::Refuses];

impl Setup {
    /// Two replicas over a shared store.
    pub(crate) fn shared() -> Self {
        Self {
            storage: Storage::Shared,
            requests: 2,
            positions: ROUNDS,
            prunes: false,
            leaves_rows: false,
            rival: Rival::Content,
            signers: CARELESS,
            signatures: 2,
            forgets: false,
            raises: 0,
            losses: 0,
            ends: 0,
            late: Late::Never,
            covered: false,
            anew: Anew::Ever,
            first_floor: FirstFloor::AtClaims,
            restore: Restore::Never,
            copies: Copies::Durable,
            witnessed: Witnessed::Nothing,
            noted: Noted::BeforeTheAnswer,
            doubtful: Doubtful::Replayed,
            power: false,
            progress: false,
            bug: None,
        }
    }

    /// Two replicas over etcd.
    pub(crate) fn etcd() -> Self {
        Self {
            storage: Storage::Etcd,
            ..Self::shared()
        }
    }

    /// A cluster that comes back from a copy with the same id, while its replicas start anew.
    pub(crate) fn went_back() -> Self {
        Self {
            restore: Restore::Bumped,
            witnessed: Witnessed::Floors,
            noted: Noted::WithOther,
            ..Self::etcd().single()
        }
    }

    /// One process with two requests over a file that power cuts and failed syncs take back.
    pub(crate) fn embedded() -> Self {
        Self {
            storage: Storage::Embedded,
            power: true,
            ..Self::shared()
        }
    }

    /// An embedded store that comes back from a copy, with a witness of its floor and of the number of its commits.
    pub(crate) fn rolled_back() -> Self {
        Self {
            restore: Restore::Silent,
            witnessed: Witnessed::Number,
            ..Self::embedded()
        }
    }

    /// The same with copies of a file that is being written, and a witness of the last commit itself.
    pub(crate) fn gone_another_way() -> Self {
        Self {
            witnessed: Witnessed::History,
            copies: Copies::AsRead,
            doubtful: Doubtful::Dropped,
            ..Self::rolled_back()
        }
    }

    /// One position, for what is about a single slot.
    pub(crate) fn narrow(self) -> Self {
        Self {
            positions: ONE,
            ..self
        }
    }

    /// One signature for each payload, for what is not about a second one.
    pub(crate) fn single(self) -> Self {
        Self {
            signatures: 1,
            ..self
        }
    }

    pub(crate) fn with(self, bug: Bug) -> Self {
        Self {
            bug: Some(bug),
            ..self
        }
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn is_etcd(&self) -> bool {
        self.storage == Storage::Etcd
    }

    pub(crate) fn is_embedded(&self) -> bool {
        self.storage == Storage::Embedded
    }
}
