//! What a signature needs to be known first: the public key, and whether signers demand authentication.
//!
//! Both are waited for until the deadline, before authentication and before any state is made.

use std::sync::Arc;

use tokio::time::Instant;

use crate::signer::{Seek, Served, Signer, SignerState};
use crate::tezos::PublicKey;

use super::error::ProxyError;
use super::metadata::hold_until;
use super::sign::Work;
use super::{Proxy, lookup};

/// The key every signature is verified with; waits for it if no signer has ever shown it. A signer that
/// cannot be reached may have it, so only a denial by all ends the wait.
pub(super) async fn public_key(proxy: &Proxy, work: &Work) -> Result<PublicKey, ProxyError> {
    let key = work.request.key;
    loop {
        // In short turns: few look-ups run at once, and this one may wait for long.
        let until = hold_until(Instant::now()).min(work.deadline);
        match lookup::public_key(proxy, key, until).await {
            Seek::Found(public_key) => return Ok(public_key),
            Seek::Denied { by_all: true } => {
                let reason = "is known to no signer".to_owned();
                return Err(ProxyError::UnknownKey { key, reason });
            }
            Seek::Denied { by_all: false } | Seek::Unanswered => {}
        }
        if Instant::now() >= work.deadline {
            let causes = proxy.roster.explain(Some(key)).join("; ");
            return Err(ProxyError::NoAnswer(format!(
                "no signer has shown the public key of {key} within {:.1}s: {causes}",
                work.begun.elapsed().as_secs_f64()
            )));
        }
    }
}

/// Waits until a signer that can have the key has said whether it demands authentication: before that an
/// unauthenticated request could move a floor. Those that have not said are not asked to sign.
pub(super) async fn demand(proxy: &Proxy, work: &Work) -> Result<(), ProxyError> {
    let key = work.request.key;
    let can_have_it = |signer: &Arc<Signer>| match signer.serves(key) {
        Served::Proved => true,
        // One that is there would have been asked.
        Served::Unknown => !matches!(signer.state(), SignerState::Up | SignerState::Suspect),
        Served::Denied => false,
    };
    let mut board = proxy.roster.board();
    loop {
        board.catch_up();
        let mut signers = proxy.roster.signers().iter();
        if signers.any(|signer| signer.has_spoken() && can_have_it(signer)) {
            return Ok(());
        }
        if tokio::time::timeout_at(work.deadline, board.changed())
            .await
            .is_err()
        {
            return Err(ProxyError::NoAnswer(format!(
                "no signer that has this key has said within {:.1}s whether it demands authentication: {}",
                work.begun.elapsed().as_secs_f64(),
                proxy.roster.explain(Some(key)).join("; ")
            )));
        }
    }
}
