//! Which fault strikes, when and for how long: all of it drawn before the first one, from a seed.
//!
//! Troublemakers go on beside each other, each with a sequence of its own, so that a longer run begins as a shorter one
//! with the same seed. Two of them strike members, so that now and then the quorum is lost. Who leads is not known
//! beforehand, so what strikes the leader is drawn as that.

use std::time::Duration;

use crate::harness::luck::Luck;

use super::network::{MACHINES, PROXIES};
use super::timeline::SIGNERS;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    MemberKilled,
    MemberPaused,
    /// Cut off from the other members; proxies still reach it.
    MemberCutFromPeers,
    /// Cut off from the other members and from every proxy.
    MemberCutFromAll,
    /// Its disk is lost, and it is replaced through the cluster's own interface.
    MemberReplaced,
    ProxyKilled,
    ProxyPaused,
    /// Cut off from every member.
    ProxyCutFromAll,
    /// Cut off from one member, the leader if there is one.
    ProxyCutFromOne,
    TunnelKilled,
    TunnelStalled,
}

/// Who is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    /// The one that leads at that moment.
    Leader,
    Nth(usize),
}

/// One fault; when it takes long to lift, what follows comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) at: Duration,
    pub(super) lasts: Duration,
    pub(super) fault: Fault,
    pub(super) victim: Victim,
}

/// Of a hundred strikes against members, those at the leader.
const AT_LEADER: u32 = 50;

/// One who makes trouble of some kinds. Seconds, from and below.
struct Troublemaker {
    faults: &'static [Fault],
    victims: usize,
    pause: (u32, u32),
    trouble: (u32, u32),
}

const OF_MEMBERS: Troublemaker = Troublemaker {
    faults: &[
        Fault::MemberKilled,
        Fault::MemberPaused,
        Fault::MemberCutFromPeers,
        Fault::MemberCutFromAll,
    ],
    victims: MACHINES,
    pause: (4, 12),
    // Longer than an election, and some long enough for peers to give connections up.
    trouble: (1, 7),
};

/// One of the two alone loses disks: with two of three at the same time the cluster is lost for good.
const OF_MEMBERS_AND_DISKS: Troublemaker = Troublemaker {
    faults: &[
        Fault::MemberKilled,
        Fault::MemberReplaced,
        Fault::MemberPaused,
        Fault::MemberCutFromPeers,
        Fault::MemberReplaced,
        Fault::MemberCutFromAll,
    ],
    ..OF_MEMBERS
};

const OF_PROXIES: Troublemaker = Troublemaker {
    faults: &[
        Fault::ProxyKilled,
        Fault::ProxyPaused,
        Fault::ProxyCutFromAll,
        Fault::ProxyCutFromOne,
    ],
    victims: PROXIES,
    pause: (2, 8),
    // Some longer than the life of a request.
    trouble: (1, 12),
};

const OF_TUNNELS: Troublemaker = Troublemaker {
    faults: &[Fault::TunnelKilled, Fault::TunnelStalled],
    victims: SIGNERS,
    pause: (3, 9),
    trouble: (1, 9),
};

/// Who strikes beside each other.
const ALL: [&Troublemaker; 5] = [
    &OF_MEMBERS,
    &OF_MEMBERS_AND_DISKS,
    &OF_PROXIES,
    &OF_PROXIES,
    &OF_TUNNELS,
];

/// What happens within `length`: a sequence for each troublemaker.
pub(super) fn draw(length: Duration, luck: &mut Luck) -> Vec<Vec<Strike>> {
    let sequences = ALL.iter().zip(0..);
    sequences
        .map(|(one, nth)| strikes(one, nth, length, luck.split()))
        .collect()
}

/// Kinds come in turn from a point that differs, so that a short run has most of them.
fn strikes(one: &Troublemaker, nth: usize, length: Duration, mut luck: Luck) -> Vec<Strike> {
    let seconds = |luck: &mut Luck, (from, below): (u32, u32)| {
        Duration::from_secs(from.into()) + luck.length(Duration::from_secs((below - from).into()))
    };
    let (mut at, mut all) = (
        luck.length(Duration::from_secs(one.pause.1.into())),
        Vec::new(),
    );
    let first = usize::try_from(luck.number(0..64)).unwrap() + nth * 2;
    for fault in one.faults.iter().cycle().skip(first) {
        if at >= length {
            break;
        }
        let lasts = seconds(&mut luck, one.trouble);
        let which = usize::try_from(luck.number(0..u32::try_from(one.victims).unwrap())).unwrap();
        let at_leader = luck.percent(AT_LEADER) && *fault <= Fault::MemberReplaced;
        all.push(Strike {
            at,
            lasts,
            fault: *fault,
            victim: if at_leader {
                Victim::Leader
            } else {
                Victim::Nth(which)
            },
        });
        at += lasts + seconds(&mut luck, one.pause);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_of_all_kinds_and_a_longer_run_begins_as_a_shorter_one() {
        let draw = |seed, seconds| draw(Duration::from_secs(seconds), &mut Luck::new(seed));
        assert_eq!(draw(7, 60), draw(7, 60));
        assert_ne!(draw(7, 60), draw(8, 60));
        let (short, long) = (draw(7, 60), draw(7, 600));
        for (short, long) in short.iter().zip(&long) {
            assert_eq!(*short, long[..short.len()]);
        }
        let all: Vec<_> = long.iter().flatten().collect();
        let kinds: BTreeSet<_> = all.iter().map(|strike| strike.fault).collect();
        assert_eq!(kinds.len(), 11);
        let leaders = all.iter().filter(|one| one.victim == Victim::Leader);
        assert!(leaders.count() > 10);
    }
}
