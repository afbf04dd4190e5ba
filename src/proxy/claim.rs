//! The claim of a slot: asked in its turn, waited for until the deadline, and noted as what it became, also
//! when that shows only after its requester was told that the disk stalls.
//!
//! Invariants: the store is asked before the deadline or not at all, for a store that has no place for a claim
//! refuses it at once; so late claims are no more than it has places. It does not sign and does not forward.

use std::sync::Arc;

use tokio::time::Instant;

use crate::guard::{Candidate, Claim, ClaimError, Permit, Refusal, StoreError, Stream};
use crate::time::now;

use super::error::ProxyError;
use super::sign::Work;
use super::turns::OwnTurn;
use super::{Proxy, decided, tripwire};

/// Claims the slot of `work`; payloads without one need none.
pub(super) async fn claim(proxy: &Arc<Proxy>, work: &Work) -> Result<Claim, ProxyError> {
    let Some(candidate) = work.candidate() else {
        let key = work.request.key;
        let permit: Option<Permit> =
            proxy
                .guard
                .unslotted(&work.payload, key, work.digest, work.scheme);
        let refused = || ProxyError::Policy("this payload needs a claim".to_owned());
        return permit.map(Claim::Permitted).ok_or_else(refused);
    };
    let ready = tokio::time::timeout_at(work.deadline, async {
        let turn = proxy.turns.take(candidate.slot).await;
        let settled = tripwire::settle(proxy, candidate.slot.stream.into()).await;
        (turn, settled)
    });
    let turn = match ready.await {
        Ok((turn, Ok(()))) => turn,
        // The turn is kept until it is noted.
        Ok((_turn, Err(error))) => return note_claim(proxy, work, Err(error.into())),
        Err(_) => return note_claim(proxy, work, Err(stalled(proxy, work))),
    };
    let mut asking = Box::pin(ask(Arc::clone(proxy), work.clone(), candidate, turn));
    if let Ok(claim) = tokio::time::timeout_at(work.deadline, &mut asking).await {
        return claim;
    }
    let refused = note_claim(proxy, work, Err(stalled(proxy, work)));
    // The store has been asked, and what it makes of it is told; nobody uses the permit.
    proxy
        .operations
        .spawn("late claim", async move { drop(asking.await) });
    refused
}

/// Asks the store and notes what it says before anybody else may ask for the slot.
async fn ask(
    proxy: Arc<Proxy>,
    work: Work,
    candidate: Candidate,
    _turn: OwnTurn,
) -> Result<Claim, ProxyError> {
    let claim = proxy.guard.claim(candidate, now()).await;
    note_claim(&proxy, &work, claim)
}

fn stalled(proxy: &Proxy, work: &Work) -> ClaimError {
    let waited = work.begun.elapsed().as_secs_f64();
    let slowness = proxy.guard.report().slowness();
    StoreError::Unavailable(format!(
        "the watermark store has not made the claim durable within {waited:.1}s; {slowness}"
    ))
    .into()
}

/// Notes the guard's decision, in the turn before anybody else may ask for the slot.
fn note_claim(
    proxy: &Proxy,
    work: &Work,
    claim: Result<Claim, ClaimError>,
) -> Result<Claim, ProxyError> {
    match claim {
        Ok(Claim::Permitted(permit)) => {
            let again = permit.claimed_before().is_some();
            let late = Instant::now() >= work.deadline;
            decided::claimed(proxy, &work.asked, again, late);
            Ok(Claim::Permitted(permit))
        }
        // Noted by those who get it.
        Ok(Claim::Recorded(record)) => Ok(Claim::Recorded(record)),
        Err(cause) => {
            let remedy = remedy(proxy, &cause);
            let error = ProxyError::Claim { cause, remedy };
            decided::refused(proxy, &work.asked, &error);
            Err(error)
        }
    }
}

/// The command that lets a refused key sign, where there is one.
fn remedy(proxy: &Proxy, cause: &ClaimError) -> String {
    match cause {
        ClaimError::Refused(Refusal::NoWatermark { chain, key, .. }) => {
            let mounted = match proxy.guard.report().reason {
                Some(reason) => format!(" ({reason})"),
                None => String::new(),
            };
            format!(
                "{mounted}; set one above everything ever signed with this key: signer-proxy watermark init \
                 --config {} --key {key} --chain {chain} --level LEVEL (or --from-node URL)",
                proxy.config_name
            )
        }
        ClaimError::Refused(Refusal::Halted { slot, halt }) => {
            let Stream { chain, key, .. } = slot.0.stream;
            let resume = format!("--key {key} --chain {chain} --level ");
            // What the chain showed is told together with the command and the level.
            if halt.reason.contains(&resume) {
                return String::new();
            }
            format!(
                "; find out who else signs with this key and stop it, then: signer-proxy watermark resume \
                 --config {} {resume}LEVEL",
                proxy.config_name
            )
        }
        ClaimError::Refused(
            Refusal::BelowFloor { .. }
            | Refusal::Conflict { .. }
            | Refusal::Scheme { .. }
            | Refusal::Stopped { .. },
        )
        | ClaimError::Store(_)
        | ClaimError::TooFar(_) => String::new(),
    }
}
