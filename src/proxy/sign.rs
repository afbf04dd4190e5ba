//! The sign path as one straight line:
//!
//! parse, policy, authenticate, replay?, claim (durable), forward the same bytes, verify, record
//! (durable), release.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use crate::decision_log::Entry;
use crate::guard::{Account, Candidate, Claim, Record, Slot, StoreError, Stream};
use crate::signer::{Ask, AttemptError};
use crate::telemetry::metrics::label;
use crate::tezos::{Curve, Digest, Payload, PublicKey, PublicKeyHash, Scheme, Signature, digest};
use crate::time::now;

use super::conclude::conclude;
use super::error::ProxyError;
use super::flight::Flight;
use super::{Proxy, auth, claim, decided, learn, policy, respond, tripwire};

/// How long after its deadline an operation may take to say how it ended; what takes longer is the disk.
const GRACE: Duration = Duration::from_millis(250);

/// A sign request as it came.
#[derive(Clone, Debug)]
pub(super) struct SignRequest {
    pub(super) key: PublicKeyHash,
    pub(super) bytes: Bytes,
    pub(super) authentication: Option<Signature>,
    pub(super) version: Option<u8>,
    /// The address of the baker's connection.
    pub(super) requester: String,
    /// Names of the baker's certificate.
    pub(super) certified: Option<Arc<[String]>>,
    /// How long bakers of its door wait for an answer.
    pub(super) patience: Option<Duration>,
    /// When its head had been read: its time runs from then on, however slowly its body comes.
    pub(super) arrived: Instant,
}

/// What is to be done, once parsed and admitted.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) request: SignRequest,
    pub(super) payload: Payload,
    pub(super) digest: Digest,
    pub(super) scheme: Scheme,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
    /// The request as the decision log describes it.
    pub(super) asked: Entry,
}

/// Work that may be done: the baker is who it must be.
struct Admitted {
    work: Work,
    public_key: PublicKey,
    /// The baker's authentication, for signers.
    passed_on: Option<String>,
}

impl Work {
    /// The slot that it asks for, if its payload has one.
    pub(super) fn candidate(&self) -> Option<Candidate> {
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
    let begun = request.arrived;
    let curve = request.key.curve();
    let (kind, result) = match Payload::decode_with(curve, &request.bytes, &proxy.vote_layouts) {
        Ok(payload) => {
            let kind = kind_name(&payload);
            (kind, admit_and_sign(proxy, request, payload, begun).await)
        }
        Err(error) => {
            let error = ProxyError::Malformed(error.to_string());
            let asked = decided::asked(&request, None, digest(&request.bytes));
            decided::turned_away(proxy, &asked, &error);
            ("unreadable", Err(error))
        }
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
    let digest = digest(&request.bytes);
    let asked = decided::asked(&request, Some(&payload), digest);
    let admitted = match admit(proxy, request, payload, digest, begun, &asked).await {
        // Its place is kept until the answer.
        Ok(admitted) => place(proxy, &admitted.work.payload).map(|place| (admitted, place)),
        Err(error) => Err(error),
    };
    match admitted {
        Ok((admitted, _place)) => sign_admitted(proxy, admitted).await,
        Err(error) => {
            decided::turned_away(proxy, &asked, &error);
            Err(error)
        }
    }
}

/// The place of what is not consensus.
fn place<'a>(
    proxy: &'a Proxy,
    payload: &Payload,
) -> Result<Option<SemaphorePermit<'a>>, ProxyError> {
    match payload {
        Payload::Consensus(_) => Ok(None),
        Payload::Other { .. } => proxy.room.for_other().map(Some),
    }
}

/// Everything that comes before the slot is asked for.
async fn admit(
    proxy: &Arc<Proxy>,
    request: SignRequest,
    payload: Payload,
    digest: Digest,
    begun: Instant,
    asked: &Entry,
) -> Result<Admitted, ProxyError> {
    let admitted = policy::admit(proxy, request.key, &payload)?;
    policy::check_client(proxy, request.key, request.certified.as_deref())?;
    let limit = admitted.limit(&payload, &proxy.deadline, request.patience);
    let work = Work {
        digest,
        scheme: scheme(request.key.curve(), request.version)?,
        begun,
        deadline: begun.checked_add(limit).unwrap_or(begun),
        request,
        payload,
        asked: asked.clone(),
    };
    let public_key = learn_all(proxy, &work).await?;
    let request = &work.request;
    let passed_on = auth::verify(
        proxy,
        request.key,
        &request.bytes,
        request.authentication.as_ref(),
    )
    .await?;
    Ok(Admitted {
        work,
        public_key,
        passed_on,
    })
}

/// Learns what must be known before authentication. What has to wait for it takes a place, if it is not consensus.
async fn learn_all(proxy: &Proxy, work: &Work) -> Result<PublicKey, ProxyError> {
    let learnt = async {
        // Both may wait, so both come before authentication: nothing may change between it and the claim.
        let public_key = learn::public_key(proxy, work).await?;
        learn::demand(proxy, work).await?;
        Ok::<_, ProxyError>(public_key)
    };
    tokio::pin!(learnt);
    let at_once = tokio::select! {
        biased;
        learnt = &mut learnt => Some(learnt?),
        () = std::future::ready(()) => None,
    };
    match (at_once, &work.payload) {
        (Some(public_key), _) => Ok(public_key),
        (None, Payload::Consensus(_)) => learnt.await,
        (None, Payload::Other { .. }) => {
            let _place = proxy.room.for_unproven()?;
            learnt.await
        }
    }
}

async fn sign_admitted(proxy: &Arc<Proxy>, admitted: Admitted) -> Result<Record, ProxyError> {
    let Admitted {
        work,
        public_key,
        passed_on,
    } = admitted;
    loop {
        if let Some(record) = work
            .candidate()
            .and_then(|candidate| proxy.guard.replay(&candidate))
        {
            tracing::debug!(key = %work.request.key, kind = work.kind(), "signature replayed");
            decided::replayed(proxy, &work.asked, &record);
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
                note_end(&proxy, &work, &result, &flight);
                flight.land(result);
            });
        }
        let Some(until) = work.deadline.checked_add(GRACE) else {
            return Err(ProxyError::Overload);
        };
        let Ok(outcome) = tokio::time::timeout_at(until, seat.outcome()).await else {
            if !leads {
                // The one that we joined may have a later deadline than ours, over a door whose clients wait longer.
                let parts = proxy.roster.explain(Some(work.request.key)).join("; ");
                return Err(ProxyError::NoAnswer(format!(
                    "no signer has answered in the time of this request, although one is still asked for the same: {parts}"
                )));
            }
            // The operation goes on, so that a repeat finds its record.
            let waited = work.begun.elapsed().as_secs_f64();
            let slowness = proxy.guard.report().slowness();
            return Err(ProxyError::Record(StoreError::Unavailable(format!(
                "the watermark store has not recorded it within {waited:.1}s; {slowness}"
            ))));
        };
        match outcome {
            // It was given up for others that left just before we came.
            Some(Err(ProxyError::Attempts(AttemptError::Dropped)))
                if Instant::now() < work.deadline => {}
            // The operation that we joined began earlier, and so did its deadline.
            Some(Err(ProxyError::Attempts(AttemptError::NoSigner { .. })))
                if !leads && Instant::now() < work.deadline => {}
            // A signer did not accept the authentication of the one that we joined; ours may be another.
            Some(Err(ProxyError::Attempts(AttemptError::Unauthenticated { .. })))
                if !leads && passed_on.is_some() && Instant::now() < work.deadline => {}
            Some(outcome) => {
                match &outcome {
                    Ok(record) => decided::released(proxy, &work.asked, record),
                    // Its own request is in the end of the operation.
                    Err(_) if leads => {}
                    Err(error) => decided::refused(proxy, &work.asked, error),
                }
                return outcome;
            }
            None => {
                let vanished = "the signing task ended without an answer".to_owned();
                let error = ProxyError::NoAnswer(vanished);
                decided::refused(proxy, &work.asked, &error);
                return Err(error);
            }
        }
    }
}

/// Notes what only the operation knows: those who joined it note their own ends.
fn note_end(proxy: &Proxy, work: &Work, result: &Result<Record, ProxyError>, flight: &Flight) {
    match result {
        Ok(record) if flight.is_unwanted() => decided::recorded(proxy, &work.asked, record),
        // Noted by whoever gets it, and in its turn.
        Ok(_) | Err(ProxyError::Claim { .. }) => {}
        Err(error) => decided::refused(proxy, &work.asked, error),
    }
}

/// From claim to record, in a task that outlives the baker's connection.
async fn lead(
    proxy: &Arc<Proxy>,
    work: &Work,
    public_key: PublicKey,
    authentication: Option<String>,
    flight: &Flight,
) -> Result<Record, ProxyError> {
    let permit = match claim::claim(proxy, work).await? {
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
        tripwire::halt(proxy, sighting).await;
    }
    let signed = signed?;
    if let Payload::Consensus(payload) = &work.payload {
        let (chain, key) = (payload.chain, work.request.key);
        // What another signer said meanwhile keeps this signature in.
        let settled = tripwire::settle(proxy, Account { chain, key }).await;
        settled.map_err(ProxyError::Record)?;
    }
    let record = proxy
        .guard
        .record(permit, signed.signature, &signed.signer, now())
        .await;
    record.map_err(ProxyError::Record)
}

fn scheme(curve: Curve, version: Option<u8>) -> Result<Scheme, ProxyError> {
    let none = || ProxyError::Malformed("signature version 0 has no BLS signatures".to_owned());
    Scheme::for_request(curve, version).ok_or_else(none)
}

/// The label of a payload's kind.
pub(super) fn kind_name(payload: &Payload) -> &'static str {
    match payload {
        Payload::Consensus(payload) => payload.kind.name(),
        Payload::Other { .. } => "other",
    }
}
