//! Who asks, through which door.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use ipnet::IpNet;

use crate::server::{Peer, household};

/// Where balancers say for whom they ask.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Octez waits 8 s for each answer on a socket, and then asks again on a new connection: what comes later is
/// lost, so it must not take longer.
const SOCKET_PATIENCE: Duration = Duration::from_millis(7_500);

/// The one whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Whoever has this address; of IPv6 whoever is in this network.
    Address(IpAddr),
    /// A user of this machine, over a Unix socket.
    User(u32),
    /// Nobody knows.
    Unknown,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Requester {
    /// For logs.
    pub(super) name: String,
    pub(super) client: Client,
    /// Names of the certificate that was shown.
    pub(super) certified: Option<Arc<[String]>>,
    /// How long the door's clients wait for an answer, if not for as long as it takes.
    pub(super) patience: Option<Duration>,
}

impl Requester {
    /// Over HTTP. A balancer of `trusted` is believed when it says for whom it asks.
    pub(super) fn over_http(peer: Option<&Peer>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let mut requester = Self::of(peer);
        let address = peer.and_then(|peer| peer.address);
        let is_trusted = address.is_some_and(|address| {
            let ip = address.ip().to_canonical();
            trusted.iter().any(|network| network.contains(&ip))
        });
        if let (true, Some(client)) = (is_trusted, forwarded_for(headers)) {
            requester.name = format!("{client} by {}", requester.name);
            requester.client = Client::Address(household(client));
        }
        requester
    }

    fn of(peer: Option<&Peer>) -> Self {
        let address = peer.and_then(|peer| peer.address);
        let user = peer.and_then(|peer| peer.uid);
        let (name, client) = match (address, user) {
            (Some(address), _) => {
                let client = Client::Address(household(address.ip()));
                (address.to_string(), client)
            }
            (None, Some(user)) => (format!("uid {user}"), Client::User(user)),
            (None, None) => (String::new(), Client::Unknown),
        };
        Self {
            name,
            client,
            certified: peer.and_then(|peer| peer.certified.clone()),
            patience: None,
        }
    }

    /// Over the socket protocol of Octez.
    pub(super) fn over_socket(peer: &Peer) -> Self {
        Self {
            patience: Some(SOCKET_PATIENCE),
            ..Self::of(Some(peer))
        }
    }
}

/// The last address that is named: the one that the balancer itself has seen. What stands before it anybody may
/// have written.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?;
    let last = last.to_str().ok()?.rsplit(',').next()?.trim();
    last.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(by: &str, forwarded: &[&str]) -> Requester {
        let peer = Peer {
            address: Some(by.parse().unwrap()),
            uid: None,
            certified: None,
        };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        Requester::over_http(Some(&peer), &headers, &trusted)
    }

    #[test]
    fn a_balancer_that_is_trusted_says_for_whom_it_asks_and_nobody_else_does() {
        let client = |ip: &str| Client::Address(ip.parse().unwrap());
        let through = asked("10.0.0.1:5", &["1.2.3.4, 192.0.2.7"]);
        assert_eq!(through.client, client("192.0.2.7"));
        assert_eq!(through.name, "192.0.2.7 by 10.0.0.1:5");
        let twice = asked("10.0.0.1:5", &["1.2.3.4", "192.0.2.8"]);
        assert_eq!(twice.client, client("192.0.2.8"));
        let stranger = asked("192.0.2.9:5", &["1.2.3.4"]);
        assert_eq!(stranger.client, client("192.0.2.9"));
        for nonsense in [&[][..], &["x"], &["1.2.3.4, "]] {
            assert_eq!(asked("10.0.0.1:5", nonsense).client, client("10.0.0.1"));
        }
    }
}
