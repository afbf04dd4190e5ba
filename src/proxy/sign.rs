//! The sign path as one straight line:
//!
//! parse, policy, authenticate, replay?, claim (durable), forward the same bytes, verify, record
//! (durable), release.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::guard::{
    Candidate, Claim, ClaimError, Permit, Record, Refusal, Slot, StoreError, Stream,
};
use crate::signer::{Ask, AttemptError, Seek, Served, Signer, SignerState};
use crate::telemetry::metrics::label;
use crate::tezos::{Curve, Digest, Payload, PublicKey, PublicKeyHash, Scheme, Signature, digest};
use crate::time::now;

use super::conclude::conclude;
use super::error::ProxyError;
use super::flight::Flight;
use super::metadata::hold_until;
use super::{Proxy, auth, lookup, policy, respond, tripwire};

/// A sign request as it came.
#[derive(Clone, Debug)]
pub(super) struct SignRequest {
    pub(super) key: PublicKeyHash,
    pub(super) bytes: Bytes,
    pub(super) authentication: Option<Signature>,
    pub(super) version: Option<u8>,
}

/// What is to be done, once parsed and admitted.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) request: SignRequest,
    pub(super) payload: Payload,
    pub(super) digest: Digest,
    scheme: Scheme,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
}

impl Work {
    fn candidate(&self) -> Option<Candidate> {
        let Payload::Consensus(payload) = &self.payload else {
            return None;
        };
        let stream = Stream {
            chain: payload.chain,
            key: self.request.key,
            kind: payload.kind,
        };
        let slot = Slot {
            stream,
            position: payload.position,
        };
        Some(Candidate {
            slot,
            digest: self.digest,
            scheme: self.scheme,
        })
    }

    pub(super) fn kind(&self) -> &'static str {
        kind_name(&self.payload)
    }
}

/// Answers a sign request with the signature's text, and counts it.
pub(super) async fn sign(proxy: &Arc<Proxy>, request: SignRequest) -> Result<String, ProxyError> {
    let begun = Instant::now();
    let curve = request.key.curve();
    let (kind, result) = match Payload::decode_with(curve, &request.bytes, &proxy.vote_layouts) {
        Ok(payload) => {
            let kind = kind_name(&payload);
            (kind, admit_and_sign(proxy, request, payload, begun).await)
        }
        Err(error) => ("unreadable", Err(ProxyError::Malformed(error.to_string()))),
    };
    let outcome = result.as_ref().map_or_else(respond::outcome, |_| "signed");
    let labels = label::SignRequest {
        kind: kind.to_owned(),
        outcome: outcome.to_owned(),
    };
    proxy.metrics.sign_requests.get_or_create(&labels).inc();
    let by_kind = label::Kind {
        kind: kind.to_owned(),
    };
    proxy
        .metrics
        .sign_duration
        .get_or_create(&by_kind)
        .observe(begun.elapsed().as_secs_f64());
    result.map(|record| record.signature.encode(curve))
}

async fn admit_and_sign(
    proxy: &Arc<Proxy>,
    request: SignRequest,
    payload: Payload,
    begun: Instant,
) -> Result<Record, ProxyError> {
    let limit = policy::admit(proxy, request.key, &payload)?.limit(&payload, &proxy.deadline);
    let work = Work {
        digest: digest(&request.bytes),
        scheme: scheme(request.key.curve(), request.version)?,
        begun,
        deadline: begun.checked_add(limit).unwrap_or(begun),
        request,
        payload,
    };
    // Both may wait, so both come before authentication: nothing may change between it and the claim.
    let public_key = public_key(proxy, &work).await?;
    demand_known(proxy, &work).await?;
    let request = &work.request;
    let passed_on = auth::verify(
        proxy,
        request.key,
        &request.bytes,
        request.authentication.as_ref(),
    )?;
    loop {
        if let Some(record) = work
            .candidate()
            .and_then(|candidate| proxy.guard.replay(&candidate))
        {
            tracing::debug!(key = %work.request.key, kind = work.kind(), "signature replayed");
            return Ok(record);
        }
        let mut seat = proxy
            .flights
            .board((work.request.key, work.digest, work.scheme));
        let leads = seat.lead.is_some();
        if let Some(flight) = seat.lead.take() {
            let (proxy, work) = (Arc::clone(proxy), work.clone());
            let (public_key, passed_on) = (public_key.clone(), passed_on.clone());
            proxy.clone().operations.spawn("sign", async move {
                let result = lead(&proxy, &work, public_key, passed_on, &flight).await;
                conclude(&proxy, &work, &result);
                flight.land(result);
            });
        }
        match seat.outcome().await {
            // It was given up for others that left just before we came.
            Some(Err(ProxyError::Attempts(AttemptError::Dropped)))
                if Instant::now() < work.deadline => {}
            // The operation that we joined began earlier, and so did its deadline.
            Some(Err(ProxyError::Attempts(AttemptError::NoSigner { .. })))
                if !leads && Instant::now() < work.deadline => {}
            // A signer did not accept the authentication of the one that we joined; ours may be another.
            Some(Err(ProxyError::Attempts(AttemptError::Unauthenticated { .. })))
                if !leads && passed_on.is_some() => {}
            Some(outcome) => return outcome,
            None => {
                return Err(ProxyError::NoAnswer(
                    "the signing task ended without an answer".to_owned(),
                ));
            }
        }
    }
}

/// From claim to record, in a task that outlives the baker's connection.
async fn lead(
    proxy: &Proxy,
    work: &Work,
    public_key: PublicKey,
    authentication: Option<String>,
    flight: &Flight,
) -> Result<Record, ProxyError> {
    let permit = match claim(proxy, work).await? {
        Claim::Recorded(record) => return Ok(record),
        Claim::Permitted(permit) => permit,
    };
    let ask = Ask {
        public_key,
        bytes: work.request.bytes.clone(),
        authentication,
        version: work.request.version,
        deterministic: policy::is_deterministic(proxy, work.request.key),
        deadline: work.deadline,
    };
    let signed = proxy.attempts.sign(&permit, &ask, flight.unwanted()).await;
    // A signer that began to demand authentication is noticed at its first refusal.
    for signer in proxy
        .roster
        .signers()
        .iter()
        .filter(|signer| signer.take_demand())
    {
        proxy.cache.note_demand(signer.name());
        proxy.prober.refresh_authorized_keys();
    }
    if let Err(AttemptError::Foreign(sighting)) = &signed {
        // Before the answer: what comes next for this key is refused already.
        tripwire::halt(proxy, sighting).await.ok();
    }
    let signed = signed?;
    let record = proxy
        .guard
        .record(permit, signed.signature, &signed.signer, now())
        .await;
    record.map_err(ProxyError::Record)
}

async fn claim(proxy: &Proxy, work: &Work) -> Result<Claim, ProxyError> {
    let Some(candidate) = work.candidate() else {
        let key = work.request.key;
        let permit: Option<Permit> =
            proxy
                .guard
                .unslotted(&work.payload, key, work.digest, work.scheme);
        let refused = || ProxyError::Policy("this payload needs a claim".to_owned());
        return permit.map(Claim::Permitted).ok_or_else(refused);
    };
    let claim = tokio::time::timeout_at(work.deadline, proxy.guard.claim(candidate, now()));
    match claim.await {
        Ok(Ok(claim)) => Ok(claim),
        Ok(Err(cause)) => {
            let remedy = remedy(proxy, &cause);
            Err(ProxyError::Claim { cause, remedy })
        }
        Err(_) => {
            let waited = work.begun.elapsed().as_secs_f64();
            let stalled = format!(
                "the watermark store has not made the claim durable within {waited:.1}s; its disk stalls"
            );
            Err(ProxyError::Claim {
                cause: StoreError::Unavailable(stalled).into(),
                remedy: String::new(),
            })
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
        ClaimError::Refused(Refusal::Halted { slot, .. }) => {
            let Stream { chain, key, .. } = slot.0.stream;
            format!(
                "; find out who else signs with this key and stop it, then: signer-proxy watermark resume \
                 --config {} --key {key} --chain {chain} --level LEVEL",
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

/// The key every signature is verified with; waits for it if no signer has ever shown it. A signer that
/// cannot be reached may have it, so only a denial by all ends the wait.
async fn public_key(proxy: &Proxy, work: &Work) -> Result<PublicKey, ProxyError> {
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
async fn demand_known(proxy: &Proxy, work: &Work) -> Result<(), ProxyError> {
    let key = work.request.key;
    let can_have_it = |signer: &Arc<Signer>| match signer.serves(key) {
        Served::Proved => true,
        // One that is there would have been asked.
        Served::Unknown => !matches!(signer.state(), SignerState::Up | SignerState::Suspect),
        Served::Denied => false,
    };
    let mut board = proxy.roster.board();
    loop {
        board.borrow_and_update();
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

fn scheme(curve: Curve, version: Option<u8>) -> Result<Scheme, ProxyError> {
    let none = || ProxyError::Malformed("signature version 0 has no BLS signatures".to_owned());
    Scheme::for_request(curve, version).ok_or_else(none)
}

/// The label of a payload's kind.
fn kind_name(payload: &Payload) -> &'static str {
    match payload {
        Payload::Consensus(payload) => payload.kind.name(),
        Payload::Other { .. } => "other",
    }
}
