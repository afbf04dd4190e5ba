//! Trouble with the disk under a running proxy: nothing is signed in doubt, what was signed is given, the
//! reason is said, and where it is safe the proxy comes back by itself.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use signer_proxy::tezos::Curve;

use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::{Kind, attestation, slot};
use crate::harness::wait::until;

/// The file of the store in the state directory.
const STORE: &str = "watermarks.redb";

/// Writes `path` until the volume is full.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Checks what must go on whatever the store does: metadata, and the signature over `bytes`.
async fn assert_answers(all: &Direct, bytes: &[u8]) {
    let key = all.key(Curve::Ed25519);
    let shown = all
        .baker
        .get(&format!("/keys/{}", key.hash()))
        .await
        .unwrap();
    assert_eq!(shown.status, 200);
    all.baker.sign(&key, bytes).await.signature();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_signing_and_space_brings_it_back_without_a_restart() {
    let mut all = Direct::cold(&[&["--no-watermark"]], "", "").await;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    let volume = all.proxy.start_on_volume("24m").await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    let key = all.key(Curve::Ed25519);
    let first = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &first).await.signature();
    let filler = volume.join("filler");
    fill(&filler);
    // The store works within its file until it has to grow.
    let mut refused = None;
    'grow: for round in 0..=255 {
        for kind in Kind::ALL {
            for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256] {
                let bytes = slot(kind, FLOOR + 2, round).bytes(curve, 1);
                let asked = all.baker.sign(&all.key(curve), &bytes).await;
                if asked.signature.is_err() {
                    let refusal = asked.refusal(500);
                    assert!(refusal.starts_with("[store] "), "{refusal}");
                    refused = Some((curve, bytes, refusal));
                    break 'grow;
                }
            }
        }
    }
    let (curve, bytes, refusal) = refused.expect("a full disk must be met");
    assert!(refusal.contains("No space left on device"), "{refusal}");
    assert_answers(&all, &first).await;
    let status = all.proxy.status().await;
    assert_eq!(status["store"]["state"], "refusing");
    assert_eq!(status["state"], "down");
    let free = all.proxy.metric("state_free_bytes").await;
    assert!(free < 1_000_000.0, "{free}");
    assert_eq!(
        all.proxy
            .logged("space for the state directory runs out")
            .len(),
        1
    );
    std::fs::remove_file(&filler).unwrap();
    all.proxy
        .until("the store to come back", |status| {
            status["store"]["state"] == "ready"
        })
        .await;
    all.baker.sign(&all.key(curve), &bytes).await.signature();
    let other = attestation(FLOOR + 1).bytes(Curve::Ed25519, 2);
    all.baker.sign(&key, &other).await.refusal(409);
    assert_answers(&all, &first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_at_the_start_costs_no_restart() {
    let mut all = Direct::cold(&[&["--no-watermark"]], "", "").await;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    let volume = all.proxy.start_on_full_volume("24m").await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    let key = all.key(Curve::Ed25519);
    let bytes = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let refusal = all.baker.sign(&key, &bytes).await.refusal(500);
    assert!(refusal.starts_with("[store] "), "{refusal}");
    assert!(refusal.contains("No space left on device"), "{refusal}");
    assert!(refusal.contains("until there is space"), "{refusal}");
    std::fs::remove_file(volume.join("filler")).unwrap();
    all.proxy
        .until("the store to be opened", |status| {
            status["store"]["state"] == "ready"
        })
        .await;
    assert_eq!(all.proxy.until_logged("store signs again").await.len(), 1);
    all.baker.sign(&key, &bytes).await.signature();
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_only_read_write_no_witness() {
    let all = Direct::cold(&[&["--no-watermark"]], "", "").await;
    let other = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let witness = other.path().join("witness.json");
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    let config = std::fs::read_to_string(&all.proxy.config.file).unwrap();
    let with = format!("[state]\nwitness = \"{}\"", witness.display());
    std::fs::write(&all.proxy.config.file, config.replacen("[state]", &with, 1)).unwrap();
    for words in [["watermark", "show"], ["watermark", "export"]] {
        all.proxy.command(&words, &[]).await.ok();
        assert!(!witness.exists(), "{words:?}");
    }
    all.proxy.init(all.signers[0].keys(), FLOOR + 1).await;
    assert!(witness.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_moved_away_stops_signing_until_it_is_back() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    let vote = |level| attestation(level).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &vote(FLOOR + 1)).await.signature();
    let store = all.proxy.config.state.join(STORE);
    let aside = all.scene.file("aside.redb");
    std::fs::rename(&store, &aside).unwrap();
    let refusal = all.baker.sign(&key, &vote(FLOOR + 2)).await.refusal(500);
    assert!(refusal.starts_with("[store] "), "{refusal}");
    assert!(refusal.contains("was removed or moved"), "{refusal}");
    assert_answers(&all, &vote(FLOOR + 1)).await;
    // A copy in its place is not the file that this process writes.
    std::fs::copy(&aside, &store).unwrap();
    let refusal = all.baker.sign(&key, &vote(FLOOR + 2)).await.refusal(500);
    assert!(
        refusal.contains("was replaced by another file"),
        "{refusal}"
    );
    std::fs::rename(&aside, &store).unwrap();
    all.baker.sign(&key, &vote(FLOOR + 2)).await.signature();
    until("the event", async || {
        (!all.proxy.logged("store signs again").is_empty()).then_some(())
    })
    .await;
    all.assert_clean(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_state_directory_signs_nothing_beside_its_witness() {
    let mut all = Direct::cold(&[&["--no-watermark"]], "", "").await;
    let other = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let witness = other.path().join("witness.json");
    let config = std::fs::read_to_string(&all.proxy.config.file).unwrap();
    let with = format!("[state]\nwitness = \"{}\"", witness.display());
    std::fs::write(&all.proxy.config.file, config.replacen("[state]", &with, 1)).unwrap();
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    let (store, backup) = (
        all.proxy.config.state.join(STORE),
        all.scene.file("backup.redb"),
    );
    std::fs::copy(&store, &backup).unwrap();
    all.proxy.start().await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    let key = all.key(Curve::Ed25519);
    let vote = |level, fill| attestation(level).bytes(Curve::Ed25519, fill);
    all.baker.sign(&key, &vote(FLOOR + 1, 1)).await.signature();
    all.proxy.stop().await;
    std::fs::copy(&backup, &store).unwrap();
    all.proxy.start_refusing().await;
    let refusal = all.baker.sign(&key, &vote(FLOOR + 1, 2)).await.refusal(500);
    assert!(refusal.starts_with("[store] "), "{refusal}");
    assert!(refusal.contains("has gone back"), "{refusal}");
    assert!(refusal.contains("watermark accept"), "{refusal}");
    all.proxy.stop().await;
    let level = (FLOOR + 10).to_string();
    all.proxy
        .command(&["watermark", "accept"], &["--level", &level])
        .await
        .ok();
    all.proxy.start().await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    all.baker.sign(&key, &vote(FLOOR + 1, 2)).await.refusal(409);
    all.baker.sign(&key, &vote(FLOOR + 11, 2)).await.signature();
    all.assert_clean(2);
}
