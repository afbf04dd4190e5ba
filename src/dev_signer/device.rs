//! One signing device: its keys, its rules and the making of one signature.
//!
//! Knows nothing of HTTP or connections. Checks run in octez-signer's order: key, magic byte (and chain),
//! authentication, watermark. Invariant: deciding on a payload, signing it and raising the mark are one
//! step that no other signature of the device can enter.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::tezos::{
    ChainId, ConsensusPayload, Curve, Payload, PayloadError, PublicKey, PublicKeyHash, Scheme,
    SecretKey, Signature, digest, verify_authentication,
};

use super::Options;
use super::counts::Counters;
use super::faults::{Faults, Switches};
use super::keys::keys_from_seed;
use super::log::{Entry, Event, Log};
use super::watermark::{Decision, Rule, Watermarks};

/// A sign request as it came off the wire.
#[derive(Clone, Debug)]
pub(super) struct SignRequest {
    pub(super) key: PublicKeyHash,
    pub(super) bytes: Vec<u8>,
    pub(super) authentication: Option<Signature>,
    pub(super) version: Option<u8>,
}

/// Why nothing was signed; prints as the sentence of the answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("invalid authentication signature")]
    AuthenticationInvalid,
    #[error("missing authentication signature field")]
    AuthenticationMissing,
    #[error("chain {0} not allowed")]
    Chain(ChainId),
    #[error("the signer cannot write its log")]
    Log(#[from] io::Error),
    #[error("magic byte 0x{0:02x} not allowed")]
    MagicByte(u8),
    #[error("cannot find level and round: {0}")]
    Payload(#[from] PayloadError),
    #[error("the system's source of randomness failed")]
    Randomness,
    #[error("no keys for the source contract {0}")]
    UnknownKey(PublicKeyHash),
    #[error("signature version {0} has no BLS signatures")]
    Version(u8),
    #[error("{0}")]
    Watermark(String),
}

/// The device.
#[derive(Debug)]
pub(super) struct Device {
    keys: HashMap<PublicKeyHash, SecretKey>,
    public_keys: Vec<PublicKey>,
    chains: Vec<ChainId>,
    authorized_keys: Vec<PublicKey>,
    switches: Switches,
    counters: Counters,
    log: Log,
    marks: Mutex<Watermarks>,
    /// Held over one signature, its latency included, while [`Faults::serial`] is on.
    turn: tokio::sync::Mutex<()>,
}

impl Device {
    pub(super) fn new(options: Options, log: Log) -> Self {
        let public_keys: Vec<_> = options
            .keys
            .iter()
            .map(|key| key.public_key().clone())
            .collect();
        Self {
            keys: public_keys
                .iter()
                .map(PublicKey::hash)
                .zip(options.keys)
                .collect(),
            public_keys,
            chains: options.chains,
            authorized_keys: options.authorized_keys,
            switches: Switches::new(options.faults),
            counters: Counters::default(),
            log,
            marks: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.public_keys.iter()
    }

    pub(super) fn authorized_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.authorized_keys.iter()
    }

    pub(super) fn secret_key(&self, key: &PublicKeyHash) -> Option<&SecretKey> {
        self.keys.get(key)
    }

    pub(super) fn switches(&self) -> &Switches {
        &self.switches
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Records that a payload arrived, whatever happens to it next.
    pub(super) fn receive(&self, key: PublicKeyHash, bytes: &[u8]) -> io::Result<()> {
        let payload = Payload::decode(key.curve(), bytes).ok();
        self.log.append(Entry::new(
            Event::Received,
            key,
            payload.as_ref(),
            &digest(bytes),
        ))
    }

    /// Signs, takes a stored signature again, or refuses; each is recorded.
    ///
    /// Cancel-safe: a call that is dropped during its latency has signed nothing.
    pub(super) async fn sign(
        &self,
        request: &SignRequest,
        faults: &Faults,
    ) -> Result<Signature, Refusal> {
        let signed = match self.admit(request, faults) {
            Ok((key, scheme, payload)) => {
                let _turn = if faults.serial {
                    Some(self.turn.lock().await)
                } else {
                    None
                };
                tokio::time::sleep(Duration::from_millis(faults.latency_ms)).await;
                self.sign_now(request, faults, key, scheme, &payload)
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &signed {
            let payload = Payload::decode(request.key.curve(), &request.bytes).ok();
            let entry = Entry::new(
                Event::Refused,
                request.key,
                payload.as_ref(),
                &digest(&request.bytes),
            );
            self.log.append(entry.with_reason(&refusal.to_string()))?;
        }
        signed
    }

    fn admit(
        &self,
        request: &SignRequest,
        faults: &Faults,
    ) -> Result<(&SecretKey, Scheme, ConsensusPayload), Refusal> {
        let key = self
            .keys
            .get(&request.key)
            .ok_or(Refusal::UnknownKey(request.key))?;
        let payload = match Payload::decode(request.key.curve(), &request.bytes)? {
            Payload::Consensus(payload) => payload,
            Payload::Other { magic } => return Err(Refusal::MagicByte(magic)),
        };
        if !self.chains.contains(&payload.chain) {
            return Err(Refusal::Chain(payload.chain));
        }
        if faults.demand_authentication {
            let authentication = request
                .authentication
                .as_ref()
                .ok_or(Refusal::AuthenticationMissing)?;
            verify_authentication(
                &self.authorized_keys,
                &request.key,
                &request.bytes,
                authentication,
            )
            .ok_or(Refusal::AuthenticationInvalid)?;
        }
        Ok((key, scheme(request.key.curve(), request.version)?, payload))
    }

    fn sign_now(
        &self,
        request: &SignRequest,
        faults: &Faults,
        key: &SecretKey,
        scheme: Scheme,
        payload: &ConsensusPayload,
    ) -> Result<Signature, Refusal> {
        let bytes = digest(&request.bytes);
        let whole = Payload::Consensus(*payload);
        let entry = |event| Entry::new(event, request.key, Some(&whole), &bytes);
        let mut marks = self.marks();
        match marks.decide(rule(faults), request.key, payload, &bytes) {
            Decision::Refuse(sentence) => Err(Refusal::Watermark(sentence)),
            Decision::Replay(signature) => {
                self.log
                    .append(entry(Event::Replayed).with_signature(&signature))?;
                Ok(signature)
            }
            Decision::Sign => {
                let signature = make(key, scheme, &request.bytes, faults.random_nonce)?;
                marks.raise(request.key, payload, bytes, &signature);
                self.log
                    .append(entry(Event::Signed).with_signature(&signature))?;
                Ok(signature)
            }
        }
    }

    fn marks(&self) -> MutexGuard<'_, Watermarks> {
        // Nothing panics while the lock is held, so a poisoned value is still whole.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A well-formed signature over the asked bytes that the asked key did not make.
pub(super) fn forge(request: &SignRequest) -> Option<Signature> {
    let scheme = scheme(request.key.curve(), request.version).ok()?;
    impostor(&request.key).map(|key| key.sign(scheme, &request.bytes))
}

/// Another key of the same curve, always the same one for a key.
pub(super) fn impostor(key: &PublicKeyHash) -> Option<SecretKey> {
    keys_from_seed(&format!("impostor of {key}"), &[key.curve()]).pop()
}

fn make(
    key: &SecretKey,
    scheme: Scheme,
    bytes: &[u8],
    random_nonce: bool,
) -> Result<Signature, Refusal> {
    if !random_nonce {
        return Ok(key.sign(scheme, bytes));
    }
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(|_| Refusal::Randomness)?;
    Ok(key.sign_with_nonce(scheme, bytes, &entropy))
}

fn rule(faults: &Faults) -> Rule {
    if faults.no_watermark {
        Rule::Off
    } else if faults.shared_watermark {
        Rule::Shared
    } else if faults.refuse_repeats {
        Rule::RefuseRepeats
    } else {
        Rule::Octez
    }
}

fn scheme(curve: Curve, version: Option<u8>) -> Result<Scheme, Refusal> {
    match curve {
        Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa => Ok(Scheme::Standard),
        Curve::Bls => match version {
            None | Some(2 | 3) => Ok(Scheme::Pop),
            Some(1) => Ok(Scheme::Aug),
            Some(other) => Err(Refusal::Version(other)),
        },
    }
}

#[cfg(test)]
mod tests;
