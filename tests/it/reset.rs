//! The one way down, and out of a store that cannot be used: every missing check refuses, a complete one works.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use signer_proxy::tezos::Curve;

use crate::harness::cli::Finished;
use crate::harness::direct::{Direct, FLOOR};
use crate::harness::payload::{attestation, block};
use crate::harness::proxy::Proxy;

const CURVE: Curve = Curve::Ed25519;

async fn reset(proxy: &Proxy, arguments: &[&str]) -> Finished {
    proxy.command(&["watermark", "reset"], arguments).await
}

async fn lineage(proxy: &Proxy) -> String {
    let shown = proxy.command(&["watermark", "show"], &[]).await;
    let line = shown.stdout.lines().next().unwrap().to_owned();
    line.strip_prefix("lineage ").unwrap().to_owned()
}

fn store(proxy: &Proxy) -> PathBuf {
    proxy.config.state.join("watermarks.redb")
}

/// Files of the state directory whose names begin so.
fn files(proxy: &Proxy, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&proxy.config.state).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(prefix)
    };
    paths.filter(named).collect()
}

/// A node in sync whose head is at `head`.
fn node(head: u32) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), head);
        }
    });
    url
}

fn answer(mut stream: TcpStream, head: u32) {
    let mut request = Vec::new();
    let mut byte = [0; 1];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let body = match request.split(' ').nth(1) {
        Some("/chains/main/chain_id") => "\"NetXdQprcVkpaWU\"".to_owned(),
        Some("/chains/main/is_bootstrapped") => {
            r#"{"bootstrapped":true,"sync_state":"synced"}"#.to_owned()
        }
        _ => {
            let now = jiff::Timestamp::now();
            format!(r#"{{"level":{head},"timestamp":"{now}"}}"#)
        }
    };
    let length = body.len();
    // The proxy may have hung up.
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: \
         close\r\n\r\n{body}"
    )
    .ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_refused_while_any_check_is_missing() {
    let tables = format!("[node]\nurl = \"{}\"", node(5_000));
    let mut all = Direct::cold(&[&[]], "", &tables).await;
    let absent = ["--danger", "--lineage", "x", "--level", "6000"];
    // Not even the directory is made.
    assert_eq!(reset(&all.proxy, &absent).await.code, Some(74));
    std::fs::create_dir(&all.proxy.config.state).unwrap();
    let nothing = reset(&all.proxy, &absent).await;
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert!(
        nothing.stderr.contains("there is no store to replace"),
        "{nothing:?}"
    );
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    let is = lineage(&all.proxy).await;
    let before = std::fs::read(store(&all.proxy)).unwrap();
    let of = |key: &'static str| vec!["--danger", "--lineage", key, "--level", "6000"];
    let right: &'static str = is.clone().leak();
    for (arguments, code, said) in [
        (vec!["--lineage", right, "--level", "6000"], 64, "--danger"),
        (vec!["--danger", "--level", "6000"], 64, "--lineage"),
        (vec!["--danger", "--lineage", right], 64, "--level"),
        (of("x"), 1, "x is not the lineage of this store"),
        (of("unreadable"), 1, "is not the lineage of this store"),
        (
            vec!["--danger", "--lineage", right, "--level", "4999"],
            1,
            "at 5000",
        ),
        (
            [
                of(right),
                vec!["--key", "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb"],
            ]
            .concat(),
            1,
            "the store knows tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb",
        ),
        (
            [of(right), vec!["--chain", "NetXxkAx4woPLyu"]].concat(),
            1,
            "is not a [[chain]]",
        ),
    ] {
        let refused = reset(&all.proxy, &arguments).await;
        assert_eq!(refused.code, Some(code), "{arguments:?} {refused:?}");
        assert!(refused.stderr.contains(said), "{arguments:?} {refused:?}");
    }
    // Not a byte: the store is looked at as a copy.
    assert!(std::fs::read(store(&all.proxy)).unwrap() == before);
    all.proxy.start().await;
    let running = reset(&all.proxy, &of(right)).await;
    assert_eq!(running.code, Some(75), "{running:?}");
    all.proxy.stop().await;
    assert_eq!(lineage(&all.proxy).await, is);
    assert!(files(&all.proxy, "watermarks.redb.").is_empty());
    assert!(files(&all.proxy, "watermarks-before").is_empty());
    // With all of them, and the head no objection, it is done.
    reset(&all.proxy, &of(right)).await.ok();
    assert_ne!(lineage(&all.proxy).await, is);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_set_too_high_signs_again_after_a_reset_and_the_others_keep_theirs() {
    let mut all = Direct::start(&[&[]]).await;
    let (key, other) = (all.key(CURVE), all.key(Curve::P256));
    let signed = attestation(FLOOR + 1).bytes(Curve::P256, 1);
    let signature = all.baker.sign(&other, &signed).await.signature();
    let hash = key.hash().to_string();
    let arguments = ["--key", &hash[..], "--level", "2000000000"];
    all.proxy
        .command(&["watermark", "init"], &arguments)
        .await
        .ok();
    let arguments = ["--key", &hash[..], "--level", "1500"];
    all.proxy
        .command(&["watermark", "stop-at"], &arguments)
        .await
        .ok();
    let bytes = attestation(FLOOR + 501).bytes(CURVE, 1);
    all.baker.sign(&key, &bytes).await.refusal(409);
    all.proxy.stop().await;
    let is = lineage(&all.proxy).await;
    let arguments = [
        "--danger",
        "--lineage",
        &is,
        "--key",
        &hash,
        "--level",
        "1500",
    ];
    let done = reset(&all.proxy, &arguments).await.ok();
    let new = lineage(&all.proxy).await;
    assert!(
        done.stdout
            .contains(&format!("lineage of the new store: {new}")),
        "{done:?}"
    );
    assert_eq!(files(&all.proxy, "watermarks.redb.replaced-").len(), 1);
    let saved = files(&all.proxy, "watermarks-before-reset-");
    let saved = std::fs::read_to_string(&saved[0]).unwrap();
    assert!(
        saved.contains("2000000000") && saved.contains("\"stop-at\": 1500"),
        "{saved}"
    );
    all.proxy.start().await;
    all.proxy.until_signers(&["home-a"], "up").await;
    all.baker.sign(&key, &bytes).await.signature();
    all.baker
        .sign(&key, &attestation(FLOOR + 500).bytes(CURVE, 1))
        .await
        .refusal(409);
    assert_eq!(all.baker.sign(&other, &signed).await.signature(), signature);
    all.baker
        .sign(&other, &attestation(FLOOR + 1).bytes(Curve::P256, 2))
        .await
        .refusal(409);
    all.assert_clean(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_store_signs_again_after_a_reset_of_all_its_keys() {
    let mut all = Direct::start(&[&[]]).await;
    let key = all.key(CURVE);
    all.proxy
        .command(&["watermark", "export", "--seal"], &[])
        .await
        .ok();
    all.proxy.stop().await;
    let is = lineage(&all.proxy).await;
    let arguments = ["--danger", "--lineage", &is, "--level", "2000"];
    reset(&all.proxy, &arguments).await.ok();
    all.proxy.start().await;
    all.proxy.until_signers(&["home-a"], "up").await;
    all.baker
        .sign(&key, &attestation(2_000).bytes(CURVE, 1))
        .await
        .refusal(409);
    for slot in [attestation(2_001), block(2_001)] {
        all.baker
            .sign(&key, &slot.bytes(CURVE, 1))
            .await
            .signature();
    }
    all.assert_clean(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_replaced_without_anybody_deleting_anything() {
    let mut all = Direct::cold(&[&[]], "", "").await;
    let key = all.key(CURVE);
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    std::fs::write(store(&all.proxy), "torn").unwrap();
    let arguments = ["--danger", "--lineage", "0123", "--level", "2000"];
    let refused = reset(&all.proxy, &arguments).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("--lineage unreadable"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(store(&all.proxy)).unwrap(), b"torn");
    let arguments = ["--danger", "--lineage", "unreadable", "--level", "2000"];
    reset(&all.proxy, &arguments).await.ok();
    let kept = files(&all.proxy, "watermarks.redb.replaced-");
    assert_eq!(std::fs::read(&kept[0]).unwrap(), b"torn");
    all.proxy.start().await;
    all.proxy.until_signers(&["home-a"], "up").await;
    all.baker
        .sign(&key, &attestation(2_000).bytes(CURVE, 1))
        .await
        .refusal(409);
    all.baker
        .sign(&key, &attestation(2_001).bytes(CURVE, 1))
        .await
        .signature();
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_below_the_head_or_an_unknown_head_needs_its_own_word() {
    let mut all = Direct::cold(&[&[]], "", "[node]\nurl = \"http://127.0.0.1:1\"").await;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    for node in [None, Some(node(5_000))] {
        if let Some(node) = node {
            all.proxy.config.replace("http://127.0.0.1:1", &node);
        }
        let is = lineage(&all.proxy).await;
        let arguments = ["--danger", "--lineage", &is, "--level", "4000"];
        let refused = reset(&all.proxy, &arguments).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.stderr.contains("nothing was changed"),
            "{refused:?}"
        );
        assert_eq!(lineage(&all.proxy).await, is);
        let arguments = [&arguments[..], &["--below-head"]].concat();
        reset(&all.proxy, &arguments).await.ok();
        assert_ne!(lineage(&all.proxy).await, is);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_put_back_is_accepted_above_all_that_its_witness_knows() {
    let mut all = Direct::cold(&[&[]], "", "").await;
    let witness = all.scene.file("witness.json");
    let state = format!("[state]\nwitness = \"{}\"\n", witness.display());
    all.proxy.config.replace("[state]\n", &state);
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    let backup = all.scene.file("backup");
    std::fs::copy(store(&all.proxy), &backup).unwrap();
    all.proxy.start().await;
    all.proxy.until_signers(&["home-a"], "up").await;
    let key = all.key(CURVE);
    all.baker
        .sign(&key, &attestation(FLOOR + 7).bytes(CURVE, 1))
        .await
        .signature();
    all.proxy.stop().await;
    std::fs::copy(&backup, store(&all.proxy)).unwrap();
    all.proxy.start_refusing().await;
    let accept = ["watermark", "accept"];
    let running = all.proxy.command(&accept, &["--level", "1003"]).await;
    assert_eq!(running.code, Some(75), "{running:?}");
    all.proxy.until_signers(&["home-a"], "up").await;
    let refusal = all
        .baker
        .sign(&key, &attestation(FLOOR + 7).bytes(CURVE, 2))
        .await;
    assert!(
        refusal.refusal(500).contains("watermark accept"),
        "{refusal:?}"
    );
    all.proxy.stop().await;
    assert_eq!(all.proxy.command(&accept, &[]).await.code, Some(64));
    // The head of a node is above that level, or is not known.
    let ahead = format!("[node]\nurl = \"{}\"\n[state]\n", node(1_004));
    all.proxy.config.replace("[state]\n", &ahead);
    let before = std::fs::read(store(&all.proxy)).unwrap();
    let refused = all.proxy.command(&accept, &["--level", "1003"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["head of the chain, which is at 1004", "--below-head"] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
    assert_eq!(std::fs::read(store(&all.proxy)).unwrap(), before);
    let nobody = "[node]\nurl = \"http://127.0.0.1:1\"\n[state]\n";
    all.proxy.config.replace(&ahead, nobody);
    let done = all.proxy.command(&accept, &["--level", "1003"]).await.ok();
    assert!(
        done.stdout.contains("level 1003 was not compared with it"),
        "{done:?}"
    );
    all.proxy.start().await;
    all.proxy.until_signers(&["home-a"], "up").await;
    all.baker
        .sign(&key, &attestation(FLOOR + 7).bytes(CURVE, 2))
        .await
        .refusal(409);
    all.baker
        .sign(&key, &attestation(FLOOR + 8).bytes(CURVE, 2))
        .await
        .signature();
    all.assert_clean(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_level_is_of_one_chain_and_keys_on_others_are_halted_until_they_are_resumed() {
    let mut all = Direct::cold(&[&[]], "", "").await;
    let witness = all.scene.file("witness.json");
    let state = format!("[state]\nwitness = \"{}\"\n", witness.display());
    let (mainnet, other) = ("NetXdQprcVkpaWU", "NetXxkAx4woPLyu");
    let table = |id| format!("[[chain]]\nid = \"{id}\"\n");
    let two = [table(mainnet), table(other), state.clone()].concat();
    all.proxy.config.replace("[state]\n", &two);
    let key = all.key(CURVE).hash().to_string();
    for chain in [mainnet, other] {
        let arguments = ["--key", &key, "--chain", chain, "--level", "1000"];
        let init = ["watermark", "init"];
        all.proxy.command(&init, &arguments).await.ok();
    }
    // The configuration has one chain only now, and the store has both.
    let one = [table(mainnet), state].concat();
    all.proxy.config.replace(&two, &one);
    let accept = ["watermark", "accept"];
    let done = all.proxy.command(&accept, &["--level", "1003"]).await.ok();
    for line in [
        format!("{key} on {mainnet}: nothing at or below level 1003"),
        format!("{key} on {other}: halted"),
    ] {
        assert!(done.stdout.contains(&line), "{line}: {done:?}");
    }
    all.proxy.config.replace(&one, &two);
    let show = || async {
        let shown = all.proxy.command(&["watermark", "show"], &[]).await.ok();
        shown.stdout
    };
    let halted = show().await;
    assert!(halted.contains("says nothing of"), "{halted}");
    let resume = ["--key", &key, "--chain", other, "--level", "1500"];
    let resumed = all.proxy.command(&["watermark", "resume"], &resume).await;
    resumed.ok();
    let shown = show().await;
    assert!(!shown.contains("says nothing of"), "{shown}");
    assert!(shown.contains("1500") && shown.contains("1003"), "{shown}");
}
