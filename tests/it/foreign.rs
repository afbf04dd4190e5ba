//! Somebody else signs with a key: seen, and never taken for a signer that merely lags or leads.

use signer_proxy::tezos::{Curve, PublicKey};

use crate::harness::baker::Baker;
use crate::harness::config::Config;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::{Kind, attestation, block, slot};
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;

/// A second proxy, with a store of its own, on the first signer of `all`.
struct Second {
    baker: Baker,
    _proxy: Proxy,
    _scene: Scene,
}

impl Second {
    async fn start(all: &Direct) -> Self {
        let scene = Scene::new();
        let keys = all.signers[0].keys();
        let url = format!("http://{}", all.signers[0].address());
        let config = Config::new(&scene).signer(NAMES[0], 1, "", &[url]);
        let mut proxy = Proxy::new(config.keys(keys));
        let baker = proxy.baker(keys);
        proxy.init(keys, FLOOR).await;
        proxy.start().await;
        proxy.until_signers(&NAMES[..1], "up").await;
        Self {
            baker,
            _proxy: proxy,
            _scene: scene,
        }
    }
}

/// What the status says of a key: its state and the cause.
async fn standing(proxy: &Proxy, key: &PublicKey) -> (String, String) {
    let status = proxy.status().await;
    let keys = status["keys"].as_array().unwrap();
    let of_key = keys
        .iter()
        .find(|entry| entry["hash"] == key.hash().to_string())
        .unwrap();
    let text = |name: &str| of_key[name].as_str().unwrap_or_default().to_owned();
    (text("state"), text("cause"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proxies_on_one_signer_are_found_out_at_the_first_other_payload() {
    let mut all = Direct::start(&[&[], &["--no-watermark"]]).await;
    let second = Second::start(&all).await;
    for curve in [Curve::Ed25519, Curve::Bls] {
        let key = all.key(curve);
        for kind in Kind::ALL {
            // Equal bytes are no harm and no evidence: the signer gives the same signature again.
            let shared = slot(kind, FLOOR + 1, 0).bytes(curve, 1);
            second.baker.sign(&key, &shared).await.signature();
            all.baker.sign(&key, &shared).await.signature();
        }
        let other = attestation(FLOOR + 2).bytes(curve, 2);
        second.baker.sign(&key, &other).await.signature();
        let ours = attestation(FLOOR + 2).bytes(curve, 1);
        let refusal = all.baker.sign(&key, &ours).await.refusal(409);
        assert!(refusal.starts_with("[watermark] home-a "), "{refusal}");
        assert!(
            refusal.contains("already signed with different data"),
            "{refusal}"
        );
        // Neither at the other signer, which would have signed, nor for any later slot.
        for _ in 0..2 {
            for level in [FLOOR + 2, FLOOR + 3] {
                let bytes = attestation(level).bytes(curve, 1);
                let refusal = all.baker.sign(&key, &bytes).await.refusal(409);
                // The slot itself is lost for good, whatever the operator resumes.
                let lost = level == FLOOR + 2;
                assert_eq!(
                    refusal.contains("is not above the watermark"),
                    lost,
                    "{refusal}"
                );
                assert_eq!(refusal.contains("halted since"), !lost, "{refusal}");
                assert_eq!(refusal.contains("watermark resume"), !lost, "{refusal}");
            }
            let (state, cause) = standing(&all.proxy, &key).await;
            assert_eq!(state, "stopped");
            assert!(cause.contains("home-a has signed other bytes"), "{cause}");
            // What was signed before is given as ever, also after a crash.
            let signed = attestation(FLOOR + 1).bytes(curve, 1);
            all.baker.sign(&key, &signed).await.signature();
            all.proxy.crash().await;
            all.proxy.until_signers(&NAMES, "up").await;
        }
    }
    // A key that nobody else uses is not touched.
    let untouched = all.key(Curve::Secp256k1);
    let bytes = block(FLOOR + 2).bytes(Curve::Secp256k1, 1);
    all.baker.sign(&untouched, &bytes).await.signature();
    assert_eq!(all.signers[1].counts().await.sign, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_leads_or_lags_halts_nothing() {
    let all = Direct::start(&[&[], &[]]).await;
    let key = all.key(Curve::P256);
    let ahead = Baker::new(all.signers[0].address(), all.signers[0].keys());
    // It leads: used elsewhere up to a higher level, as before a move.
    let far = attestation(FLOOR + 50).bytes(Curve::P256, 9);
    ahead.sign(&key, &far).await.signature();
    for level in [FLOOR + 1, FLOOR + 49] {
        for round in [0, 3] {
            let bytes = slot(Kind::Attestation, level, round).bytes(Curve::P256, 1);
            all.baker.sign(&key, &bytes).await.signature();
        }
    }
    // It lags: it has seen nothing of what the other one signed since.
    for level in [FLOOR + 51, FLOOR + 60] {
        let bytes = attestation(level).bytes(Curve::P256, 1);
        all.baker.sign(&key, &bytes).await.signature();
    }
    let (state, cause) = standing(&all.proxy, &key).await;
    assert_eq!((state.as_str(), cause.as_str()), ("ok", ""));
}
