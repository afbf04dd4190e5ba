//! The faults: what is done to tunnels, to sshd and to the signers.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::ground::{Entrances, Ground};
use crate::harness::tunnel::Tunnel;
use crate::harness::wait::lasts;

/// How long a signature takes at either signer, one at a time, as with octez-signer's `--check-high-watermark`.
pub(crate) const LATENCY_MS: u32 = 20;

const BOTH_GONE: Duration = Duration::from_secs(10);
const FLAP: Duration = Duration::from_secs(2);
const FLAPS: u32 = 15;
const SSHD_AWAY: Duration = Duration::from_secs(2);
/// A home that starts a second session beside the frozen one does it after so long.
const SECOND_SESSION: Duration = Duration::from_secs(1);

/// What happens, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Killed,
    Stalled,
    BothGone,
    Flapping,
    Slow,
    Status500,
    Garbage,
    WrongSignature,
    ResetAfterSigning,
    Hung,
    SshdRestarted,
    StaleListener,
    SocketRebound,
}

impl Fault {
    pub(crate) const ALL: [Self; 14] = [
        Self::None,
        Self::Killed,
        Self::Stalled,
        Self::BothGone,
        Self::Flapping,
        Self::Slow,
        Self::Status500,
        Self::Garbage,
        Self::WrongSignature,
        Self::ResetAfterSigning,
        Self::Hung,
        Self::SshdRestarted,
        Self::StaleListener,
        Self::SocketRebound,
    ];

    /// Its word for `scripts/faults`, and its sentence in the table.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::None => ("none", "none"),
            Self::Killed => ("killed", "active tunnel killed"),
            Self::Stalled => ("stalled", "active tunnel stalled (SIGSTOP of its ssh)"),
            Self::BothGone => ("both-gone", "both tunnels gone for 10 s"),
            Self::Flapping => (
                "flapping",
                "preferred tunnel gone and back every 2 s for a minute",
            ),
            Self::Slow => ("slow", "preferred signer ten times slower"),
            Self::Status500 => ("status500", "preferred signer answers 500"),
            Self::Garbage => ("garbage", "preferred signer answers garbage"),
            Self::WrongSignature => ("wrong-signature", "preferred signer signs wrongly"),
            Self::ResetAfterSigning => (
                "reset-after-signing",
                "preferred signer signs, then resets the connection",
            ),
            Self::Hung => ("hung", "device hung behind green GETs"),
            Self::SshdRestarted => ("sshd-restarted", "sshd restarted, 2 s away"),
            Self::StaleListener => (
                "stale-listener",
                "stale session holds the preferred port against a new ssh",
            ),
            Self::SocketRebound => (
                "socket-rebound",
                "Unix socket of a stalled session taken over after 1 s",
            ),
        }
    }

    /// Requests of a whole row at 20 a second, of which the first two seconds are before the fault.
    pub(crate) const fn requests(self) -> usize {
        match self {
            // A minute of flaps and two seconds after it.
            Self::Flapping => 1_280,
            // Longer than it takes sshd to give up a session on whose port nobody connects.
            Self::StaleListener => 500,
            Self::None
            | Self::Killed
            | Self::Stalled
            | Self::BothGone
            | Self::Slow
            | Self::Status500
            | Self::Garbage
            | Self::WrongSignature
            | Self::ResetAfterSigning
            | Self::Hung
            | Self::SshdRestarted
            | Self::SocketRebound => 200,
        }
    }

    /// What the proxy's configuration needs for it beyond signers and keys.
    pub(crate) fn tables(self) -> &'static str {
        if self == Self::BothGone {
            "[deadline]\nconsensus = \"15s\""
        } else {
            ""
        }
    }

    pub(crate) fn entrances(self) -> Entrances {
        if self == Self::SocketRebound {
            Entrances::Sockets
        } else {
            Entrances::Ports
        }
    }

    /// Makes it happen and returns when nothing more is to be done, which may be never. Gives back the
    /// sessions that it froze: they must last as long as the row.
    pub(crate) async fn strike(self, ground: &mut Ground) -> Vec<Tunnel> {
        let Ground {
            tunnels: [a, b],
            signers: [signer, _],
            sshd,
            ..
        } = ground;
        match self {
            Self::None => {}
            Self::Killed => a.kill(),
            Self::Stalled => a.stall(),
            Self::BothGone => {
                let gone = Instant::now();
                a.kill();
                b.kill();
                lasts(gone, BOTH_GONE).await;
                tokio::join!(a.open(), b.open());
            }
            Self::Flapping => {
                let begun = Instant::now();
                for flap in 0..FLAPS {
                    lasts(begun, FLAP * (2 * flap)).await;
                    a.kill();
                    lasts(begun, FLAP * (2 * flap + 1)).await;
                    a.open().await;
                }
            }
            Self::Slow => signer.faults(&json!({"latency_ms": 10 * LATENCY_MS})).await,
            Self::Status500 => signer.faults(&on("status500")).await,
            Self::Garbage => signer.faults(&on("garbage")).await,
            Self::WrongSignature => signer.faults(&on("wrong_signature")).await,
            Self::ResetAfterSigning => signer.faults(&on("sign_then_reset")).await,
            Self::Hung => signer.faults(&json!({"stall": "sign"})).await,
            Self::SshdRestarted => {
                let gone = Instant::now();
                sshd.stop();
                lasts(gone, SSHD_AWAY).await;
                sshd.start_again().await;
                tokio::join!(a.open(), b.open());
            }
            Self::StaleListener => {
                let _stale = freeze(a);
                match a.keep().await {}
            }
            Self::SocketRebound => {
                let frozen = Instant::now();
                let stale = freeze(a);
                lasts(frozen, SECOND_SESSION).await;
                a.open().await;
                return vec![stale];
            }
        }
        Vec::new()
    }
}

fn on(switch: &str) -> Value {
    json!({switch: true})
}

/// Stalls the session of `tunnel` and puts another, which is not open yet, in its place.
fn freeze(tunnel: &mut Tunnel) -> Tunnel {
    tunnel.stall();
    let another = tunnel.another();
    std::mem::replace(tunnel, another)
}
