//! Keys that move: from proxy to proxy and from other signers; never signed at two places.

mod over;
mod signers;

use std::path::Path;

use signer_proxy::tezos::{Curve, PublicKey};

use crate::harness::cli::Finished;
use crate::harness::config::Config;
use crate::harness::direct::{Direct, FLOOR};
use crate::harness::payload::{Slot, attestation, block};
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;

const CURVE: Curve = Curve::Ed25519;

/// A second proxy before the same signer, without a store.
fn elsewhere(scene: &Scene, signer: &Signer) -> Proxy {
    let url = format!("http://{}", signer.address());
    let config = Config::new(scene).signer("home-a", 1, "", &[url]);
    Proxy::new(config.keys(signer.keys()))
}

/// Whether `proxy` signs `slot` over the payload `fill`; a refusal must be one of `code`.
async fn signs(proxy: &Proxy, key: &PublicKey, slot: Slot, fill: u8, code: &str) -> bool {
    let baker = proxy.baker(std::slice::from_ref(key));
    let outcome = baker.sign(key, &slot.bytes(CURVE, fill)).await;
    if outcome.signature.is_ok() {
        return true;
    }
    let status = if code == "[store]" { 500 } else { 409 };
    let refusal = outcome.refusal(status);
    assert!(refusal.starts_with(code), "{refusal}");
    false
}

async fn shown(proxy: &Proxy) -> String {
    proxy.command(&["watermark", "show"], &[]).await.stdout
}

async fn import(proxy: &Proxy, source: &Path, arguments: &[&str]) -> Finished {
    let source = source.to_str().unwrap();
    let arguments = [&[source], arguments].concat();
    proxy.command(&["watermark", "import"], &arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_moves_to_another_proxy_and_the_old_one_never_signs_again() {
    let mut all = Direct::start(&[&[]]).await;
    let key = all.key(CURVE);
    let hash = key.hash().to_string();
    let signature = all
        .baker
        .sign(&key, &attestation(FLOOR + 1).bytes(CURVE, 1))
        .await
        .signature();
    let file = all.scene.file("watermarks.json");
    let arguments = ["--seal", "--output", file.to_str().unwrap()];
    let sealed = all
        .proxy
        .command(&["watermark", "export"], &arguments)
        .await
        .ok();
    assert!(sealed.stderr.contains("the store is sealed"), "{sealed:?}");
    // It is not written over, and may be asked for again.
    let again = all
        .proxy
        .command(&["watermark", "export"], &arguments)
        .await;
    assert_eq!(again.code, Some(1), "{again:?}");
    let printed = all.proxy.command(&["watermark", "export"], &[]).await.ok();
    let document = std::fs::read_to_string(&file).unwrap();
    assert_eq!(printed.stdout.matches("\"sealed\": \"").count(), 1);
    assert_eq!(
        document.matches("\"kind\"").count(),
        printed.stdout.matches("\"kind\"").count()
    );

    let scene = Scene::new();
    let mut new = elsewhere(&scene, &all.signers[0]);
    import(&new, &file, &[]).await.ok();
    new.start().await;
    new.until_signers(&["home-a"], "up").await;
    for round in 0..3 {
        assert!(
            !signs(&all.proxy, &key, attestation(FLOOR + 2), 1, "[store]").await,
            "{round}"
        );
        // What it signed it repeats.
        let bytes = attestation(FLOOR + 1).bytes(CURVE, 1);
        assert_eq!(all.baker.sign(&key, &bytes).await.signature(), signature);
        let level = (FLOOR + 900).to_string();
        let arguments = ["--key", &hash[..], "--level", &level];
        let init = all.proxy.command(&["watermark", "init"], &arguments).await;
        assert_eq!(init.code, Some(1), "{init:?}");
        assert!(init.stderr.contains("never signs again"), "{init:?}");
        assert!(shown(&all.proxy).await.contains("sealed since"));
        all.proxy.kill9();
        all.proxy.start_refusing().await;
        all.proxy.until_signers(&["home-a"], "up").await;
    }
    assert!(!signs(&new, &key, attestation(FLOOR + 1), 2, "[watermark]").await);
    assert!(signs(&new, &key, attestation(FLOOR + 2), 2, "").await);
    assert!(signs(&new, &key, block(FLOOR + 1), 2, "").await);
    all.assert_clean(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proxies_share_out_the_levels_at_a_stop_without_a_gap() {
    let mut all = Direct::start(&[&[]]).await;
    let key = all.key(CURVE);
    let hash = key.hash().to_string();
    assert!(signs(&all.proxy, &key, attestation(FLOOR + 1), 1, "").await);
    let stop = (FLOOR + 3).to_string();
    let arguments = ["--key", &hash[..], "--level", &stop];
    let said = all
        .proxy
        .command(&["watermark", "stop-at"], &arguments)
        .await
        .ok();
    assert!(
        said.stdout.contains(&format!("nothing above level {stop}")),
        "{said:?}"
    );
    assert!(
        said.stdout
            .contains(&format!("attestation level {} round 0", FLOOR + 1)),
        "{said:?}"
    );
    let file = all.scene.file("watermarks.json");
    let arguments = ["--output", file.to_str().unwrap()];
    all.proxy
        .command(&["watermark", "export"], &arguments)
        .await
        .ok();

    let scene = Scene::new();
    let mut new = elsewhere(&scene, &all.signers[0]);
    // The other keys have no stop, and may still be signed with.
    let refused = import(&new, &file, &[]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("may still sign"), "{refused:?}");
    import(&new, &file, &["--key", &hash]).await.ok();
    new.start().await;
    new.until_signers(&["home-a"], "up").await;
    for slot in [attestation(FLOOR + 3), block(FLOOR + 3)] {
        assert!(!signs(&new, &key, slot, 2, "[watermark]").await);
        assert!(signs(&all.proxy, &key, slot, 1, "").await);
        all.proxy.crash().await;
        all.proxy.until_signers(&["home-a"], "up").await;
    }
    for slot in [attestation(FLOOR + 4), block(FLOOR + 4)] {
        assert!(!signs(&all.proxy, &key, slot, 1, "[watermark]").await);
        assert!(signs(&new, &key, slot, 2, "").await);
    }
    let shown = shown(&all.proxy).await;
    assert!(
        shown.contains(&format!("{hash} stops: nothing above level {stop}")),
        "{shown}"
    );
    all.assert_clean(5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_document_is_refused_and_a_running_store_is_left_alone() {
    let all = Direct::start(&[&[]]).await;
    let printed = all.proxy.command(&["watermark", "export"], &[]).await.ok();
    let file = all.scene.file("edited.json");
    let edited = printed.stdout.replace("\"level\": 1000", "\"level\": 5000");
    std::fs::write(&file, edited).unwrap();
    let before = shown(&all.proxy).await;
    let refused = import(&all.proxy, &file, &["--stopped-at", "9000"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("checksum: the content was changed"),
        "{refused:?}"
    );
    assert_eq!(shown(&all.proxy).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_comes_along_and_ends_with_resume_above_its_level() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(CURVE);
    let hash = key.hash().to_string();
    let export = all
        .proxy
        .command(&["watermark", "export", "--seal"], &[])
        .await
        .ok();
    let line = format!("\"key\": \"{hash}\",\n      \"stop-at\": null,\n      \"halted\": null");
    let document = export.stdout + "\n";
    assert!(document.contains(&line), "{document}");
    let halted = "{ \"at\": \"2026-11-23T04:05:06Z\", \"reason\": \"other bytes\" }";
    let edited = document.replace(
        &line,
        &line.replace("\"halted\": null", &format!("\"halted\": {halted}")),
    );
    let file = all.scene.file("halted.json");
    std::fs::write(&file, &edited).unwrap();
    let scene = Scene::new();
    let mut new = elsewhere(&scene, &all.signers[0]);
    // The sentence says how a change that is meant is made good.
    let refused = import(&new, &file, &[]).await.stderr;
    let sum = refused
        .split("its checksum is ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let old = document
        .rsplit("\"checksum\": \"")
        .next()
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    std::fs::write(&file, edited.replace(old, sum)).unwrap();
    import(&new, &file, &[]).await.ok();
    new.start().await;
    new.until_signers(&["home-a"], "up").await;
    let text = shown(&new).await;
    assert!(
        text.contains(&format!(
            "{hash} halted since 2026-11-23T04:05:06Z: other bytes"
        )),
        "{text}"
    );
    assert!(!signs(&new, &key, attestation(FLOOR + 1), 1, "[watermark]").await);
    let level = (FLOOR + 5).to_string();
    let arguments = ["--key", &hash[..], "--level", &level];
    new.command(&["watermark", "resume"], &arguments).await.ok();
    let again = new.command(&["watermark", "resume"], &arguments).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("is not halted"), "{again:?}");
    assert!(!signs(&new, &key, attestation(FLOOR + 5), 1, "[watermark]").await);
    assert!(signs(&new, &key, attestation(FLOOR + 6), 1, "").await);
    all.assert_clean(1);
}
