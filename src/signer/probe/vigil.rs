//! What becomes of a probe that a path has swallowed: its answer may come late, or never.
//!
//! Whoever connects to a TCP port that a dead ssh session holds keeps that session alive: sshd asks a silent client
//! whether it lives only after a time without any traffic, and a new connection is traffic. So a port that accepts
//! and stays silent is left alone for longer and longer, with one connection open that tells the moment it ends or
//! answers. A Unix socket is simply taken over by the next session, so it is knocked at as ever.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::cause::Cause;
use super::super::client::Gate;
use super::super::health::PathState;
use super::super::roster::{Path, Signer};
use super::judge::Reply;
use super::{Prober, between};

/// The longest time that the answer of a missed probe is waited for while others follow it.
const LATE: Duration = Duration::from_secs(4);
/// How long a silent port is left alone first; doubles each time.
const QUIET: Duration = Duration::from_secs(2);
/// The longest time: longer than any usual `ClientAliveInterval`.
const QUIET_MOST: Duration = Duration::from_secs(64);

/// A missed probe whose answer may still come.
#[derive(Debug, Default)]
pub(super) struct Late {
    exchange: JoinSet<Reply>,
    begun: Option<Instant>,
    gate: Gate,
}

impl Late {
    /// Waits for this one, unless there is another already.
    pub(super) fn keep(&mut self, exchange: JoinSet<Reply>, begun: Instant, gate: Gate) {
        if self.exchange.is_empty() {
            *self = Self {
                exchange,
                begun: Some(begun),
                gate,
            };
        }
    }

    /// Whether there is one, over a connection that was accepted: its end will show.
    pub(super) fn is_accepted(&self) -> bool {
        !self.exchange.is_empty() && self.gate.is_sent()
    }

    /// Its reply, or nothing when it is given up; never resolves while there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Reply> {
        let until = self.begun.and_then(|begun| begun.checked_add(LATE));
        let Some(until) = until.filter(|_| !self.exchange.is_empty()) else {
            return std::future::pending().await;
        };
        let reply = tokio::time::timeout_at(until, self.exchange.join_next()).await;
        self.give_up();
        reply.ok()??.ok()
    }

    /// Its reply, however long it takes; nothing if there is none. Cancel-safe.
    async fn reply(&mut self) -> Option<Reply> {
        self.exchange.join_next().await?.ok()
    }

    /// Closes its connection.
    pub(super) fn give_up(&mut self) {
        *self = Self::default();
    }
}

/// How long a silent port is left alone next.
#[derive(Debug)]
pub(super) struct Quiet(Duration);

impl Default for Quiet {
    fn default() -> Self {
        Self(QUIET)
    }
}

impl Quiet {
    fn take(&mut self) -> Duration {
        let next = self.0.saturating_mul(2).min(QUIET_MOST);
        std::mem::replace(&mut self.0, next)
    }
}

/// Whether a path that has just been silent is to be left alone.
pub(super) fn is_due(path: &Path) -> bool {
    let is_silent = matches!(path.health().trouble(), Some((Cause::Silent, _)));
    let is_port = path.url().host_and_port().is_some();
    is_port && is_silent && path.state() == PathState::Down
}

impl Prober {
    /// Leaves a silent port alone until what was asked over it ends, or for long enough to ask anew.
    pub(super) async fn keep_vigil(
        &self,
        signer: &Signer,
        path: &Path,
        late: &mut Late,
        quiet: &mut Quiet,
    ) {
        let _vigil = path.begin_vigil();
        let length = quiet.take();
        let tenth = length.checked_div(10).unwrap_or_default();
        let chance = self.roster().chance();
        let pause = between(chance, length, length.saturating_add(tenth));
        let mut board = self.roster().board();
        let until = Instant::now().checked_add(pause);
        let until = until.unwrap_or_else(Instant::now);
        // What was under way before may answer yet.
        while path.state() == PathState::Down {
            tokio::select! {
                biased;
                reply = late.reply(), if !late.exchange.is_empty() => {
                    self.take_in_late(signer, path, reply.as_ref());
                    break;
                }
                () = board.changed() => {}
                () = tokio::time::sleep_until(until) => break,
            }
        }
        late.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_port_is_left_alone_for_longer_each_time_up_to_a_minute() {
        let mut quiet = Quiet::default();
        let lengths: Vec<_> = (0..8).map(|_| quiet.take().as_secs()).collect();
        assert_eq!(lengths, [2, 4, 8, 16, 32, 64, 64, 64]);
    }
}
