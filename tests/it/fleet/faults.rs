//! How each fault is made and lifted, and what the model is told of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::harness::process::Order;
use crate::harness::wait::lasts;

use super::field::Field;
use super::members::leader;
use super::network::{MACHINES, Net, PROXIES};
use super::plan::{Fault, Strike, Victim};
use super::timeline::Place;

/// A killed leader stays away for so long: longer than an election.
const AFTER: Duration = Duration::from_secs(3);

/// Lets `strikes` happen, `after` the beginning; all is lifted when it returns. To be run in a `LocalSet`.
pub(super) async fn suffer(field: Arc<Field>, strikes: Vec<Strike>, after: Duration) {
    for strike in strikes {
        lasts(field.at(after), strike.at).await;
        field.timeline().note(strike.fault);
        match strike.fault {
            Fault::MemberKilled
            | Fault::MemberPaused
            | Fault::MemberCutFromPeers
            | Fault::MemberCutFromAll
            | Fault::MemberReplaced => field.trouble_member(strike).await,
            Fault::ProxyKilled
            | Fault::ProxyPaused
            | Fault::ProxyCutFromAll
            | Fault::ProxyCutFromOne => field.trouble_proxy(strike).await,
            Fault::TunnelKilled | Fault::TunnelStalled => field.trouble_tunnel(strike).await,
        }
    }
}

/// The `nth` of all, or the next one that nobody else troubles.
fn free<T>(all: &[Mutex<T>], nth: usize) -> (usize, MutexGuard<'_, T>) {
    let order = (0..all.len()).map(|step| (nth + step) % all.len());
    let mut free = order.filter_map(|nth| Some((nth, all[nth].try_lock().ok()?)));
    free.next().expect("fewer make trouble than there are")
}

/// The networks that a fault of a member cuts it off from.
fn nets(fault: Fault) -> Vec<Net> {
    let mut nets = Vec::new();
    if fault == Fault::MemberCutFromPeers || fault == Fault::MemberCutFromAll {
        nets.push(Net::Peers);
    }
    if fault == Fault::MemberCutFromAll {
        nets.extend((0..PROXIES).map(Net::Proxy));
    }
    nets
}

/// What the model calls the cable of a member to a network.
fn place(net: Net, member: usize) -> Place {
    match net {
        Net::Peers => Place::Peer(member),
        Net::Proxy(proxy) => Place::Link(proxy, member),
        Net::Test => panic!("the test's own network is never cut"),
    }
}

impl Field {
    fn ill(&self, places: &[Place], fault: Fault) -> Vec<usize> {
        let now = self.now();
        let places = places.iter();
        places
            .map(|place| self.timeline().begin(*place, fault, now))
            .collect()
    }

    fn healed(&self, numbers: &[usize]) {
        let now = self.now();
        for number in numbers {
            self.timeline().end(*number, now);
        }
    }

    async fn trouble_member(&self, strike: Strike) {
        let nth = match strike.victim {
            Victim::Leader => leader().await.unwrap_or_default(),
            Victim::Nth(nth) => nth,
        };
        let (nth, mut member) = free(&self.members, nth);
        if leader().await == Some(nth) {
            self.count_leader();
        }
        let nets = nets(strike.fault);
        let places = if nets.is_empty() {
            vec![Place::Member(nth)]
        } else {
            nets.iter().map(|net| place(*net, nth)).collect()
        };
        let ill = self.ill(&places, strike.fault);
        if strike.fault == Fault::MemberKilled {
            member.kill();
        } else if strike.fault == Fault::MemberReplaced {
            member.replace().await;
        } else if strike.fault == Fault::MemberPaused {
            member.order(Order::Stop);
        }
        for net in &nets {
            net.cut(nth);
        }
        lasts(Instant::now(), strike.lasts).await;
        for net in &nets {
            net.mend(nth);
        }
        if strike.fault == Fault::MemberPaused {
            member.order(Order::Continue);
        }
        member.until_healthy().await;
        self.healed(&ill);
    }

    async fn trouble_proxy(&self, strike: Strike) {
        let Victim::Nth(nth) = strike.victim else {
            panic!("{strike:?} is at a proxy");
        };
        let (nth, mut proxy) = free(&self.proxies, nth);
        let machines = if strike.fault == Fault::ProxyCutFromAll {
            (0..MACHINES).collect()
        } else if strike.fault == Fault::ProxyCutFromOne {
            vec![leader().await.unwrap_or_default()]
        } else {
            Vec::new()
        };
        let places = if machines.is_empty() {
            vec![Place::Proxy(nth)]
        } else {
            let machines = machines.iter();
            machines.map(|machine| Place::Link(nth, *machine)).collect()
        };
        let ill = self.ill(&places, strike.fault);
        if strike.fault == Fault::ProxyKilled {
            proxy.kill9();
        } else if strike.fault == Fault::ProxyPaused {
            proxy.order(Order::Stop);
        }
        for machine in &machines {
            Net::Proxy(nth).cut(*machine);
        }
        lasts(Instant::now(), strike.lasts).await;
        for machine in &machines {
            Net::Proxy(nth).mend(*machine);
        }
        if strike.fault == Fault::ProxyKilled {
            proxy.spawn();
        } else if strike.fault == Fault::ProxyPaused {
            proxy.order(Order::Continue);
        }
        self.until_serving(nth, &proxy).await;
        self.healed(&ill);
    }

    async fn trouble_tunnel(&self, strike: Strike) {
        let Victim::Nth(nth) = strike.victim else {
            panic!("{strike:?} is at a tunnel");
        };
        let (nth, mut tunnel) = free(&self.tunnels, nth);
        let ill = self.ill(&[Place::Tunnel(nth)], strike.fault);
        let begun = Instant::now();
        if strike.fault == Fault::TunnelKilled {
            tunnel.kill();
            lasts(begun, strike.lasts).await;
        } else {
            tunnel.stall();
            lasts(begun, strike.lasts).await;
            tunnel.resume();
        }
        tunnel.open().await;
        self.healed(&ill);
    }

    /// Kills the leader; gives the moment. It is started again and healthy when this returns.
    pub(super) async fn kill_leader(&self) -> Duration {
        let nth = leader().await.expect("somebody leads");
        let mut member = self.members[nth].lock().await;
        let (ill, at) = (
            self.ill(&[Place::Member(nth)], Fault::MemberKilled),
            self.now(),
        );
        member.kill();
        lasts(self.at(at), AFTER).await;
        member.until_healthy().await;
        self.healed(&ill);
        at
    }

    /// Restarts a proxy as an upgrade does; the balancer asks it again when this returns.
    pub(super) async fn upgrade(&self, nth: usize) {
        let mut proxy = self.proxies[nth].lock().await;
        proxy.stop().await;
        proxy.spawn();
        self.until_serving(nth, &proxy).await;
    }
}
