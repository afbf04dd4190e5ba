//! Who asks, through which door.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::server::Peer;

/// Octez waits 8 s for each answer on a socket, and then asks again on a new connection: what comes later is
/// lost, so it must not take longer.
const SOCKET_PATIENCE: Duration = Duration::from_millis(7_500);

/// The one whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Whoever has this address.
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
    /// Over HTTP.
    pub(super) fn over_http(peer: Option<&Peer>) -> Self {
        let address = peer.and_then(|peer| peer.address);
        let user = peer.and_then(|peer| peer.uid);
        let (name, client) = match (address, user) {
            (Some(address), _) => {
                let client = Client::Address(address.ip().to_canonical());
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
            ..Self::over_http(Some(peer))
        }
    }
}
