//! Who may be connected: the cap, the cap per address, and which idle connection makes room.
//!
//! The table is the only authority on who may be asked to go: a connection whose request has come whole asks it
//! first, and one that was evicted is told so there. So no request that anybody works at is ever cut by an eviction.
//! Who has sent a part of one may have to go too: otherwise heads that never end would lock everybody out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Limits;

/// Connections that have lost their places and take leave, at a time; more than that are cut. Without a bound
/// they would hold as many descriptors as somebody opens in the second that a farewell takes.
const FAREWELLS: usize = 64;

/// Connections of one listener, readable at any time. Cheap to clone; clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct ConnectionCount(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    table: Mutex<Table>,
    evicted: AtomicU64,
    refused: AtomicU64,
    strangers: AtomicU64,
    leaving: AtomicUsize,
}

impl ConnectionCount {
    /// Connections that are open now, without those that are only being told goodbye.
    #[must_use]
    pub fn open(&self) -> usize {
        self.table().open.len()
    }

    /// Connections closed since the start to make room for others: idle ones, and ones with half a request.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.0.evicted.load(Ordering::Relaxed)
    }

    /// Connections refused since the start because there was no room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Connections closed since the start because their networks may not connect.
    #[must_use]
    pub fn strangers(&self) -> u64 {
        self.0.strangers.load(Ordering::Relaxed)
    }

    pub(super) fn note_stranger(&self) {
        self.0.strangers.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a new connection its place, if need be that of the one that has been idle, or has had half a request,
    /// longest.
    /// `None` when there is no room.
    pub(super) fn admit(&self, limits: &Limits, address: Option<IpAddr>) -> Option<Slot> {
        let address = address.map(household);
        let mut table = self.table();
        let crowded = address.is_some_and(|address| table.of(address) >= limits.per_address.max(1));
        let full = table.open.len() >= limits.connections.max(1);
        let evicted = (crowded && table.evict(address)) || (!crowded && full && table.evict(None));
        if (crowded || full) && !evicted {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if evicted {
            self.0.evicted.fetch_add(1, Ordering::Relaxed);
        }
        let (id, evict) = table.insert(address);
        Some(Slot {
            id,
            evict,
            count: self.clone(),
        })
    }

    /// Lets a connection that has lost its place take leave, until what it is given is dropped. `None` when too many
    /// are at it.
    pub(super) fn leave(&self) -> Option<Leaving> {
        let others = self.0.leaving.fetch_add(1, Ordering::Relaxed);
        let leaving = Leaving(self.clone());
        (others < FAREWELLS).then_some(leaving)
    }

    /// Closes the connection that has been idle longest, for when descriptors run out.
    pub(super) fn evict_oldest(&self) {
        if self.table().evict(None) {
            self.0.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change below leaves the table whole, so a panic elsewhere cannot have torn it.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: of IPv6 all of a /64, which is what a single machine is given.
#[must_use]
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// A farewell under way.
#[derive(Debug)]
pub(super) struct Leaving(ConnectionCount);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.0.leaving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's place; given back on drop.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    evict: CancellationToken,
    count: ConnectionCount,
}

impl Slot {
    /// Cancelled when the place has been given to another connection.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evict.clone()
    }

    /// The first part of a request has come, which is a sign of life. Returns `false` when the place is gone.
    #[must_use]
    pub(super) fn begun(&self) -> bool {
        let mut table = self.count.table();
        let kept = table.busy(self.id);
        table.idle(self.id);
        kept
    }

    /// A request has come whole, or its answer exists: the place stays. Returns `false` when it is gone.
    #[must_use]
    pub(super) fn busy(&self) -> bool {
        self.count.table().busy(self.id)
    }

    /// The connection waits for its next request.
    pub(super) fn idle(&self) {
        self.count.table().idle(self.id);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.count.table().remove(self.id);
    }
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<u64, Entry>,
    per_address: HashMap<IpAddr, usize>,
    /// Who may have to go, in the order of their last signs of life.
    spare: BTreeMap<u64, u64>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    address: Option<IpAddr>,
    evict: CancellationToken,
    /// Its key in the order of those that may have to go, when it is one of them.
    spare: Option<u64>,
}

impl Table {
    fn of(&self, address: IpAddr) -> usize {
        self.per_address.get(&address).copied().unwrap_or(0)
    }

    fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    fn insert(&mut self, address: Option<IpAddr>) -> (u64, CancellationToken) {
        let (id, evict) = (self.number(), CancellationToken::new());
        self.open.insert(
            id,
            Entry {
                address,
                evict: evict.clone(),
                spare: None,
            },
        );
        if let Some(address) = address {
            let count = self.per_address.entry(address).or_insert(0);
            *count = count.saturating_add(1);
        }
        self.idle(id);
        (id, evict)
    }

    fn idle(&mut self, id: u64) {
        let order = self.number();
        if let Some(entry) = self.open.get_mut(&id)
            && entry.spare.is_none()
        {
            entry.spare = Some(order);
            self.spare.insert(order, id);
        }
    }

    fn busy(&mut self, id: u64) -> bool {
        let Some(entry) = self.open.get_mut(&id) else {
            return false;
        };
        if let Some(order) = entry.spare.take() {
            self.spare.remove(&order);
        }
        true
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        if let Some(order) = entry.spare {
            self.spare.remove(&order);
        }
        if let Some(address) = entry.address
            && let Some(count) = self.per_address.get_mut(&address)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
        Some(entry)
    }

    /// Gives up the connection that has waited longest, of `address` if one is named. Walks over at most all that
    /// may have to go.
    fn evict(&mut self, address: Option<IpAddr>) -> bool {
        let oldest = self.spare.values().copied().find(|id| {
            address.is_none()
                || self
                    .open
                    .get(id)
                    .is_some_and(|entry| entry.address == address)
        });
        let Some(entry) = oldest.and_then(|id| self.remove(id)) else {
            return false;
        };
        entry.evict.cancel();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, per_address: usize) -> Limits {
        Limits {
            connections,
            per_address,
            ..Limits::default()
        }
    }

    /// A place for a connection from one of the documentation's addresses, if there is one.
    fn admit(count: &ConnectionCount, limits: &Limits, last: u8) -> Option<Slot> {
        count.admit(limits, Some(IpAddr::from([192, 0, 2, last])))
    }

    #[test]
    fn oldest_idle_makes_room() {
        let (count, limits) = (ConnectionCount::default(), limits(2, 2));
        let first = admit(&count, &limits, 1).unwrap();
        let second = admit(&count, &limits, 2).unwrap();
        // The first works for a while, so the second has been idle longer.
        assert!(first.busy());
        first.idle();
        let third = admit(&count, &limits, 3).unwrap();
        assert!(second.evicted().is_cancelled());
        assert!(!first.evicted().is_cancelled() && !third.evicted().is_cancelled());
        assert_eq!((count.open(), count.evicted(), count.refused()), (2, 1, 0));
    }

    #[test]
    fn who_has_had_half_a_request_longest_makes_room() {
        let (count, limits) = (ConnectionCount::default(), limits(3, 3));
        let first = admit(&count, &limits, 1).unwrap();
        let second = admit(&count, &limits, 1).unwrap();
        let idle = admit(&count, &limits, 2).unwrap();
        assert!(first.begun() && second.begun());
        let newcomers = [3, 4, 5].map(|last| {
            let slot = admit(&count, &limits, last).unwrap();
            assert!(slot.busy());
            slot
        });
        assert!(idle.evicted().is_cancelled());
        assert!(!first.busy() && !second.begun());
        assert!(newcomers.iter().all(|slot| !slot.evicted().is_cancelled()));
        assert!(admit(&count, &limits, 6).is_none());
        assert_eq!((count.open(), count.evicted(), count.refused()), (3, 3, 1));
    }

    #[test]
    fn busy_connections_are_never_evicted() {
        let (count, limits) = (ConnectionCount::default(), limits(1, 1));
        let only = admit(&count, &limits, 1).unwrap();
        assert!(only.busy());
        assert!(admit(&count, &limits, 2).is_none());
        assert_eq!((count.open(), count.evicted(), count.refused()), (1, 0, 1));
    }

    #[test]
    fn crowded_address_evicts_its_own() {
        let (count, limits) = (ConnectionCount::default(), limits(10, 1));
        let other = admit(&count, &limits, 1).unwrap();
        let own = admit(&count, &limits, 2).unwrap();
        let again = admit(&count, &limits, 2).unwrap();
        assert!(own.evicted().is_cancelled() && !other.evicted().is_cancelled());
        assert!(again.busy());
        assert!(admit(&count, &limits, 2).is_none());
    }

    #[test]
    fn who_has_many_addresses_in_one_network_of_ipv6_counts_once() {
        let count = |address: &str| household(address.parse().unwrap()).to_string();
        assert_eq!(count("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(count("::ffff:192.0.2.7"), "192.0.2.7");
        let (count, limits) = (ConnectionCount::default(), limits(10, 1));
        let of = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        let first = count.admit(&limits, Some(of(1))).unwrap();
        let _second = count.admit(&limits, Some(of(2))).unwrap();
        assert!(first.evicted().is_cancelled());
    }

    #[test]
    fn evicted_connection_cannot_begin_a_request() {
        let (count, limits) = (ConnectionCount::default(), limits(1, 1));
        let first = count.admit(&limits, None).unwrap();
        let second = count.admit(&limits, None).unwrap();
        assert!(!first.busy());
        drop(first);
        assert_eq!(count.open(), 1);
        assert!(second.busy());
    }

    #[test]
    fn places_are_given_back() {
        let (count, limits) = (ConnectionCount::default(), limits(1, 1));
        for _ in 0..3 {
            let slot = admit(&count, &limits, 1).unwrap();
            assert!(slot.busy());
        }
        assert_eq!((count.open(), count.evicted(), count.refused()), (0, 0, 0));
        assert!(count.table().per_address.is_empty() && count.table().spare.is_empty());
    }

    #[test]
    fn farewells_without_a_place_are_few() {
        let count = ConnectionCount::default();
        let mut leaving: Vec<_> = (0..FAREWELLS).map(|_| count.leave().unwrap()).collect();
        assert!(count.leave().is_none());
        drop(leaving.pop());
        assert!(count.leave().is_some());
    }

    #[test]
    fn mapped_address_is_the_same_address() {
        let (count, limits) = (ConnectionCount::default(), limits(10, 1));
        let own = count
            .admit(&limits, "::ffff:192.0.2.1".parse().ok())
            .unwrap();
        assert!(own.busy());
        assert!(admit(&count, &limits, 1).is_none());
    }
}
