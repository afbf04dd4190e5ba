//! Read-only endpoints, answered from the verified copy.

use std::sync::Arc;

use tokio::time::Instant;

use crate::signer::{LOOPED, Seek, instance_key};
use crate::telemetry::metrics::label;
use crate::tezos::{PublicKey, PublicKeyHash, verify_possession, wire};

use super::error::ProxyError;
use super::lookup;
use super::{METADATA_HOLD, Proxy};

/// `GET /authorized_keys`
pub(super) async fn authorized_keys(proxy: &Proxy) -> Result<String, ProxyError> {
    let begun = Instant::now();
    let mut news = proxy.cache.news();
    // Taken by who has to wait.
    let mut room = None;
    loop {
        news.borrow_and_update();
        if let Some(authorized) = proxy.cache.authorized() {
            count(proxy, if room.is_some() { "held" } else { "hit" });
            return Ok(wire::authorized_keys_body(authorized.keys.as_deref()));
        }
        if room.is_none() {
            room = Some(proxy.room.for_metadata()?);
        }
        if tokio::time::timeout_at(hold_until(begun), news.changed())
            .await
            .is_err()
        {
            count(proxy, "miss");
            return Err(ProxyError::NoAnswer(format!(
                "no signer has ever answered /authorized_keys: {}",
                proxy.roster.explain(None).join("; ")
            )));
        }
    }
}

/// `GET /keys/<pkh>`
pub(super) async fn public_key(proxy: &Proxy, key: PublicKeyHash) -> Result<String, ProxyError> {
    if instance_key(&proxy.instance) == Some(key) {
        return Err(ProxyError::Malformed(LOOPED.to_owned()));
    }
    find_public_key(proxy, key)
        .await
        .map(|public_key| wire::public_key_body(&public_key))
}

async fn find_public_key(proxy: &Proxy, key: PublicKeyHash) -> Result<PublicKey, ProxyError> {
    if !proxy.cache.is_served(key) {
        let reason = "is not listed in this proxy's configuration".to_owned();
        return Err(ProxyError::UnknownKey { key, reason });
    }
    if let Some(public_key) = proxy.cache.public_key(key) {
        count(proxy, "hit");
        return Ok(public_key);
    }
    let _room = proxy.room.for_metadata()?;
    match lookup::public_key(proxy, key, hold_until(Instant::now())).await {
        Seek::Found(public_key) => {
            count(proxy, "held");
            Ok(public_key)
        }
        Seek::Denied { .. } => {
            count(proxy, "miss");
            let reason = "is known to no signer".to_owned();
            Err(ProxyError::UnknownKey { key, reason })
        }
        Seek::Unanswered => {
            count(proxy, "miss");
            let causes = proxy.roster.explain(Some(key)).join("; ");
            Err(ProxyError::NoAnswer(format!(
                "no signer has shown the public key of {key}: {causes}"
            )))
        }
    }
}

/// `GET /known_keys`, if the configuration allows it.
pub(super) fn known_keys(proxy: &Proxy) -> Result<String, ProxyError> {
    if !proxy.known_keys {
        return Err(ProxyError::Policy(
            "known keys are not listed; set listen.known-keys = true".to_owned(),
        ));
    }
    count(proxy, "hit");
    Ok(wire::known_keys_body(&proxy.cache.known_keys()))
}

/// `GET /bls_prove_possession/<pkh>`
pub(super) async fn prove_possession(
    proxy: &Arc<Proxy>,
    key: PublicKeyHash,
    subject: Option<PublicKey>,
) -> Result<String, ProxyError> {
    let curve = key.curve();
    let subject_hash = subject.as_ref().map(PublicKey::hash);
    if let Some(proof) = proxy.cache.proof(key, subject_hash) {
        count(proxy, "hit");
        return Ok(wire::possession_body(&proof.encode(curve)));
    }
    let until = hold_until(Instant::now());
    let public_key = find_public_key(proxy, key).await?;
    let _room = proxy.room.for_metadata()?;
    let checked = {
        let subject = subject.clone();
        move |proof: &crate::tezos::Signature| {
            verify_possession(&public_key, subject.as_ref(), proof).is_ok()
        }
    };
    match proxy
        .prober
        .seek_proof(key, subject.as_ref(), checked, until)
        .await
    {
        Ok(proof) => {
            count(proxy, "held");
            proxy.cache.keep_proof(key, subject_hash, proof.clone());
            Ok(wire::possession_body(&proof.encode(curve)))
        }
        Err(causes) => {
            count(proxy, "miss");
            Err(ProxyError::NoAnswer(format!(
                "no signer has proved possession of {key}: {causes}"
            )))
        }
    }
}

pub(super) fn hold_until(begun: Instant) -> Instant {
    begun.checked_add(METADATA_HOLD).unwrap_or(begun)
}

fn count(proxy: &Proxy, result: &str) {
    let labels = label::Result {
        result: result.to_owned(),
    };
    proxy.metrics.cache_requests.get_or_create(&labels).inc();
}
