//! One attempt on one path: ask, read, classify, verify.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::time::Instant;

use crate::guard::Permit;
use crate::settings::Repeat;
use crate::tezos::{PublicKey, PublicKeyHash, Scheme, Signature, verify, wire};
use std::sync::Arc;

use super::super::cause::Cause;
use super::super::client::{Answer, FailureClass, Gate, Outgoing, Question, SendError};
use super::super::queue::Turned;
use super::super::roster::{Path, Signer};
use super::{Ask, Credentials};

/// How an attempt ended without a signature.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) class: FailureClass,
    pub(super) cause: Cause,
    pub(super) blame: Blame,
}

/// What a failure says beyond this one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// Nothing: the signer may be asked again.
    Nobody,
    /// The path is not well.
    Path,
    /// The signer does not do its work, though it may answer everything else.
    Signer,
    /// The signer will not sign these bytes however often it is asked.
    Refusal,
    /// A refusal for want of authentication.
    Unauthenticated,
    /// A refusal because the signer lacks the key.
    UnknownKey,
}

impl Blame {
    /// Whether asking the signer again is useless.
    pub(super) fn is_refusal(self) -> bool {
        match self {
            Self::Nobody | Self::Path | Self::Signer => false,
            Self::Refusal | Self::Unauthenticated | Self::UnknownKey => true,
        }
    }
}

impl Failure {
    fn new(class: FailureClass, cause: Cause) -> Self {
        Self {
            class,
            cause,
            blame: Blame::Nobody,
        }
    }

    fn ill(class: FailureClass, cause: Cause) -> Self {
        Self {
            class,
            cause,
            blame: Blame::Path,
        }
    }

    /// An answer that is none: the path works, the signer does not.
    fn bad(cause: Cause) -> Self {
        Self {
            class: FailureClass::Malformed,
            cause,
            blame: Blame::Signer,
        }
    }

    pub(super) fn not_sent(cause: Cause) -> Self {
        Self::new(FailureClass::NotSent, cause)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        if error.cause == Cause::TooLate {
            // The path was not even tried.
            Self::new(error.class, error.cause)
        } else {
            Self::ill(error.class, error.cause)
        }
    }
}

impl From<Turned> for Failure {
    fn from(turned: Turned) -> Self {
        match turned {
            Turned::Behind => Self {
                blame: Blame::Refusal,
                ..Self::not_sent(Cause::Behind)
            },
            Turned::Full => Self::not_sent(Cause::Full),
            Turned::Late => Self::not_sent(Cause::TooLate),
        }
    }
}

/// When a request was sent, and how often before.
struct Sent {
    begun: Instant,
    before: u8,
}

impl Sent {
    fn now(gate: &Gate) -> Self {
        Self {
            begun: Instant::now(),
            before: gate.sends(),
        }
    }

    /// How long the answer took; nothing if it was sent twice, because a dead connection's time is not the device's.
    fn took(&self, gate: &Gate) -> Option<Duration> {
        let once = gate.sends().saturating_sub(self.before) <= 1;
        once.then(|| self.begun.elapsed())
    }
}

/// What every attempt of one operation sends and expects.
#[derive(Debug)]
pub(super) struct Exchange {
    key: PublicKeyHash,
    public_key: PublicKey,
    scheme: Scheme,
    version: Option<u8>,
    authentication: Option<String>,
    credentials: Credentials,
    bytes: Bytes,
    /// Whether bytes that may have left may be sent again.
    again: bool,
}

impl Exchange {
    pub(super) fn new(permit: &Permit, again: bool, ask: &Ask, credentials: Credentials) -> Self {
        let (key, scheme) = (permit.key(), permit.scheme());
        // For tz1 to tz3 all versions mean the same, and old signers refuse the newest.
        let version = match scheme {
            Scheme::Standard => None,
            Scheme::Aug | Scheme::Pop => ask.version,
        };
        Self {
            key,
            public_key: ask.public_key.clone(),
            scheme,
            version,
            authentication: ask.authentication.clone(),
            credentials,
            bytes: ask.bytes.clone(),
            again,
        }
    }

    /// Asks `signer` over `path`. With `again` it may be sent again on a fresh connection, if a kept one is lost.
    pub(super) async fn run(
        &self,
        signer: &Arc<Signer>,
        path: &Path,
        gate: &Gate,
        again: bool,
    ) -> Result<Signature, Failure> {
        let _in_flight = signer.begin_signing();
        let version = self.version_for(signer);
        let mut begun = Sent::now(gate);
        let mut answer = path
            .client()
            .send(&self.outgoing(signer, version, again), gate)
            .await?;
        // What was sent counts, not what has been learnt meanwhile by another request's answer.
        if version == Some(3) && answer.status == StatusCode::BAD_REQUEST {
            if signer.learn_version_2_only() {
                tracing::info!(
                    signer = signer.name(),
                    "signer knows signature version 2 only"
                );
            }
            begun = Sent::now(gate);
            answer = path
                .client()
                .send(&self.outgoing(signer, Some(2), again), gate)
                .await?;
        }
        let signature = Self::read(&answer)?;
        let signature = self.verify(signature).await?;
        if let Some(took) = begun.took(gate) {
            signer.add_latency(took);
        }
        Ok(signature)
    }

    fn version_for(&self, signer: &Signer) -> Option<u8> {
        match self.version {
            Some(3) if signer.knows_version_2_only() => Some(2),
            other => other,
        }
    }

    fn outgoing(&self, signer: &Signer, version: Option<u8>, again: bool) -> Outgoing {
        let own = self
            .credentials
            .for_request(signer.name(), self.key, &self.bytes);
        Outgoing {
            question: Question::Sign {
                key: self.key,
                bytes: self.bytes.clone(),
                authentication: own.or_else(|| self.authentication.clone()),
                version,
            },
            again: again && self.again && signer.settings().repeat != Repeat::Refuse,
            header: None,
        }
    }

    fn read(answer: &Answer) -> Result<Signature, Failure> {
        if answer.status == StatusCode::OK {
            return wire::decode_signature(&answer.body)
                .map_err(|error| Failure::bad(Cause::Garbage(error.to_string())));
        }
        let words = wire::decode_error(&answer.body).unwrap_or_default();
        let code = answer.status.as_u16();
        // Not the signer speaks but something in between.
        if matches!(code, 502..=504) {
            return Err(Failure::ill(
                FailureClass::MaybeSent,
                Cause::Status(code, words),
            ));
        }
        let blame = blame(code, &words.to_ascii_lowercase());
        let cause = if words.is_empty() {
            Cause::Status(code, words)
        } else {
            Cause::Refuses(words)
        };
        Err(Failure {
            class: FailureClass::Rejected,
            cause,
            blame,
        })
    }

    async fn verify(&self, signature: Signature) -> Result<Signature, Failure> {
        let wrong = || Failure::bad(Cause::WrongSignature);
        match self.scheme {
            Scheme::Standard => {
                verify(&self.public_key, self.scheme, &self.bytes, &signature)
                    .map_err(|_| wrong())?;
                Ok(signature)
            }
            Scheme::Aug | Scheme::Pop => {
                // Pairings take a millisecond or more: not on the async threads.
                let (key, scheme, bytes) =
                    (self.public_key.clone(), self.scheme, self.bytes.clone());
                let verified = tokio::task::spawn_blocking(move || {
                    verify(&key, scheme, &bytes, &signature).map(|()| signature)
                });
                verified.await.map_err(|_| wrong())?.map_err(|_| wrong())
            }
        }
    }
}

/// What an error of a signer means; the words are those of octez-signer, Signatory and their like.
fn blame(code: u16, words: &str) -> Blame {
    let says = |part: &str| words.contains(part);
    if code == 401 || says("missing authentication") || says("invalid authentication signature") {
        return Blame::Unauthenticated;
    }
    if code == 404 || says("no keys for the source contract") || says("unknown secret key") {
        return Blame::UnknownKey;
    }
    // A signer ahead of us, or one that has signed these bytes and does not repeat itself: no ill-health.
    let watermark = matches!(code, 409 | 410) || says("watermark") || says("already signed");
    if watermark || code == 400 || says("magic byte") {
        return Blame::Refusal;
    }
    Blame::Signer
}
