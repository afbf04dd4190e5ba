//! One attempt on one path: ask, read, classify, verify.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::time::Instant;

use crate::settings::Repeat;
use crate::tezos::{PublicKey, PublicKeyHash, Scheme, Signature, verify, wire};
use std::sync::Arc;

use super::super::client::{Answer, Cause, FailureClass, Outgoing, SendError, Sent};
use super::super::roster::{Path, Signer};
use super::Ask;

/// How an attempt ended without a signature.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) class: FailureClass,
    pub(super) cause: Cause,
    /// Counts against the path.
    pub(super) is_ill_health: bool,
    /// The signer will not sign these bytes however often it is asked.
    pub(super) is_refusal: bool,
    pub(super) unknown_key: bool,
    pub(super) unauthenticated: bool,
}

impl Failure {
    fn new(class: FailureClass, cause: Cause) -> Self {
        Self {
            class,
            cause,
            is_ill_health: false,
            is_refusal: false,
            unknown_key: false,
            unauthenticated: false,
        }
    }

    fn ill(class: FailureClass, cause: Cause) -> Self {
        Self {
            is_ill_health: true,
            ..Self::new(class, cause)
        }
    }

    pub(super) fn not_sent(cause: Cause) -> Self {
        Self::new(FailureClass::NotSent, cause)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self::ill(error.class, error.cause)
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
    bytes: Bytes,
    body: Bytes,
}

impl Exchange {
    pub(super) fn new(key: PublicKeyHash, scheme: Scheme, ask: &Ask) -> Self {
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
            bytes: ask.bytes.clone(),
            body: Bytes::from(wire::sign_body(&ask.bytes)),
        }
    }

    pub(super) async fn run(
        &self,
        signer: &Arc<Signer>,
        path: &Path,
        sent: &Sent,
    ) -> Result<Signature, Failure> {
        let _in_flight = signer.begin_signing();
        let begun = Instant::now();
        let mut answer = path.client().send(&self.outgoing(signer), sent).await?;
        if self.is_version_refused(signer, &answer) {
            signer.learn_version_2_only();
            tracing::info!(
                signer = signer.name(),
                "signer knows signature version 2 only"
            );
            answer = path.client().send(&self.outgoing(signer), sent).await?;
        }
        let signature = self.read(signer, &answer)?;
        let signature = self.verify(signature).await?;
        signer.add_latency(begun.elapsed());
        Ok(signature)
    }

    fn outgoing(&self, signer: &Signer) -> Outgoing {
        let version = match self.version {
            Some(3) if signer.knows_version_2_only() => Some(2),
            other => other,
        };
        let mut target = format!("/keys/{}", self.key);
        let mut separator = '?';
        if let Some(authentication) = &self.authentication {
            target.push_str("?authentication=");
            target.push_str(authentication);
            separator = '&';
        }
        if let Some(version) = version {
            target.push(separator);
            target.push_str("version=");
            target.push_str(&version.to_string());
        }
        Outgoing {
            method: Method::POST,
            target,
            body: Some(self.body.clone()),
            header: None,
        }
    }

    fn is_version_refused(&self, signer: &Signer, answer: &Answer) -> bool {
        answer.status == StatusCode::BAD_REQUEST
            && self.version == Some(3)
            && !signer.knows_version_2_only()
    }

    fn read(&self, signer: &Signer, answer: &Answer) -> Result<Signature, Failure> {
        if answer.status == StatusCode::OK {
            return wire::decode_signature(&answer.body).map_err(|error| {
                Failure::ill(FailureClass::Malformed, Cause::Garbage(error.to_string()))
            });
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
        let lower = words.to_ascii_lowercase();
        let says = |part: &str| lower.contains(part);
        let unauthenticated = code == 401
            || says("missing authentication")
            || says("invalid authentication signature");
        let unknown_key =
            code == 404 || says("no keys for the source contract") || says("unknown secret key");
        let watermark = matches!(code, 409 | 410) || says("watermark") || says("already signed");
        let never =
            says("magic byte") || watermark || unknown_key || unauthenticated || code == 400;
        // A device that refuses repeats will not change its mind about these bytes.
        let repeat_refused = signer.settings().repeat == Repeat::Refuse && watermark;
        let cause = if words.is_empty() {
            Cause::Status(code, words)
        } else {
            Cause::Refuses(words)
        };
        Err(Failure {
            is_refusal: never || repeat_refused,
            unknown_key,
            unauthenticated,
            ..Failure::new(FailureClass::Rejected, cause)
        })
    }

    async fn verify(&self, signature: Signature) -> Result<Signature, Failure> {
        let wrong = || Failure::ill(FailureClass::Malformed, Cause::WrongSignature);
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
