//! What a key may sign, before any state is made.

use std::time::Duration;

use crate::settings::{Chain, Deadline, Key};
use crate::tezos::{ConsensusKind, Payload, PublicKeyHash};

use super::Proxy;
use super::deadline;
use super::error::ProxyError;

/// Kinds that every key may sign unless its policy says otherwise.
const DEFAULT: [ConsensusKind; 3] = [
    ConsensusKind::Block,
    ConsensusKind::Preattestation,
    ConsensusKind::Attestation,
];

/// An admitted payload.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The chain of a consensus payload.
    chain: Option<Chain>,
}

impl Admitted {
    /// How long a signature over the payload is of use to a baker that waits for `patience`. Who asks for
    /// anything else asks again when it is over, and joins what is under way.
    pub(super) fn limit(
        &self,
        payload: &Payload,
        settings: &Deadline,
        patience: Option<Duration>,
    ) -> Duration {
        match (payload, &self.chain) {
            (Payload::Consensus(payload), Some(chain)) => {
                let (kind, round) = (payload.kind, payload.position.round);
                let limit = deadline::consensus(kind, round, chain, settings);
                patience.map_or(limit, |patience| limit.min(patience))
            }
            (Payload::Consensus(_) | Payload::Other { .. }, _) => settings.other,
        }
    }
}

/// Admits `payload` for `key`, or says which setting forbids it.
pub(super) fn admit(
    proxy: &Proxy,
    key: PublicKeyHash,
    payload: &Payload,
) -> Result<Admitted, ProxyError> {
    let policy = of(proxy, key)?;
    match payload {
        Payload::Consensus(payload) => {
            let allowed = match policy {
                Some(policy) => policy.allow.consensus.contains(&payload.kind),
                None => DEFAULT.contains(&payload.kind),
            };
            if !allowed {
                return Err(ProxyError::Policy(format!(
                    "{key} may not sign {kind}s; add \"{kind}\" to its allow list",
                    kind = payload.kind
                )));
            }
            let chain = proxy
                .chains
                .iter()
                .find(|chain| chain.id == payload.chain)
                .copied();
            let Some(chain) = chain else {
                return Err(ProxyError::Policy(format!(
                    "chain {} is not listed; add it as [[chain]]",
                    payload.chain
                )));
            };
            Ok(Admitted { chain: Some(chain) })
        }
        Payload::Other { magic } => {
            let allow = policy.map(|policy| &policy.allow);
            let (allowed, word) = match magic {
                0x03 => (allow.is_some_and(|allow| allow.generic), "generic"),
                0x05 => (allow.is_some_and(|allow| allow.michelson), "michelson"),
                _ => {
                    return Err(ProxyError::Policy(format!(
                        "magic byte 0x{magic:02x} is never signed through this proxy"
                    )));
                }
            };
            if !allowed {
                return Err(ProxyError::Policy(format!(
                    "{key} may not sign magic byte 0x{magic:02x}; add \"{word}\" to its allow list"
                )));
            }
            Ok(Admitted { chain: None })
        }
    }
}

/// Whether a baker with a certificate of these names may ask for signatures of `key`.
pub(super) fn check_client(
    proxy: &Proxy,
    key: PublicKeyHash,
    names: Option<&[String]>,
) -> Result<(), ProxyError> {
    let Some(clients) = of(proxy, key)?.and_then(|policy| policy.clients.as_ref()) else {
        return Ok(());
    };
    let Some(names) = names else {
        return Err(ProxyError::ClientUnknown(format!(
            "signatures of {key} are given over https to bakers with a certificate only"
        )));
    };
    if names.iter().any(|name| clients.contains(name)) {
        return Ok(());
    }
    Err(ProxyError::ClientUnknown(format!(
        "the certificate of {} may not ask for signatures of {key}; add a name of it to its clients",
        names.join(", ")
    )))
}

/// Whether equal bytes always get equal signatures.
pub(super) fn is_deterministic(proxy: &Proxy, key: PublicKeyHash) -> bool {
    let policy = proxy.keys.iter().find(|policy| policy.hash == key);
    policy.map_or_else(
        || key.curve().is_deterministic_by_default(),
        |policy| policy.deterministic,
    )
}

/// The policy of a key; `None` is the default one.
fn of(proxy: &Proxy, key: PublicKeyHash) -> Result<Option<&Key>, ProxyError> {
    if proxy.keys.is_empty() {
        return Ok(None);
    }
    let policy = proxy.keys.iter().find(|policy| policy.hash == key);
    policy.map(Some).ok_or_else(|| ProxyError::UnknownKey {
        key,
        reason: "is not listed in this proxy's configuration".to_owned(),
    })
}
