//! Where something can go wrong before a fleet, and what was well in spite of it. Pure.

use std::ops::Range;
use std::time::Duration;

use crate::harness::timeline::{self, length};

use super::network::{MACHINES, PROXIES};
use super::plan::Fault;

/// All troubles of a run.
pub(super) type Timeline = timeline::Timeline<Place, Fault>;

/// Signers, with one tunnel each.
pub(super) const SIGNERS: usize = 3;

/// Where something can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A member of etcd.
    Member(usize),
    /// What connects a member with the others.
    Peer(usize),
    /// What connects a proxy, the first one, with a member.
    Link(usize, usize),
    Proxy(usize),
    /// What leads to a signer.
    Tunnel(usize),
}

/// Why a slot ought to have been signed: what was well, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Well {
    /// Two of three members, mutually connected.
    pub(super) quorum: [usize; 2],
    pub(super) proxy: usize,
    pub(super) signer: usize,
    pub(super) time: Range<Duration>,
}

/// The longest time within `window` in which one quorum, one proxy with a link to it, and one tunnel were well.
pub(super) fn longest_well(timeline: &Timeline, window: &Range<Duration>) -> Option<Well> {
    let mut longest: Option<Well> = None;
    for one in 0..MACHINES {
        for two in one + 1..MACHINES {
            for (proxy, link) in (0..PROXIES).flat_map(|proxy| [(proxy, one), (proxy, two)]) {
                for signer in 0..SIGNERS {
                    let places = [
                        Place::Member(one),
                        Place::Member(two),
                        Place::Peer(one),
                        Place::Peer(two),
                        Place::Link(proxy, link),
                        Place::Proxy(proxy),
                        Place::Tunnel(signer),
                    ];
                    for time in timeline.well(&places, window) {
                        if longest
                            .as_ref()
                            .is_none_or(|l| length(&l.time) < length(&time))
                        {
                            longest = Some(Well {
                                quorum: [one, two],
                                proxy,
                                signer,
                                time,
                            });
                        }
                    }
                }
            }
        }
    }
    longest
}
